"""Faces out of single pictures: position maps beside the landmark fit on unseen rendered faces, and GRID.

Prints and stores how far the vertices of the face lie from the truth in pictures that no training has seen,
in millimetres and in inter-ocular distances (outer corners of the eyes): by the shipped position-map network,
where one is there, and by the fit to dlib's landmarks. Draws strips of GRID frames: the frame turned least,
the fitted mesh on it, and the mesh with the frame's colours re-posed by -30, 0 and 30 degrees; into ``runs/``
beside this file, which is not part of the project.

    python benchmarks/unprojection.py
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from report import RUNS, table, write_results
from rich.progress import track
from torch import Tensor

from meshanim._check import InputError
from meshanim.capture import Clip, LandmarkFit, find_clip_landmarks, shut_slits
from meshanim.datasets import RenderedFace, RenderedFaces
from meshanim.faces import FaceModel, load_face
from meshanim.mesh import repacked
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
PICTURES, SEED, SIZE = 40, 1000, 256
"""Unseen faces; training uses seeds 0 and 1."""
DATA = Path(__file__).parents[2] / "shared" / "data" / "grid_sample" / "speakers"
SHOWN = ("bbaf2n", "brbk7n", "lrwp9a", "swwp2s")
ANGLES = (-30.0, 0.0, 30.0)
TEXELS, FINER = 1024, 2
BACKDROP = 0.35


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


def by_landmarks(face: FaceModel, picture: RenderedFace) -> Tensor | None:
    """Positions (V, 3) in the picture; none where dlib finds no face."""
    image = (255 * picture.image).round().to(torch.uint8).numpy()
    landmarks = find_landmarks(image)
    if landmarks is None:
        return None
    fitted = fit_landmarks(face, torch.from_numpy(landmarks)[None], image.shape[:2], 25.0)
    return picture_positions(repose(fitted.local[0], torch.zeros(6), fitted.motion[0]), fitted.camera)


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
    """Mean errors of both ways over the pictures on which dlib finds a face, and over all."""
    model, rows = network(), []
    pictures = RenderedFaces(face, PICTURES, SEED, SIZE)
    for item in track(range(PICTURES), "rendered faces"):
        picture = pictures[item]
        yaw = abs(float(picture.head_motion[1].rad2deg()))
        row: dict[str, Any] = {"yaw_degrees": yaw}
        fitted = by_landmarks(face, picture)
        if fitted is not None:
            row["landmark_fit"] = error(fitted, picture, face)
        if model is not None:
            row["position_map"] = error(by_network(model, picture), picture, face)
        rows.append(row)
    return {
        "pictures": rows,
        "summary": {way: summary(rows, way) for way in ("landmark_fit", "position_map")},
    }


def summary(rows: list[dict[str, Any]], way: str) -> dict[str, float]:
    found = [row[way] for row in rows if way in row]
    means = {unit: float(np.mean([row[unit] for row in found])) for unit in ("mm", "interocular") if found}
    return {"pictures": len(found), **means}


def show(figures: dict[str, dict[str, float]]) -> None:
    rows = [
        [
            way,
            f"{figure['pictures']:.0f} of {PICTURES}",
            f"{figure['mm']:.2f}",
            f"{figure['interocular']:.4f}",
        ]
        for way, figure in figures.items()
        if figure["pictures"]
    ]
    header = ("way", "faces found", "mm", "inter-ocular distances")
    table("Mean error of the face's vertices on unseen rendered faces", header, rows)


def strip(face: FaceModel, path: Path) -> np.ndarray:
    """Input, mesh, and textured mesh re-posed, side by side."""
    clip = Clip(path)
    fitted = fit_landmarks(face, find_clip_landmarks(clip, lambda done, total: None), clip.size, clip.fps)
    index = frontal_frame(fitted.motion)
    frame = torch.from_numpy(next(image for at, image in enumerate(clip.frames()) if at == index).copy())
    layout, motion = UvLayout(repacked(face.neutral), TEXELS), fitted.motion[index]
    vertices = repose(fitted.local[index], torch.zeros(6), motion)
    found = unproject_texture(from_display(frame / 255), vertices, fitted.camera, layout)
    head = unproject_texture(off_backdrop(frame), vertices, fitted.camera, layout).texture[..., 0] > 0.99
    found = found._replace(weight=found.weight * head)
    mesh, camera = layout.mesh, fitted.camera.scaled(FINER)
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
    """(H, W, 3) one where a frame (H, W, 3) is not as blue as GRID's studio, which lies behind ears."""
    red, _, blue = frame.float().unbind(-1)
    return (blue < red + 20).float().unsqueeze(-1).expand(-1, -1, 3)


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
        write_image(RUNS / f"unprojection_{name}.jpg", strip(face, DATA / f"{name}.mpg"))


if __name__ == "__main__":
    with torch.no_grad():
        main()
