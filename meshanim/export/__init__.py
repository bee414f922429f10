"""Files from a performance, and a performance from files."""

from meshanim.export.obj import write_obj
from meshanim.export.reading import read_performance
from meshanim.export.registry import FORMATS, SEQUENCES, check_targets, export, written_files
from meshanim.export.sources import keep_sources

__all__ = [
    "FORMATS",
    "SEQUENCES",
    "check_targets",
    "export",
    "keep_sources",
    "read_performance",
    "write_obj",
    "written_files",
]
