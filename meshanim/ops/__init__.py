"""Ops with compiled code behind them; each has its reference beside it, with the same signature.

Those that layers are made of take tensors and are registered with PyTorch, gradients and all. Those that
prepare a mesh take NumPy arrays: nothing there has a gradient, or belongs into a compiled graph. They give
the same bits as their references.

What is worked out of a tensor of indices is kept as long as it lives. A change of it in place is seen where
PyTorch counts it, and not where it comes through NumPy or ``.data``: give a copy then.
"""

from meshanim.ops._library import kernels_in_use
from meshanim.ops.edge_collapse import edge_collapse, edge_collapse_reference
from meshanim.ops.half_edges import HalfEdges, half_edges, half_edges_reference
from meshanim.ops.interpolate import interpolate, interpolate_reference
from meshanim.ops.mesh_pool import mesh_pool, mesh_pool_reference
from meshanim.ops.nearest_faces import nearest_faces, nearest_faces_reference
from meshanim.ops.one_rings import one_rings, one_rings_reference
from meshanim.ops.opposite_faces import opposite_faces
from meshanim.ops.rasterize import rasterize, rasterize_reference
from meshanim.ops.soft_rasterize import soft_rasterize, soft_rasterize_reference
from meshanim.ops.spiral_conv import spiral_conv, spiral_conv_reference
from meshanim.ops.spiral_decode import spiral_decode, spiral_decode_reference
from meshanim.ops.spiral_order import spiral_order, spiral_order_reference
from meshanim.ops.surface_distance import surface_distance, surface_distance_reference

__all__ = [
    "HalfEdges",
    "edge_collapse",
    "edge_collapse_reference",
    "half_edges",
    "half_edges_reference",
    "interpolate",
    "interpolate_reference",
    "kernels_in_use",
    "mesh_pool",
    "mesh_pool_reference",
    "nearest_faces",
    "nearest_faces_reference",
    "one_rings",
    "one_rings_reference",
    "opposite_faces",
    "rasterize",
    "rasterize_reference",
    "soft_rasterize",
    "soft_rasterize_reference",
    "spiral_conv",
    "spiral_conv_reference",
    "spiral_decode",
    "spiral_decode_reference",
    "spiral_order",
    "spiral_order_reference",
    "surface_distance",
    "surface_distance_reference",
]
