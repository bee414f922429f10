"""A performance from a glTF file, ours or another's: morph targets, their weights, and a head that moves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from meshanim._check import InputError
from meshanim.export.gltf_primitives import by_material, pieces_of
from meshanim.export.gltf_tracks import Floats, Track, moments_of, tracks_of
from meshanim.export.parts import Part, assemble, turn_of
from meshanim.export.skinning import joint_shares, skinned
from meshanim.mesh.gltf_file import GltfFile
from meshanim.performance import Performance


def _parents(file: GltfFile) -> dict[int, int]:
    parents: dict[int, int] = {}
    for number, node in enumerate(file.document.get("nodes", ())):
        for child in node.get("children", ()):
            if child in parents or child == number:
                raise InputError(f"node {child} hangs from two nodes")
            parents[child] = number
    return parents


def _shown(file: GltfFile) -> list[int]:
    """Nodes with a mesh in the scene that the file shows; all of the file's where it shows none."""
    nodes, scenes = file.document.get("nodes", ()), file.document.get("scenes", ())
    every = [number for number, node in enumerate(nodes) if "mesh" in node]
    left = list(file.entry("scenes", file.document.get("scene", 0)).get("nodes", ())) if scenes else []
    reached: set[int] = set()
    while left:
        number = left.pop()
        if number not in reached:
            reached.add(number)
            left += file.entry("nodes", number).get("children", ())
    return [number for number in every if number in reached] or every


def _local(node: dict[str, Any], number: int, tracks: dict[tuple[int, str], Track], t: Floats) -> Floats:
    """(T, 4, 4) transform of a node in its parent."""
    if "matrix" in node:
        return np.tile(np.array(node["matrix"], dtype=float).reshape(4, 4).T, (len(t), 1, 1))
    rest = {"translation": (0, 0, 0), "rotation": (0, 0, 0, 1), "scale": (1, 1, 1)}
    value = {}
    for path, identity in rest.items():
        still = np.tile(np.array(node.get(path, identity), dtype=float), (len(t), 1))
        track = tracks.get((number, path))
        value[path] = still if track is None else track.at(t)
        if value[path].shape != still.shape:
            raise InputError(f"node {number} has a {path} of {value[path].shape[1]} numbers")
    matrices = np.zeros((len(t), 4, 4))
    matrices[:, :3, :3] = Rotation.from_quat(value["rotation"]).as_matrix() * value["scale"][:, None, :]
    matrices[:, :3, 3], matrices[:, 3, 3] = value["translation"], 1
    return matrices


def _world(file: GltfFile, number: int | None, tracks: dict, t: Floats, parents: dict[int, int]) -> Floats:
    matrices, steps = np.tile(np.eye(4), (len(t), 1, 1)), 0
    while number is not None:
        matrices = _local(file.entry("nodes", number), number, tracks, t) @ matrices
        number, steps = parents.get(number), steps + 1
        if steps > len(parents) + 1:
            raise InputError("its nodes hang from one another in a circle")
    return matrices


def _upright(file: GltfFile, number: int | None, tracks: dict, parents: dict[int, int]) -> Floats:
    """(3, 3) how a node is turned by those above it and itself that are not animated."""
    place = np.eye(4)
    while number is not None:
        if not any((number, path) in tracks for path in ("translation", "rotation", "scale")):
            place = _local(file.entry("nodes", number), number, {}, np.zeros(1))[0] @ place
        number = parents.get(number)
    return turn_of(place)


def _extras(entry: dict[str, Any]) -> dict[str, Any]:
    """What programs add to an entry by name; the format lets it be a list, a text or a number as well."""
    extras = entry.get("extras")
    return extras if isinstance(extras, dict) else {}


def _part(file: GltfFile, number: int, tracks: dict, t: Floats, parents: dict[int, int]) -> Part:
    node = file.entry("nodes", number)
    mesh = file.entry("meshes", node["mesh"])
    name = str(node.get("name") or mesh.get("name") or f"node {number}")
    pieces, triangles, first = pieces_of(file, mesh["primitives"])
    count = len(pieces[0].targets)
    if any(len(piece.targets) != count for piece in pieces):
        raise InputError(f"the parts of {name} have different numbers of morph targets")
    # VRM has the names in the primitives.
    extras = map(_extras, (mesh, *mesh["primitives"]))
    named = next((each["targetNames"] for each in extras if each.get("targetNames")), ())
    names = [str(word) for word in named]
    names = names if len(names) == count else [f"target_{index + 1:03d}" for index in range(count)]
    still = np.array(node.get("weights") or mesh.get("weights") or [0.0] * count, dtype=float)
    track = tracks.get((number, "weights"))
    weights = np.tile(still, (len(t), 1)) if track is None else track.at(t)
    if weights.shape[1] != count:
        raise InputError(f"{name} has {count} morph targets and {weights.shape[1]} weights")
    faces = np.concatenate(triangles)
    uvs = [piece.uv for piece in pieces if piece.uv is not None]
    targets = [np.concatenate([piece.targets[index] for piece in pieces]) for index in range(count)]
    vertices = np.concatenate([piece.positions for piece in pieces])
    basis = np.stack(targets) if targets else np.zeros((0, len(vertices), 3), np.float32)
    # glTF's texture coordinates start at the top left.
    uv = np.concatenate(uvs) * [1, -1] + [0, 1] if len(uvs) == len(pieces) else None
    places = np.broadcast_to(np.eye(4), (len(t), 4, 4))
    groups = by_material(file, mesh, triangles)
    uv_faces = None if uv is None else faces
    part = Part(name, vertices, faces, uv, uv_faces, names, basis, weights, places, None, groups)
    if "skin" in node:
        skin = file.entry("skins", node["skin"])
        shares = np.concatenate([_shares(file, each, len(skin["joints"])) for each in first])
        return _skinned(file, part, skin, shares, tracks, t, parents)
    places = _world(file, number, tracks, t, parents)
    return replace(part, places=places, upright=_upright(file, number, tracks, parents))


