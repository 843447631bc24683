"""Replay recordings on a Ray cluster: a unit is one recording with its plans, scores and report."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from fsd.data.recording_options import CameraOptions
from fsd.fleet.clip_units import Made, MakeUnit
from fsd.fleet.config import FleetOptions
from fsd.fleet.fleet_run import FleetTally, needs_of, run_fleet
from fsd.fleet.keys import model_digest, options_digest
from fsd.fleet.model_files import ModelFiles
from fsd.fleet.places import Place
from fsd.fleet.tables import add_unit
from fsd.fleet.units import Unit
from fsd.replay.config import ReplayConfig
from fsd.replay.fingerprint import settings_digest
from fsd.replay.replay import replay
from fsd.third_party.open_planner import LoadedModels


def replay_fleet(
    sources: Sequence[str], out: str, template: ReplayConfig, options: FleetOptions, workers: int | None = None
) -> FleetTally:
    """Replay all recordings that are not complete in the destination; as `run_fleet`.

    Args:
        template: settings of every replay, without recording and folder.
    """
    needs = needs_of(options, template.decode_workers, options.gpus(template.device))
    return run_fleet(sources, out, ReplayWork(template, ModelFiles.of(template)), template, needs, options, workers)


@dataclass(frozen=True)
class ReplayWork:
    """Replay; the model of `template` is replaced by copies of `files`."""

    template: ReplayConfig
    files: ModelFiles
    name: str = "replay"

    @property
    def reading(self) -> CameraOptions:
        return self.template

    @property
    def model(self) -> str:
        template = self.template
        return "packaged" if template.model is None else ", ".join(path.name for path in template.model_files)

    @cached_property
    def model_digest(self) -> str:
        return model_digest(self.files.contents)

    @cached_property
    def options_digest(self) -> str:
        return options_digest(settings_digest(self.template))

    def load(self, folder: Path) -> MakeUnit:
        """Write the model, which is loaded at the first recording and stays."""
        template, models = self.files.unpack(folder / "model", self.template), LoadedModels()

        def make(clip: Path, folder: Path) -> Made:
            config = replace(template, clip=clip, out=folder)
            summary = replay(config, show_progress=False, open_planner=models.chosen_planner)
            return Made(summary.drive_s, summary.ticks, summary.cross_check.alarm_ticks if summary.cross_check else 0)

        return make

    def add_rows(self, out: Place, unit: Unit, folder: Path, published: str) -> None:
        add_unit(out, unit, folder, published)
