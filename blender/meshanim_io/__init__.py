"""Facial performances in Blender: meshanim's files as animated meshes, ARKit weights on any rig."""

import bpy

from . import operators, panel, properties

CLASSES = (
    properties.RotationTarget,
    properties.RotationTargets,
    operators.ImportPerformance,
    operators.ApplyWeights,
    panel.PerformancePanel,
)


def register() -> None:
    """Called by Blender when the extension is enabled."""
    for kind in CLASSES:
        bpy.utils.register_class(kind)
    bpy.types.Scene.meshanim = bpy.props.PointerProperty(type=properties.RotationTargets)
    bpy.types.TOPBAR_MT_file_import.append(panel.draw_import_menu)


def unregister() -> None:
    """Called when it is disabled: nothing is left behind."""
    bpy.types.TOPBAR_MT_file_import.remove(panel.draw_import_menu)
    del bpy.types.Scene.meshanim
    for kind in reversed(CLASSES):
        bpy.utils.unregister_class(kind)