def _shares(file: GltfFile, primitive: dict[str, Any], count: int) -> NDArray[np.float32]:
    """(V, J) by how much each joint of a skin leads each vertex of a primitive."""
    attributes = primitive["attributes"]
    sets = [number for number in range(len(attributes)) if f"JOINTS_{number}" in attributes]
    if not sets:
        raise InputError("its mesh has a skin and no joints")
    joints, weights = (
        np.concatenate([file.array(attributes[f"{kind}_{number}"]) for number in sets], axis=1)
        for kind in ("JOINTS", "WEIGHTS")
    )
    if len(joints) != file.entry("accessors", attributes["POSITION"])["count"]:
        raise InputError("its mesh has joints for another number of vertices")
    return joint_shares(joints, weights, count)


def _skinned(
    file: GltfFile, part: Part, skin: dict[str, Any], shares: NDArray, tracks: dict, t: Floats, parents: dict
) -> Part:
    """The part as its skin moves it, local to the node that carries all of the skeleton."""
    joints = skin["joints"]
    inverse = np.tile(np.eye(4), (len(joints), 1, 1))
    if "inverseBindMatrices" in skin:
        inverse = file.array(skin["inverseBindMatrices"]).reshape(-1, 4, 4).mT.astype(np.float64)
    if len(inverse) != len(joints):
        raise InputError(f"its skin has {len(inverse)} matrices for {len(joints)} joints")
    carrier = _carrier(joints, parents)
    places, still = _world(file, carrier, tracks, t, parents), _world(file, carrier, {}, t[:1], parents)

    def local(place: Floats, tracks: dict, t: Floats) -> Floats:
        to_carrier = np.linalg.inv(place)
        moved = [to_carrier @ _world(file, joint, tracks, t, parents) for joint in joints]
        return np.stack(moved, axis=1) @ inverse

    moved = skinned(part, shares, local(still, {}, t[:1])[0], local(places, tracks, t))
    return replace(moved, places=places, upright=_upright(file, carrier, tracks, parents))


def _carrier(joints: list[int], parents: dict[int, int]) -> int | None:
    """The nearest node above all joints that is none of them; None where that is the scene."""
    above = []
    for joint in joints:
        line = [joint]
        while line[-1] in parents and len(line) <= len(parents):
            line.append(parents[line[-1]])
        above.append(line)
    shared = (place for place in above[0] if place not in joints and all(place in line for line in above))
    return next(shared, None)


def _as_written(part: Part, extras: dict[str, Any]) -> Part:
    """Our own files name groups and landmarks, and copy vertices along seams: here each is one again."""
    count, copies = extras.get("vertices"), extras.get("copiesOf")
    if not isinstance(count, int) or not isinstance(copies, list):
        return part
    source = np.concatenate([np.arange(count), np.array(copies, dtype=np.int64)])
    if len(source) != len(part.vertices) or source.min() < 0 or source.max() >= count:
        return part  # another program rewrote the mesh and kept the list
    groups = {name: np.array(group, dtype=np.int64) for name, group in extras.get("groups", {}).items()}
    landmarks = {name: int(vertex) for name, vertex in extras.get("landmarks", {}).items()}
    return replace(
        part,
        vertices=part.vertices[:count],
        targets=part.targets[:, :count],
        motion=None if part.motion is None else part.motion[:, :count],
        faces=source[part.faces],
        groups=groups,
        landmarks=landmarks,
        face_model=str(extras["faceModel"]) if extras.get("faceModel") else None,
        posed=extras.get("headMotion") is True,
    )


def read_gltf(path: Path, fps: float | None = None) -> Performance:
    """Read meshes, morph targets, their weights and the motion of the node that carries them.

    All mesh nodes of the scene that the file shows become one mesh; nodes that do not move against the first
    one with morph targets keep their place by it, and its own motion is the head's. Names come from
    ``targetNames`` of the mesh or its parts. Animations are sampled from 0 to their last key: linear, stepped
    and cubic. What the joints of a skin do becomes the residual of the targets, or the motion where there are
    none: all positions of all frames. Where a mesh has several materials these are vertex groups, and in our
    own files the groups that the performance had.

    Args:
        path: a ``.glb`` or ``.gltf`` file.
        fps: frames per second; by default those that the file states or its keys stand on, 30 where they
            stand on none.

    Raises:
        InputError: a damaged file, or what is not read: compression, parts that move apart.
    """
    file = GltfFile(path)
    numbers = _shown(file)
    if not numbers:
        raise InputError("it has no mesh")
    tracks, parents = tracks_of(file), _parents(file)
    extras = _extras(file.entry("meshes", file.entry("nodes", numbers[0])["mesh"]))
    stated = extras.get("fps") if isinstance(extras.get("fps"), int | float) else None
    rate, moments = moments_of(list(tracks.values()), fps or stated)
    parts = [_part(file, number, tracks, moments, parents) for number in numbers]
    return assemble([_as_written(parts[0], extras), *parts[1:]], rate)
