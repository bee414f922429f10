"""GLB with morph targets: what Blender, three.js, Godot and the rest open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from meshanim import __version__
from meshanim._check import check_choice, check_range
from meshanim._files import atomic_path
from meshanim._progress import Progress
from meshanim.export.frames import head_tracks
from meshanim.export.glb_buffer import INDEX_DATA, VERTEX_DATA, GlbBuffer
from meshanim.export.glb_skin import CARRIER, joint_tracks, skin, skin_attributes, skin_nodes
from meshanim.export.joints import Rig, Skeleton, fitting_rig, skeleton_of
from meshanim.export.picture import put_on
from meshanim.export.targets import frame_targets
from meshanim.faces import FaceModel
from meshanim.mesh import Mesh
from meshanim.mesh.geometry import vertex_normals
from meshanim.performance import Performance
from meshanim.rendering import vertex_colours
from meshanim.talking_heads.appearance import Appearance


def _corners(mesh: Mesh) -> tuple[NDArray, NDArray, NDArray | None]:
    """Vertex of each glTF vertex (N,), faces over these (F, 3), and their texture coordinates (N, 2).

    glTF knows one texture coordinate per vertex, so a vertex on a seam appears once more for each further
    one. The first V are the mesh's own vertices in their order; the copies follow.
    """
    count, faces = len(mesh.vertices), mesh.faces.numpy()
    if mesh.uv is None or mesh.uv_faces is None:
        return np.arange(count), faces, None
    pairs = np.stack([faces.ravel(), mesh.uv_faces.numpy().ravel()], axis=1)
    unique, corner = np.unique(pairs, axis=0, return_inverse=True)
    first = np.zeros(len(unique), dtype=bool)
    first[np.unique(unique[:, 0], return_index=True)[1]] = True
    place = np.where(first, unique[:, 0], count + np.cumsum(~first) - 1)
    source = np.concatenate([np.arange(count), unique[~first, 0]])
    uv = np.zeros((len(source), 2), dtype="<f4")
    uv[place] = mesh.uv.numpy()[unique[:, 1]]
    # glTF's texture coordinates start at the top left.
    uv[:, 1] = 1 - uv[:, 1]
    return source, place[corner.ravel()].reshape(-1, 3), uv


def _normals(mesh: Mesh) -> NDArray[np.float32]:
    """(V, 3) unit normals; a vertex without a face gets some, since glTF asks for unit length."""
    normals = vertex_normals(mesh.vertices.to(torch.float64), mesh.faces).numpy().astype("<f4")
    normals[~normals.any(axis=1)] = (0, 0, 1)
    return normals


def _material(colours: NDArray, textured: bool) -> dict[str, Any]:
    """Coloured by the texture and the vertices; cut out where these are clear."""
    surface: dict[str, Any] = {"metallicFactor": 0.0, "roughnessFactor": 0.5}
    if textured:
        surface["baseColorTexture"] = {"index": 0}
    material = {"name": "face", "pbrMetallicRoughness": surface, "doubleSided": True}
    return material | ({"alphaMode": "MASK"} if (colours[:, 3] < 0.5).any() else {})


def _primitive(buffer: GlbBuffer, mesh: Mesh, rig: Rig, colours: NDArray) -> tuple[dict[str, Any], NDArray]:
    source, faces, uv = _corners(mesh)
    fractions = (colours.clip(0, 1) * 65535).round().astype("<u2")
    narrow = "<u2" if len(source) < 2**16 else "<u4"
    attributes = {
        "POSITION": buffer.array(mesh.vertices.numpy().astype("<f4")[source], VERTEX_DATA, bounds=True),
        "NORMAL": buffer.array(_normals(mesh)[source], VERTEX_DATA),
        "COLOR_0": buffer.array(fractions[source], VERTEX_DATA, normalized=True),
    }
    if uv is not None:
        attributes["TEXCOORD_0"] = buffer.array(uv, VERTEX_DATA)
    if rig.skeleton is not None:
        attributes |= skin_attributes(buffer, rig.skeleton, source)
    indices = buffer.array(faces.astype(narrow).ravel(), INDEX_DATA)
    shapes = [buffer.displacements(shape.numpy().astype("<f4")[source]) for shape in rig.targets.basis]
    primitive = {"attributes": attributes, "indices": indices, "material": 0}
    return primitive | {"targets": [{"POSITION": shape} for shape in shapes]}, source


def _animation(buffer: GlbBuffer, performance: Performance, rig: Rig) -> dict[str, Any]:
    """Weights of the targets, the joints' turns, and the head's rotation and translation where it moves."""
    times = (np.arange(performance.frame_count) / performance.fps).astype("<f4")
    tracks = {(0, "weights"): rig.targets.weights.numpy().astype("<f4").ravel()} | joint_tracks(rig)
    if performance.head_motion is not None:
        node = 0 if rig.skeleton is None else CARRIER
        rotation, translation = head_tracks(performance.head_motion)
        tracks[node, "rotation"] = rotation.astype("<f4")
        tracks[node, "translation"] = translation.astype("<f4")
    clock = buffer.array(times, bounds=True)
    samplers = [
        {"input": clock, "interpolation": "LINEAR", "output": buffer.array(values)}
        for values in tracks.values()
    ]
    channels = [
        {"sampler": index, "target": {"node": node, "path": path}}
        for index, (node, path) in enumerate(tracks)
    ]
    return {"name": "performance", "samplers": samplers, "channels": channels}


def _nodes(buffer: GlbBuffer, skeleton: Skeleton | None, name: str) -> dict[str, Any]:
    """The scene: the mesh, and a skeleton beside it, since glTF moves a skinned mesh by its joints alone."""
    mesh = {"name": name, "mesh": 0}
    if skeleton is None:
        return {"scenes": [{"nodes": [0]}], "nodes": [mesh]}
    return {
        "scenes": [{"nodes": [0, CARRIER]}],
        "nodes": [mesh | {"skin": 0}, *skin_nodes(skeleton, name)],
        "skins": [skin(buffer, skeleton)],
    }


def _extras(performance: Performance, mesh: Mesh, rig: Rig, copies: NDArray) -> dict[str, Any]:
    """What glTF has no place for, as :func:`write_glb` lists it."""
    found = rig.targets
    return {
        "targetNames": list(found.names),
        "targetKind": found.kind,
        "largestErrorMillimetres": round(1000 * found.error, 6),
        "fps": performance.fps,
        "frames": performance.frame_count,
        "vertices": len(mesh.vertices),
        "copiesOf": copies.tolist(),
        "groups": {name: vertices.tolist() for name, vertices in mesh.groups.items()},
        "landmarks": {name: int(vertex) for name, vertex in mesh.landmarks.items()},
        **({} if performance.face_model is None else {"faceModel": performance.face_model}),
        "headMotion": performance.head_motion is not None,
        "jointTurns": rig.shared_turns(),
    }


def write_glb(
    performance: Performance,
    path: Path,
    progress: Progress | None = None,
    targets: str = "auto",
    max_error: float = 1e-4,
    appearance: Appearance | None = None,
    face: FaceModel | None = None,
    joints: bool = True,
) -> None:
    """Write one mesh with morph targets and an animation of their weights; eyes and jaw turn as joints.

    The joints, where the face has some, hang from a node that the head's motion moves. The targets hold what
    the joints leave: the performance's own basis with its names, and principal components behind it where
    that is not within ``max_error`` of every vertex. Without joints the basis stands alone where it is, and
    else principal components as many as that takes. The error really made stands in the mesh's ``extras``,
    beside ``targetNames``, the frame rate, vertex groups, landmarks, the face model, whether there is head
    motion, the number V of own vertices, the vertex that each copy on a texture seam (they follow the first
    V) stands for, and in ``jointTurns`` how far (rotation vector in radians) each joint turns at weight 1 of
    a target.

    Targets move positions only: in Blender 5.0 the normals follow the moved faces, three.js and others keep
    those of the neutral. One primitive with vertex colours keeps the vertex order in Blender, which would
    sort vertices by material otherwise. Blender places key frames by the frame rate of its scene: set that
    before the import, to a whole number (its importer misreads the base of fractional rates). glTF itself
    has no sound, and none is written.

    With an appearance that has a texture, vertices are white and the texture coordinates are those of
    :func:`meshanim.rendering.wrap`, whose picture has eyes and mouth beside the skin.

    Args:
        performance: what to write; head motion becomes a node's rotation and translation.
        path: the ``.glb`` file, or a ``.gltf`` with its buffer inside.
        progress: told the frames done and in all.
        targets: "auto", "components" (principal ones in any case), or "frames" (each frame a target: exact,
            without joints, large, and more than some readers take).
        max_error: metres.
        appearance: whose texture to put on.
        face: the model whose joints these are; the built-in one is known by the performance's name of it.
        joints: False for morph targets alone, for readers that have no skins, or that drive the weights by
            themselves: with joints ``eyeLookUpLeft`` moves the lids and not the ball.

    Raises:
        InputError: more than 4 GiB, or more than 1,024 components for ``max_error``.
    """
    check_choice("targets", targets, ("auto", "components", "frames"))
    check_range("max_error", max_error, 0, open_low=True)
    mesh, buffer = performance.neutral, GlbBuffer(path)
    if targets == "frames":
        buffer.reserve(12 * performance.frame_count * (len(mesh.vertices) + performance.frame_count))
        rig = Rig(frame_targets(performance, progress))
    else:
        skeleton = skeleton_of(performance, face) if joints else None
        rig = fitting_rig(performance, skeleton, targets == "auto", max_error, progress)
    colours = vertex_colours(mesh).numpy()
    mesh, picture = put_on(mesh, appearance)
    if picture is not None:
        colours[:, :3] = 1
    primitive, source = _primitive(buffer, mesh, rig, colours)
    extras = _extras(performance, mesh, rig, source[len(mesh.vertices) :])
    document = {
        "asset": {"version": "2.0", "generator": f"meshanim {__version__}"},
        "scene": 0,
        **_nodes(buffer, rig.skeleton, path.stem),
        "meshes": [{"name": path.stem, "primitives": [primitive], "extras": extras}],
        "materials": [_material(colours, picture is not None)],
        "animations": [_animation(buffer, performance, rig)],
    }
    if picture is not None:
        image = {"name": "face", "mimeType": "image/png", "bufferView": buffer.file(picture)}
        document |= {"images": [image], "textures": [{"source": 0}]}
    with atomic_path(path) as place:
        buffer.write(place, document)
