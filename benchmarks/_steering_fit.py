"""Fit networks to the first two minutes of a recorded drive, from the packaged weights and from nothing, by seeds.

The score is the root mean square error of the steering wheel's angle over the rest of the drive, in open loop, of the
network and of the same network with all pictures masked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from tqdm import tqdm

from fsd.networks.dataset_training.run import network_of
from fsd.networks.packaged import PACKAGED_WEIGHTS, packaged_file
from fsd.networks.recorded_fit import RecordedFit, fit_recordings
from fsd.networks.train_options import RecordedFitConfig

STARTS = ("packaged", "nothing")
SPLIT_S = 120.0
"""Of `udacity_ch2`, 180 s: learned from before it, scored after it."""


@dataclass(frozen=True)
class FitSettings:
    """Of all fits; seeds 0, 1, ..."""

    seeds: int = 3
    steps: int = 300
    threads: int = 2


def fit_steering(recording: Path, dataset: Path, out: Path, settings: FitSettings) -> dict[str, list[RecordedFit]]:
    """Start -> one result per seed; a fit that `out` already has is only scored again.

    Raises:
        ClipError: the recording has no angle of the steering wheel.
    """
    found: dict[str, list[RecordedFit]] = {start: [] for start in STARTS}
    for seed in range(settings.seeds):
        for start in STARTS:
            config = RecordedFitConfig(
                recordings=(recording,),
                out=out / f"{start}-{seed}",
                initial=packaged_file(PACKAGED_WEIGHTS, "weights", "name others") if start == "packaged" else None,
                train_until_s=SPLIT_S,
                steps=settings.steps,
                evaluate_every=settings.steps,
                seed=seed,
                threads=settings.threads,
            )
            config.out.mkdir(parents=True, exist_ok=True)
            with StepBar(f"{start}, seed {seed}") as report:
                result = fit_recordings(config, dataset, network_of(config), report)
            assert result is not None  # in the first process
            found[start].append(result)
    return found


def steering_figures(found: dict[str, Sequence[RecordedFit]]) -> dict[str, float]:
    """Means over seeds, and the least and the greatest error."""
    figures: dict[str, float] = {}
    for start, name in (("packaged", "ch2"), ("nothing", "ch2_from_nothing")):
        errors = [each.test.network_rmse_rad for each in found[start]]
        masked = [error for each in found[start] if (error := each.test.masked_rmse_rad) is not None]
        figures |= {
            f"{name}_rmse_rad": mean(errors),
            f"{name}_rmse_rad_low": min(errors),
            f"{name}_rmse_rad_high": max(errors),
            f"{name}_masked_rmse_rad": mean(masked),
            f"{name}_train_rmse_rad": mean(each.train.network_rmse_rad for each in found[start]),
        }
    first = found["packaged"][0].test
    return figures | {
        "ch2_zero_rmse_rad": first.zero_rmse_rad,
        "ch2_rows": first.samples,
        "ch2_seeds": len(found["packaged"]),
    }


class StepBar:
    """Progress of a training on standard error."""

    def __init__(self, name: str) -> None:
        self._bar = tqdm(desc=name, unit="step", disable=None)

    def __enter__(self) -> "StepBar":
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def __call__(self, phase: str, done: int, total: int, found: dict[str, float]) -> None:
        if phase == "train":
            self._bar.total = total
            self._bar.update(done - self._bar.n)
