"""Where Blender is: its Python module, or the program."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from meshanim._check import MissingExtra


def blender_command(script: Path) -> list[str]:
    """How to run a script inside Blender, in a process of its own: Blender has but one, global, state.

    The environment variable ``MESHANIM_BLENDER`` names the Blender program, or a Python that has ``bpy``;
    else ``bpy`` must be installed here, which it can be on Python 3.11.

    Raises:
        MissingExtra: no Blender.
    """
    named = os.environ.get("MESHANIM_BLENDER")
    if named and not Path(named).name.startswith("python"):
        return [
            named,
            "--background",
            "--factory-startup",
            "--python-exit-code",
            "1",
            "--python",
            str(script),
        ]
    if named or importlib.util.find_spec("bpy"):
        return [named or sys.executable, str(script)]
    raise MissingExtra("bpy (or name a Blender in MESHANIM_BLENDER)", "blender")
