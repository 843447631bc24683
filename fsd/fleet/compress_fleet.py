"""Compress recordings on a Ray cluster: a unit is what `fsd compress` writes of one recording. No network is run."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from fsd.compress.compress import compress
from fsd.compress.config import CompressConfig
from fsd.data.recording_options import CameraOptions
from fsd.fleet.clip_units import Made, MakeUnit
from fsd.fleet.config import FleetOptions
from fsd.fleet.fleet_run import FleetTally, needs_of, run_fleet
from fsd.fleet.keys import options_digest
from fsd.fleet.places import Place
from fsd.fleet.units import Unit
from fsd.replay.fingerprint import digest


def compress_fleet(
    sources: Sequence[str], out: str, template: CompressConfig, options: FleetOptions, workers: int | None = None
) -> FleetTally:
    """Compress all recordings that are not complete in the destination; as `run_fleet`.

    Args:
        template: settings of every run of the compressor, without recording and folder.
    """
    needs = needs_of(options, template.decode_workers)
    return run_fleet(sources, out, CompressWork(template), template, needs, options, workers)


@dataclass(frozen=True)
class CompressWork:
    """Compress as `template` says."""

    template: CompressConfig
    name: str = "compress"
    model: str = ""
    model_digest: str = ""

    @property
    def reading(self) -> CameraOptions:
        return self.template

    @cached_property
    def options_digest(self) -> str:
        settings = {name: value for name, value in asdict(self.template).items() if name not in ("clip", "out")}
        return options_digest(digest([self.name.encode(), json.dumps(settings, default=str).encode()]))

    def load(self, folder: Path) -> MakeUnit:
        def make(clip: Path, folder: Path) -> Made:
            summary = compress(replace(self.template, clip=clip, out=folder), show_progress=False)
            return Made(summary.drive_s, summary.ticks)

        return make

    def add_rows(self, out: Place, unit: Unit, folder: Path, published: str) -> None:
        """Nothing: `compression_log.parquet` of a unit is a table itself."""
