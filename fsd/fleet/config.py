"""Options of work on many recordings on a Ray cluster."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsd.data.options import Options, option
from fsd.networks.devices import GPU_DEVICES

LOCAL = "local"
"""Address of a Ray that is started on this machine, for this run only."""

CLUSTER = "cluster (needs the extra `ray`; see docs/fleet.md)"
"""Heading of the options of a cluster."""

_ADDRESS = re.compile(r"local|auto|ray://\S+|[\w.\-\[\]:]+:\d+")

CLIP_MEMORY_GB = 1.0
"""Measured: a process takes 0.6 GB with eight 1280x960 cameras, and the report."""
COMPRESS_MEMORY_GB, DATASET_MEMORY_GB, EXPORT_MEMORY_GB = 1.0, 1.0, 2.0
"""Not measured: the first two decode and compress as a replay does, the last also loads PyTorch."""
GPU_SHARE = 0.25
"""Of a GPU, for each recording at a time: a network that waits for its decoders leaves the rest idle. Not measured."""


def ray_address(text: str) -> str:
    """An address as Ray takes it.

    Raises:
        ValueError: it is none; the word may be a recording.
    """
    if not _ADDRESS.fullmatch(text):
        raise ValueError(f"write HOST:PORT, ray://HOST:PORT, auto or local, or --ray as the last word; got {text!r}")
    return text


def ray_option(does: str) -> Any:
    """The option `ray`: an address, or None without Ray; `does` is its help."""
    return option(None, does, metavar="ADDRESS", bare=LOCAL, default_text="without Ray", parse=ray_address)


@dataclass(frozen=True, kw_only=True)
class FleetOptions(Options):
    """Where several recordings are worked on at the same time, and what each takes."""

    heading = CLUSTER

    ray: str | None = ray_option(
        "work on the Ray cluster at this address, on as many recordings at a time as fit; without an address, a Ray is "
        "started on this machine. Recordings and, but for data sets and exports, --out may then be URLs such as "
        "s3://bucket/drives"
    )
    cache_gb: float = option(
        50.0, "space on each machine for recordings that are copied from a URL, 10^9 bytes", unit="GB", above=0
    )
    cache_dir: Path | None = option(
        None, "folder on each machine for these copies", metavar="DIR", default_text="in the folder for temporary files"
    )
    clip_cpus: int | None = option(
        None, "CPU cores that one recording occupies", at_least=1, default_text="as many as --decode-workers"
    )
    clip_memory_gb: float = option(CLIP_MEMORY_GB, "memory that one recording occupies", unit="GB", at_least=0)
    clip_gpus: float | None = option(
        None,
        "part of a GPU that one recording occupies",
        at_least=0,
        at_most=1,
        default_text=f"{GPU_SHARE:g} for --device cuda or tensorrt, else none",
    )

    def gpus(self, device: str) -> float:
        """Part of a GPU for one recording whose network runs on `device`."""
        if self.clip_gpus is not None:
            return self.clip_gpus
        return GPU_SHARE if device in GPU_DEVICES else 0.0


def _workers() -> Any:
    """The option `workers` of commands that have none without Ray."""
    return option(None, "with --ray, recordings at a time", at_least=1, default_text="as many as fit into the cluster")


@dataclass(frozen=True, kw_only=True)
class CompressFleetOptions(FleetOptions):
    """Of `fsd compress`."""

    clip_memory_gb: float = COMPRESS_MEMORY_GB
    workers: int | None = _workers()


@dataclass(frozen=True, kw_only=True)
class DatasetFleetOptions(FleetOptions):
    """Of `fsd dataset build`."""

    clip_memory_gb: float = DATASET_MEMORY_GB


@dataclass(frozen=True, kw_only=True)
class ExportFleetOptions(FleetOptions):
    """Of `fsd export`, whose recordings are measured at the same time for calibration."""

    clip_memory_gb: float = EXPORT_MEMORY_GB
    workers: int | None = _workers()
