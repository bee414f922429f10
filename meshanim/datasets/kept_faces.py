"""KeptFaces: rendered faces that are drawn once and stay on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from meshanim._check import InputError, check_item
from meshanim._files import atomic_path, cache_folder
from meshanim.datasets._kept import MappedArray, make_array
from meshanim.datasets.rendered_faces import RenderedFace, RenderedFaces
from meshanim.faces import FaceModel
from meshanim.rendering import Camera

_FORMAT = 1
"""Goes up where the drawing changes."""
_CAMERA = ("matrix", "rotation", "translation")


class KeptFaces(RenderedFaces):
    """Rendered faces in one file, drawn when they are asked for the first time and read from then on.

    A face of 256 pixels takes 250 KB: pictures have 8 bits a channel. Several processes may draw into one
    file at once; one that is stopped leaves whole faces only.

    Args:
        face: the face model.
        count: pictures.
        seed: of everything random.
        size: pixels along each side.
        folder: of the file, which has a name by these settings; the cache's by default.

    Raises:
        InputError: the file is damaged, or of another face model of this name.
    """

    def __init__(
        self, face: FaceModel, count: int, seed: int = 0, size: int = 256, folder: str | Path | None = None
    ) -> None:
        super().__init__(face, count, seed, size)
        folder = cache_folder() / "rendered_faces" if folder is None else Path(folder)
        path = folder / f"{face.name}-{count}-{size}-{seed}-{_FORMAT}.npy"
        record = np.dtype(
            [
                ("image", "u1", (size, size, 3)),
                ("vertices", "<f4", (len(face.neutral.vertices), 3)),
                ("matrix", "<f4", (3, 3)),
                ("rotation", "<f4", (3, 3)),
                ("translation", "<f4", (3,)),
                ("identity", "<f4", (len(face.default_identity),)),
                ("weights", "<f4", (len(face.weight_names),)),
                ("head_motion", "<f4", (6,)),
                ("drawn", "u1"),
            ]
        )
        self._records = _opened(path, record, count)

    def __getitem__(self, item: int) -> RenderedFace:
        item = check_item("item", item, self.count)
        if not self._records[item]["drawn"]:
            self._keep(item, super().__getitem__(item))
        record = self._records[item]
        kept = {name: torch.from_numpy(record[name].copy()) for name in record.dtype.names[:-1]}
        size = (self.size, self.size)
        camera = Camera(kept["matrix"], kept["rotation"], kept["translation"], size)
        image = kept["image"].float() / 255
        return RenderedFace(
            image, kept["vertices"], camera, kept["identity"], kept["weights"], kept["head_motion"]
        )

    def _keep(self, item: int, face: RenderedFace) -> None:
        record = self._records[item]
        record["image"] = (255 * face.image).round().to(torch.uint8).numpy()
        for name in _CAMERA:
            record[name] = getattr(face.camera, name).numpy()
        for name in ("vertices", "identity", "weights", "head_motion"):
            record[name] = getattr(face, name).numpy()
        record["drawn"] = 1


def _opened(path: Path, record: np.dtype, count: int) -> MappedArray:
    """The file's records, which are made empty where there is no file."""
    if not path.is_file():
        with atomic_path(path) as made:
            make_array(made, record, (count,))
    try:
        records = MappedArray(path, "r+")
    except (ValueError, EOFError) as error:
        raise InputError(f"{path} must be a file of kept faces, got {error}") from None
    found = records.array
    if found.dtype != record or found.shape != (count,):
        raise InputError(f"{path} must hold {count} faces of these settings, got {len(found)} of others")
    return records
