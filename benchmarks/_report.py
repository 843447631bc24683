"""The end of every benchmark: one line for people, and one JSON line with the metrics and the machine."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from statistics import median

from fsd.networks.processor import cpuinfo, processor_instructions

CPU_CLASSES = ("vnni", "avx512", "avx2", "sse4.2", "i8mm", "dotprod", "neon")
"""Extensions by which 8-bit products run, the fastest of each architecture first."""

PACKAGES = ("numpy", "av", "onnxruntime", "numba", "torch", "scipy")


def finish(
    benchmark: str,
    metrics: Mapping[str, float | None],
    samples: int,
    measured_on: str,
    not_measured: Mapping[str, str] | None = None,
) -> None:
    """Print what was measured where, and the JSON line that ends a benchmark.

    Args:
        metrics: by name; None where it was not measured.
        samples: how often the least repeated comparison was repeated.
        measured_on: the input: streams, model, ticks.
        not_measured: name of a metric -> why it is None.
    """
    host = machine()
    print(f"machine: {host['cpu']}, {host['cores']} cores, {host['instruction_set']}; cpu_class {host['cpu_class']}")
    print(f"input: {measured_on}; {samples} samples")
    line = {
        "benchmark": benchmark,
        "cpu_class": host["cpu_class"],
        "figures": metrics,
        "samples": samples,
        "input": measured_on,
        "machine": host,
    }
    if not_measured:
        line["not_measured"] = not_measured
    print(json.dumps(line), flush=True)


def machine() -> dict[str, str | int]:
    """Processor, cores, instruction set and versions; no host name and no paths."""
    instructions = processor_instructions()
    described: dict[str, str | int] = {
        "cpu": cpuinfo("model name") or platform.processor() or "unknown",
        "cpu_class": cpu_class(instructions),
        "instruction_set": instructions,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    for package in PACKAGES:
        try:
            described[package] = version(package)
        except PackageNotFoundError:
            continue
    return described


def cpu_class(instructions: str) -> str:
    """The extension of `CPU_CLASSES` that 8-bit products use, of those that `instruction_set` named, or `unknown`."""
    return next((name for name in CPU_CLASSES if name in instructions.split()), "unknown")


def spread(values: Sequence[float]) -> str:
    """`median (minimum … maximum)` of some measurements, for people."""
    return f"{median(values):.4g} ({min(values):.4g} … {max(values):.4g})"
