"""What every benchmark script needs: the machine, a table on the terminal, a results file."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from meshanim._files import atomic_path
from meshanim.ops import kernels_in_use

RESULTS = Path(__file__).parent / "results"
RUNS = Path(__file__).parent / "runs"
"""What is not part of the project: runs, and pictures of others' data."""


def machine() -> dict[str, Any]:
    """Processor, cores, threads, GPU and versions under which figures were measured."""
    model = next(
        (line.split(":", 1)[1].strip() for line in _cpu_info() if line.startswith("model name")),
        platform.processor(),
    )
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        **({"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}),
    }


def spread(seconds: list[float]) -> dict[str, float]:
    """Median, quartiles and number of some runs."""
    low, middle, high = statistics.quantiles(seconds, n=4)
    return {"median": middle, "lower_quartile": low, "upper_quartile": high, "runs": len(seconds)}


def _cpu_info() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.is_file() else []


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table."""
    printed = Table(*header, title=title, title_justify="left")
    for row in rows:
        printed.add_row(*row)
    Console(width=140).print(printed)


def write_results(name: str, content: dict[str, Any]) -> Path:
    """Write ``results/<name>.json`` with the machine's description."""
    path = RESULTS / f"{name}.json"
    text = json.dumps({"machine": machine(), **content}, indent=1) + "\n"
    with atomic_path(path) as place:
        place.write_text(text)
    return path


def by_instruction_set(name: str) -> str:
    """Name of the results of compiled code on machines like this one: ``<name>_avx2`` and so on."""
    return f"{name}_{kernels_in_use().partition('(')[2].rstrip(')')}"


def take_no_arguments(about: str | None) -> None:
    """End a script that was given arguments before it works, for ``--help`` with what it is about."""
    if not {"--help", "-h"}.isdisjoint(sys.argv[1:]):
        print((about or "").strip())
        sys.exit()
    if sys.argv[1:]:
        sys.exit(f"{Path(sys.argv[0]).name} takes no arguments, got {' '.join(sys.argv[1:])}")


def run_parts(name: str, parts: Mapping[str, Callable[[], Any]]) -> None:
    """Run the parts that the command line asks for, or all; the others' results stay as they were."""
    if not {"--help", "-h"}.isdisjoint(sys.argv[1:]):
        print(f"parts, all without one named: {', '.join(parts)}")
        sys.exit()
    asked = sys.argv[1:] or list(parts)
    if unknown := [part for part in asked if part not in parts]:
        sys.exit(f"parts must be among {', '.join(parts)}, got {', '.join(unknown)}")
    known = RESULTS / f"{name}.json"
    for part in asked:
        print(f"{part} ...", file=sys.stderr)
        found = parts[part]()
        # read anew: parts may run beside each other
        results = json.loads(known.read_text()) if known.is_file() else {}
        results.pop("machine", None)
        write_results(name, {**results, part: found})
    print(f"written: {known}")
