"""A room imports itself, the checks, and the rooms in its row; nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "meshanim"

GROUND = {"_check", "_files", "_media", "_pretrained", "_progress"}
"""What every room may use: argument checks, files written whole, media, models in folders, progress."""

BELOW_TRAINING = {
    "audio",
    "capture",
    "datasets",
    "export",
    "faces",
    "mesh",
    "metrics",
    "nn",
    "ops",
    "performance",
    "rendering",
    "synthesis",
    "talking_heads",
    "vision",
}

ARROWS: dict[str, set[str]] = {
    "_check": set(),
    "_files": set(),
    "_media": set(),
    "_pretrained": set(),
    "_progress": set(),
    "ops": set(),
    "audio": set(),
    "vision": set(),
    "mesh": {"ops"},
    "performance": {"mesh", "audio"},
    "faces": {"mesh", "performance"},
    "nn": {"ops", "mesh"},
    "rendering": {"ops", "mesh", "nn", "vision", "performance"},
    "synthesis": {"nn", "mesh", "audio", "faces", "performance"},
    "capture": {
        "rendering",
        "vision",
        "audio",
        "mesh",
        "faces",
        "performance",
        "talking_heads.appearance",
    },
    "talking_heads": {"nn", "ops", "rendering", "vision", "audio", "mesh", "performance"},
    "export": {"audio", "mesh", "performance", "faces", "rendering", "vision", "talking_heads.appearance"},
    "metrics": {"vision", "audio", "mesh"},
    "datasets": {"faces", "mesh", "audio", "vision", "rendering", "capture", "performance"},
    "training": BELOW_TRAINING,
    "viewer": BELOW_TRAINING,
    "cli": BELOW_TRAINING | {"training", "viewer"},
    "__main__": {"cli"},
}

COMPILED_CODE = {"ctypes", "cffi", "nanobind"}
"""Doors to compiled code; only ``ops`` may open them, and ``_files`` for a system call that Python lacks."""

FOREIGN_CODE = {"audio/espeak.py": ["ctypes"]}
"""Doors to libraries of others that Python has no binding for, each in one file."""


def _imported(source: str, package: tuple[str, ...]) -> set[str]:
    """Full names of all modules that a source imports, relative ones resolved against its package."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join((*base, *([node.module] if node.module else [])))
            found.add(stem)
            found.update(f"{stem}.{alias.name}" for alias in node.names)
    return found


def _forbidden(room: str, source: str, package: tuple[str, ...]) -> list[str]:
    """Imports of ``source`` that the row of ``room`` does not have."""
    allowed = ARROWS[room] | GROUND | {room}
    wrong = []
    for name in _imported(source, package):
        parts = name.split(".")
        if parts[0] in COMPILED_CODE and room not in ("ops", "_files"):
            wrong.append(name)
        if parts[0] != "meshanim" or len(parts) == 1 or not _is_room(parts[1]):
            continue
        if not any(parts[1 : 1 + len(arrow.split("."))] == arrow.split(".") for arrow in allowed):
            wrong.append(name)
    return sorted(wrong)


def _is_room(name: str) -> bool:
    return name in ARROWS or (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem != "__init__")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_what_its_row_allows(path: Path) -> None:
    room = _room(path)
    assert room in ARROWS, f"{room} has no row in the table"
    package = ("meshanim", *path.relative_to(PACKAGE).parent.parts)
    allowed = FOREIGN_CODE.get(path.relative_to(PACKAGE).as_posix(), [])
    assert _forbidden(room, path.read_text(), package) == allowed


@pytest.mark.parametrize(
    ("room", "source", "wrong"),
    [
        ("nn", "from meshanim.mesh import Mesh", []),
        (
            "nn",
            "from meshanim.training.loop import fit",
            ["meshanim.training.loop", "meshanim.training.loop.fit"],
        ),
        ("mesh", "from ..faces import face_model", ["meshanim.faces", "meshanim.faces.face_model"]),
        ("mesh", "from meshanim import faces", ["meshanim.faces"]),
        ("mesh", "def f():\n    import meshanim.cli", ["meshanim.cli"]),
        ("mesh", "import ctypes", ["ctypes"]),
        ("talking_heads", "import meshanim.synthesis", ["meshanim.synthesis"]),
        ("export", "from meshanim.talking_heads.appearance import Appearance", []),
        ("export", "import meshanim.talking_heads.loop", ["meshanim.talking_heads.loop"]),
        ("cli", "from meshanim import __version__", []),
    ],
)
def test_a_wrong_arrow_is_seen(room: str, source: str, wrong: list[str]) -> None:
    assert _forbidden(room, source, ("meshanim", room)) == wrong


def test_nobody_but_the_package_itself_run_imports_the_command_line() -> None:
    assert [room for room, row in ARROWS.items() if "cli" in row] == ["__main__"]
