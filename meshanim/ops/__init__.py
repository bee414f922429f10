"""Ops with compiled code behind them; each has its PyTorch reference beside it, with the same signature."""

from meshanim.ops._library import kernels_in_use
from meshanim.ops.mesh_pool import mesh_pool, mesh_pool_reference
from meshanim.ops.spiral_conv import spiral_conv, spiral_conv_reference

__all__ = ["kernels_in_use", "mesh_pool", "mesh_pool_reference", "spiral_conv", "spiral_conv_reference"]
