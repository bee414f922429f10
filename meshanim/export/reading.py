"""One function for all formats whose motion can be read: the path says which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from meshanim._check import InputError, MissingExtra, check_range
from meshanim.export.beside import files_beside
from meshanim.export.cache_reading import base_file, read_mdd, read_pc2, read_sequence
from meshanim.export.gltf_reading import read_gltf
from meshanim.export.live_link_reading import perform_live_link, read_live_link
from meshanim.export.npz import read_npz
from meshanim.export.usd_reading import read_usd
from meshanim.faces import FaceModel
from meshanim.performance import Performance

READERS: dict[str, Callable[[Path, float | None], Performance]] = {
    ".glb": read_gltf,
    ".gltf": read_gltf,
    ".usd": read_usd,
    ".usda": read_usd,
    ".usdc": read_usd,
    ".usdz": read_usd,
    ".pc2": read_pc2,
    ".mdd": read_mdd,
}
"""Reader of each suffix, called with the path and the frame rate, None where the file is to say it."""

SUFFIXES = (".npz", ".csv", *READERS)
"""Of all files that hold a performance."""


def _read(path: Path, fps: float | None, face: FaceModel | None) -> Performance:
    suffix = path.suffix.lower()
    if path.is_dir():
        return read_sequence(path, fps)
    if suffix == ".npz":
        found = read_npz(path)
        return found if fps is None else found.resample(fps)
    if suffix == ".csv":
        if face is None:
            raise InputError(
                "it has curves and no mesh: give the face model they move, as meshanim convert does (--face)"
            )
        return perform_live_link(read_live_link(path, fps), face)
    return READERS[suffix](path, fps)


def files_read(path: str | Path) -> list[Path]:
    """What :func:`read_performance` reads of a path: itself, and what our own writers put beside it."""
    place = Path(path)
    if place.suffix.lower() in (".pc2", ".mdd"):
        base = base_file(place)
        return [place] if base is None else [place, base]
    return [place, *files_beside(place, texture=False, sound=True)]


def read_performance(
    path: str | Path, fps: float | None = None, face: FaceModel | None = None
) -> Performance:
    """Read a performance from a file, ours or another's; the suffix says what it is.

    NPZ has everything that a performance has; GLB, glTF and USD have mesh, weights, names, head motion and
    frame rate; PC2, MDD and a folder of numbered OBJ or PLY files have positions, head motion in them, and
    of these only MDD has a frame rate; Live Link Face CSV has curves, for a face model to move as it
    speaks, its jaw on its hinge, its lids on its eyes.

    Args:
        path: an ``.npz``, ``.glb``, ``.gltf``, ``.usd``, ``.usda``, ``.usdc``, ``.usdz``, ``.pc2``, ``.mdd``
            or ``.csv`` file, or a folder.
        fps: frames per second: how those files are sampled that can be sampled at any moment, and what PC2
            and folders mean. NPZ and MDD are resampled to it.
        face: what a CSV file moves; others bring their mesh along.

    Raises:
        InputError: an unknown suffix, a damaged file, or one that has something that is not read.
        OSError: the file is missing or cannot be read.
    """
    place = Path(path)
    if fps is not None:
        check_range("fps", fps, 0, open_low=True)
    if not place.exists():
        raise FileNotFoundError(f"{place} does not exist")
    if not place.is_dir() and place.suffix.lower() not in SUFFIXES:
        got = place.suffix or "no suffix"
        raise InputError(f"{place} must end in one of {', '.join(SUFFIXES)}, or be a folder, got {got}")
    try:
        return _read(place, fps, face)
    except InputError as error:
        sentence = str(error) if str(place) in str(error) else f"{place} cannot be read: {error}"
        raise InputError(sentence) from error
    except (MissingExtra, OSError, MemoryError):
        raise
    except Exception as error:  # parsers meet damaged files in many ways
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{place} is damaged, or no {place.suffix[1:].upper()}: {reason[:200]}") from error
