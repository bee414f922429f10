"""The tab in the sidebar of the 3D view."""

import bpy

from .operators import ApplyWeights, ImportPerformance
from .tracks import PARTS


class PerformancePanel(bpy.types.Panel):
    """Import, apply, and what the head and the eyes are."""

    bl_idname = "VIEW3D_PT_meshanim"
    bl_label = "Performance"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "meshanim"

    def draw(self, context: bpy.types.Context) -> None:
        """Two buttons, three targets."""
        layout = self.layout
        layout.operator(ImportPerformance.bl_idname, text="Import Performance...", icon="IMPORT")
        layout.operator(ApplyWeights.bl_idname, text="Apply Weights...", icon="SHAPEKEY_DATA")
        layout.label(text="Turn with the weights:")
        for part in PARTS:
            target = getattr(context.scene.meshanim, part)
            column = layout.column(align=True)
            column.prop(target, "thing", text=part.replace("_", " ").title())
            if target.thing is not None and target.thing.type == "ARMATURE":
                column.prop_search(target, "bone", target.thing.data, "bones")


def draw_import_menu(menu: bpy.types.Menu, context: bpy.types.Context) -> None:
    """The line in File > Import."""
    menu.layout.operator(ImportPerformance.bl_idname, text="meshanim performance (.npz, .glb)")
