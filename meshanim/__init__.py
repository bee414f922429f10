"""meshanim: 3D-geometry-centric face mesh animation with gradients all the way."""

__version__ = "0.1.0"
