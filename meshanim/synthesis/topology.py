"""What ties a model's files to a mesh: a fingerprint of its topology."""

from __future__ import annotations

import hashlib

import torch

from meshanim._check import InputError
from meshanim.mesh import Mesh


def topology_digest(mesh: Mesh) -> str:
    """Short fingerprint of a mesh's vertex count and triangles; the order of the triangles plays no part."""
    faces = mesh.faces
    first = faces.argmin(dim=1, keepdim=True)
    turned = faces.gather(1, (first + torch.arange(3)) % 3)
    ordered = torch.unique(turned, dim=0).to(torch.int64).contiguous()
    digest = hashlib.sha256(str(len(mesh.vertices)).encode())
    digest.update(ordered.cpu().numpy().astype("<i8").tobytes())
    return digest.hexdigest()[:16]


def check_topology(name: str, mesh: Mesh, template: Mesh) -> None:
    """Raise unless ``mesh`` has the vertices and triangles of ``template``, in the same vertex order."""
    if not isinstance(mesh, Mesh):
        made = "as with_vertices of a face's neutral makes one"
        raise InputError(f"{name} must be a Mesh, {made}, got {type(mesh).__name__}")
    counts = [f"{len(m.vertices)} vertices and {len(m.faces)} triangles" for m in (template, mesh)]
    if counts[0] != counts[1]:
        raise InputError(f"{name} must have the topology of the model's mesh, {counts[0]}, got {counts[1]}")
    if topology_digest(mesh) != topology_digest(template):
        raise InputError(
            f"{name} must have the topology of the model's mesh, {counts[0]}, got as many that are "
            f"connected or ordered otherwise"
        )
