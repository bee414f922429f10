"""Mesh core: the mesh, its topology, spirals, decimation, hierarchies, files."""
