"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

WRITTEN = (
    ".glb .gltf .usda .usdc .usdz .npz .pc2 .mdd .mp4 .gif, .abc .fbx .blend by Blender, .csv where weights "
    "are ARKit's, or folder/ for one OBJ a frame"
)
"""What commands write, in their help; spelled out, since asking the writers takes seconds."""
BESIDE = (
    "Beside .pc2 and .mdd goes the mesh at rest as NAME.obj, beside .usda and .usdc a sound as NAME_sound.wav"
)
"""What goes with it."""

Output = Annotated[
    list[str],
    typer.Option("--output", "-o", help=f"What to write, may be repeated: {WRITTEN}. {BESIDE}."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing.")]
Face = Annotated[
    str, typer.Option(help="anny, ict=PATH, flame=PATH, or a mesh file of the built-in topology.")
]
Model = Annotated[
    str | None,
    typer.Option(
        help="Trained model, by name or folder; by default anny-expressions for anny, none for others."
    ),
]
Identity = Annotated[
    str | None,
    typer.Option(
        help="Who: named coefficients, age=30,gender=0.2, which inspect lists; by default the mean face."
    ),
]
Joints = Annotated[
    bool,
    typer.Option(help="Eyes and jaw as joints in GLB and USD; without, shapes alone, to drive them live."),
]
Host = Annotated[str, typer.Option(help="Address to listen at.")]
Port = Annotated[
    int | None, typer.Option(help="Port; by default the first free one from 8080 on, 0 for any.")
]


def frame_rate(value: str | float) -> float:
    """A frame rate as a number or, as FFmpeg writes it, a fraction."""
    upper, _, lower = str(value).partition("/")
    try:
        return float(upper) / float(lower or 1)
    except (ValueError, ZeroDivisionError):
        raise typer.BadParameter(
            f"must be a number or a fraction such as 24000/1001, got {value!r}"
        ) from None


def fps_option(help_text: str) -> Any:
    """An option that takes a frame rate."""
    return typer.Option(help=help_text, parser=frame_rate, metavar="RATE")


Fps = Annotated[float, fps_option("Frames per second: 25, or 24000/1001.")]
SourceFps = Annotated[
    float | None, fps_option("Frames per second; needed for .pc2 and folders, which state none.")
]


def _named_folder(value: str) -> Path:
    """A path with a name: an empty one, as of a variable that is not set, is the working directory's."""
    if not value:
        raise typer.BadParameter("must be a folder, got an empty path")
    return Path(value)


def _may_be_made(option: typer.CallbackParam, place: Path | None) -> Path | None:
    from meshanim._files import check_place

    if place is not None:
        check_place(place, place, f"{option.opts[0]} must be a folder")
    return place


def folder_option(*names: str, help_text: str) -> Any:
    """An option that takes a folder, which may be yet to be made."""
    return typer.Option(*names, help=help_text, parser=_named_folder, metavar="PATH", callback=_may_be_made)


Out = Annotated[Path, folder_option("--out", "-o", help_text="Folder of the run; gets the trained model.")]
Epochs = Annotated[int | None, typer.Option(help="Passes over the data; the recipe's by default.")]
