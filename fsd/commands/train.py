"""`fsd train`: learn to drive from drives in the simulator, or steering from recorded clips."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from tqdm import tqdm

from fsd.data.errors import ModelError, UsageError
from fsd.data.steering import LINCOLN_MKZ, SteeringGeometry

if TYPE_CHECKING:
    from fsd.networks.recorded_fit import RecordedFit

EXAMPLE = """example:
  fsd train --out runs/mine                                # the packaged recipe, about 9 hours on two cores
  fsd train --out runs/tiny --rounds 20:100:0.001          # a quick try: 20 episodes, 100 steps
  torchrun --nproc-per-node 4 $(which fsd) train --device cuda --out runs/mine
  fsd train --clips my_drive --train-until-s 120 --out runs/recorded       # real video: fit, and score on the rest

then: fsd export runs/mine/weights.safetensors --data clip/ --out exported"""
_NEEDS = "`fsd train` needs PyTorch, and without --clips moderngl: pip install 'fsd[train]'."

_ONLY_RECORDED = {
    "train_until_s": "--train-until-s",
    "steering_ratio": "--steering-ratio",
    "wheelbase_m": "--wheelbase-m",
    "initial": "--initial",
    "steps": "--steps",
    "learning_rate": "--learning-rate",
}
_ONLY_SIMULATED = {"rounds": "--rounds", "averaged_rounds": "--average", "workers": "--workers"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; those left out take the defaults of `RecipeConfig` or `RecordedFitConfig`."""
    parser.epilog = EXAMPLE
    unset = argparse.SUPPRESS
    parser.add_argument("--out", type=Path, default=unset, help="folder of the run; started again, it goes on")
    parser.add_argument("--threads", type=int, default=unset, help="threads that train")
    parser.add_argument("--device", default=unset, help="cpu or cuda")
    parser.add_argument("--batch-clips", type=int, default=unset, dest="clips", help="clips in a batch")
    parser.add_argument("--seed", type=int, default=unset, help="of weights and batches")
    simulated = parser.add_argument_group("from the simulator")
    simulated.add_argument(
        "--rounds", nargs="+", default=unset, metavar="EPISODES:STEPS:RATE", help="expert first, then DAgger"
    )
    simulated.add_argument(
        "--average",
        type=int,
        default=unset,
        dest="averaged_rounds",
        metavar="N",
        help="keep the mean of the last N rounds",
    )
    simulated.add_argument("--workers", type=int, default=unset, help="processes that collect")
    recorded = parser.add_argument_group("from recorded clips")
    recorded.add_argument(
        "--clips", nargs="+", type=Path, default=unset, dest="recordings", metavar="CLIP", help="learn from these"
    )
    recorded.add_argument(
        "--train-until-s", type=float, default=unset, help="learn before, test after (default: two thirds)"
    )
    recorded.add_argument(
        "--steering-ratio",
        type=float,
        default=unset,
        help=f"steering wheel over road wheels (default: {LINCOLN_MKZ.ratio:g}, a Lincoln MKZ's, assumed)",
    )
    recorded.add_argument(
        "--wheelbase-m", type=float, default=unset, help=f"axle to axle (default: {LINCOLN_MKZ.wheelbase_m:g}, assumed)"
    )
    recorded.add_argument("--initial", type=Path, default=unset, help="weights to start from (default: random)")
    recorded.add_argument("--steps", type=int, default=unset, help="optimiser steps")
    recorded.add_argument("--learning-rate", type=float, default=unset, help="highest")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Train and say where the weights are."""
    given = vars(options)
    is_recorded = "recordings" in given
    for name, flag in (_ONLY_SIMULATED if is_recorded else _ONLY_RECORDED).items():
        if name in given:
            why = "is for the simulator, not for --clips" if is_recorded else "is for recordings: it needs --clips"
            raise UsageError(f"{flag} {why}. Leave it out.")
    try:
        return _from_recordings(given) if is_recorded else _from_simulator(given)
    except ModuleNotFoundError as error:
        raise ModelError(f"{_NEEDS} (missing: {error.name})") from error


def _from_simulator(given: dict[str, Any]) -> dict[str, Any]:
    from fsd.networks.recipe import RecipeConfig, Round, run_recipe

    values = {name: value for name, value in given.items() if name in RecipeConfig.__dataclass_fields__}
    try:
        if "rounds" in values:
            values["rounds"] = tuple(Round(int(e), int(s), float(r)) for e, s, r in map(_split, values["rounds"]))
        config = RecipeConfig(**values)
    except ValueError as error:
        raise UsageError(str(error)) from error
    with _Bars() as bars:
        weights = run_recipe(config, bars.report)
    if not given["json"]:
        print(f"weights  {weights}\nnext: fsd export {weights} --data CLIP --out exported")
    return {"weights": str(weights)}


def _from_recordings(given: dict[str, Any]) -> dict[str, Any]:
    from fsd.networks.recorded_fit import RESULT, RecordedFitConfig, fit_recordings

    values = {name: value for name, value in given.items() if name in RecordedFitConfig.__dataclass_fields__}
    try:
        if "steering_ratio" in given or "wheelbase_m" in given:
            values["geometry"] = SteeringGeometry(
                given.get("steering_ratio", LINCOLN_MKZ.ratio), given.get("wheelbase_m", LINCOLN_MKZ.wheelbase_m)
            )
        config = RecordedFitConfig(**{**values, "recordings": tuple(values["recordings"])})
    except ValueError as error:
        raise UsageError(str(error)) from error
    with _Bars() as bars:
        result = fit_recordings(config, bars.report)
    if not given["json"]:
        print(_in_words(result), f"weights  {config.out / result.weights}", config.out / RESULT, sep="\n")
    found: dict[str, Any] = msgspec.to_builtins(result)
    return found


def _in_words(result: "RecordedFit") -> str:
    steering = result.steering
    source = "assumed: public figures of a Lincoln MKZ" if result.is_steering_assumed else "as given"
    lines = [
        f"labels   curvature from {', '.join(result.curvature_from)}; steering ratio {steering.ratio:g}, "
        f"wheelbase {steering.wheelbase_m:g} m ({source})",
        f"learned  {', '.join(result.learned)}; for other outputs these clips have no labels",
        "steering wheel angle, root mean square error in rad:",
        "  part    samples  network     zero     mean of the training part",
    ]
    for part, scores in (("train", result.train), ("test", result.test)):
        errors_rad = (scores.network_rmse_rad, scores.zero_rmse_rad, scores.mean_rmse_rad)
        lines.append(f"  {part:6} {scores.samples:8d}  {'  '.join(f'{error:7.4f}' for error in errors_rad)}")
    return "\n".join([*lines, result.caveat])


class _Bars:
    """One progress bar a phase, on standard error."""

    def __init__(self) -> None:
        self._bars: dict[str, tqdm] = {}

    def __enter__(self) -> "_Bars":
        return self

    def __exit__(self, *error: object) -> None:
        for bar in self._bars.values():
            bar.close()

    def report(self, phase: str, done: int, total: int, figures: dict[str, float]) -> None:
        if phase not in self._bars:
            self._bars[phase] = tqdm(total=total, desc=phase, file=sys.stderr, mininterval=2.0)
        bar = self._bars[phase]
        bar.update(done - bar.n)
        shown = {name: f"{figures[name]:.3g}" for name in ("loss", "validation_ade_3s_m") if name in figures}
        if shown:
            bar.set_postfix(shown)


def _split(text: str) -> list[str]:
    parts = text.split(":")
    if len(parts) != 3:
        raise ValueError(f"A round is EPISODES:STEPS:RATE such as 900:2400:0.0015, got {text!r}.")
    return parts
