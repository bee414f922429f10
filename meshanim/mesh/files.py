"""Old place of meshanim._files."""

from meshanim._files import atomic_path, cache_folder

__all__ = ["atomic_path", "cache_folder"]
