"""The last line of every benchmark: one JSON object with its figures and the machine it ran on."""

import json
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median


def finish(benchmark: str, figures: dict[str, float], samples: int) -> None:
    """Print the JSON line that ends a benchmark; `samples` is how often the slowest comparison was repeated."""
    line = {"benchmark": benchmark, "figures": figures, "samples": samples, "machine": machine()}
    print(json.dumps(line), flush=True)
    sys.stdout.flush()


def machine() -> dict[str, str | int]:
    """What the figures were measured on; no names and no paths."""
    described: dict[str, str | int] = {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    for package in ("numpy", "av", "onnxruntime", "numba", "torch"):
        try:
            described[package] = version(package)
        except PackageNotFoundError:
            continue
    return described


def spread(values: Sequence[float]) -> str:
    """`median (least … most)` of some measurements, for people."""
    return f"{median(values):.4g} ({min(values):.4g} … {max(values):.4g})"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
