"""Pack the Blender add-on as an extension: the same sources give the same bytes."""

from __future__ import annotations

import sys
import tomllib
import zipfile
from pathlib import Path

SOURCE = Path(__file__).parent / "meshanim_io"
FIRST_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest that a ZIP can name; the time of building would change the bytes."""


def build(folder: Path) -> Path:
    """Write ``meshanim_io-<version>.zip`` into ``folder``: the manifest and the modules, nothing else."""
    manifest = tomllib.loads((SOURCE / "blender_manifest.toml").read_text(encoding="utf-8"))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{manifest['id']}-{manifest['version']}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted([SOURCE / "blender_manifest.toml", *SOURCE.glob("*.py")]):
            member = zipfile.ZipInfo(file.name, FIRST_TIME)
            member.create_system, member.external_attr = 3, 0o644 << 16
            archive.writestr(member, file.read_bytes().replace(b"\r\n", b"\n"))
    return path


if __name__ == "__main__":
    print(build(Path(sys.argv[1] if len(sys.argv) > 1 else "dist")))
