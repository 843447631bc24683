"""`fsd train`: train on drives in the simulator, or on recordings."""

import argparse
import os
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from fsd.commands.arguments import add_options, config_from, typed_name
from fsd.data.errors import ModelError, UsageError
from fsd.data.options import declared_options
from fsd.extras import install_line
from fsd.networks.train_options import RecipeConfig, RecordedFitConfig, TrainOptions

if TYPE_CHECKING:
    from fsd.networks.recorded_fit import RecordedFit
    from fsd.training.progress import TrainingProgress

EPILOG = """examples:
  fsd train --out runs/mine                                # the default rounds, about 2 h 40 min on two cores
  fsd train --teacher runs/wide/weights.safetensors --out runs/mine   # imitates a network too
  fsd train --out runs/tiny --rounds 20:100 --rate 0.001   # a quick try: 20 episodes, 100 steps
  torchrun --nproc-per-node 4 $(which fsd) train --device cuda --out runs/mine
  fsd train --clips my_drive --train-until-s 120 --out runs/recorded       # train on video, test on the rest of it

next: fsd export runs/mine/weights.safetensors --data clip/ --out exported"""
_SHARED = tuple(field.name for field in fields(TrainOptions))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: those that both ways of training share, then those of each."""
    add_options(
        parser, TrainOptions, defaults={name: _both_defaults(name) for name in ("out", "clips", "learning_rate")}
    )
    add_options(parser, RecipeConfig, skip=_SHARED)
    add_options(parser, RecordedFitConfig, skip=_SHARED)


def _both_defaults(name: str) -> str:
    return f" (default: {getattr(RecipeConfig, name)}, with --clips {getattr(RecordedFitConfig, name)})"


def run(options: argparse.Namespace) -> "dict[str, Any] | RecordedFit":
    """Train, and print where the weights are."""
    is_recorded = hasattr(options, "recordings")
    other, why = (
        (RecipeConfig, "is for the simulator, not for --clips")
        if is_recorded
        else (RecordedFitConfig, "is for recordings: it needs --clips")
    )
    for name, option in declared_options(other).items():
        if name not in _SHARED and hasattr(options, name):
            raise UsageError(f"{typed_name(option, name)} {why}. Leave it out.")
    try:
        return _from_recordings(options) if is_recorded else _from_simulator(options)
    except ModuleNotFoundError as error:
        raise ModelError(f"`fsd train` needs the package {error.name}:\n  {install_line('train')}") from error


def _from_simulator(options: argparse.Namespace) -> dict[str, Any]:
    config = config_from(RecipeConfig, options)
    from fsd.networks.processes import is_first_process
    from fsd.networks.recipe import run_recipe
    from fsd.networks.weights import read_header
    from fsd.outputs.disk_space import existing_folder, train_bytes, warn_if_short

    if is_first_process():
        episodes = sum(each.episodes for each in config.rounds)
        warn_if_short(existing_folder(config.out), train_bytes(episodes, config.network.budget))
    with _progress(config) as progress:
        weights = run_recipe(config, progress.report)
    if not is_first_process():
        options.json = False  # the first process prints the result, once
        return {}
    notes = read_header(weights).notes
    if not options.json:
        print(
            f"weights  {weights}",
            f"         {_describe_choice(notes)}",
            f"next: fsd export {weights} --data CLIP --out exported",
            sep="\n",
        )
    names = ("weights_step", "last_score_m", "best")
    return {"weights": str(weights), "chosen": notes["weights"], **{name: notes[name] for name in names}}


def _progress(config: TrainOptions) -> "TrainingProgress":
    from fsd.networks.processes import is_first_process
    from fsd.training.first_lines import first_lines
    from fsd.training.progress import TrainingProgress

    lines = first_lines(config, int(os.environ.get("WORLD_SIZE", "1")))
    return TrainingProgress(config.out, lines, is_first_process())


def _describe_choice(notes: dict[str, Any]) -> str:
    """Which weights the result is, and why."""
    best, last_m = notes["best"], notes["last_score_m"]
    if best is None or last_m is None:
        return "those of the last step; no world was held out"
    scores = f"held-out score {last_m:.3f} m at the last step, {best['score_m']:.3f} m at best (step {best['step']})"
    return f"those of the {notes['weights']} step: {scores}"


def _from_recordings(options: argparse.Namespace) -> "RecordedFit":
    config = config_from(RecordedFitConfig, options)
    if config.initial is not None and hasattr(options, "network"):
        raise UsageError("--size is that of the weights in --initial. Leave one of the two out.")
    from fsd.networks.recorded_fit import RESULT, fit_recordings

    with _progress(config) as progress:
        result = fit_recordings(config, progress.report)
    if not options.json:
        print(
            _format_fit(result), f"weights  {config.out / result.weights}", f"result   {config.out / RESULT}", sep="\n"
        )
    return result


def _format_fit(result: "RecordedFit") -> str:
    steering = result.steering
    source = "assumed: public data of a Lincoln MKZ" if result.is_steering_assumed else "as given"
    lines = [
        f"labels   curvature from {', '.join(result.curvature_from)}; steering ratio {steering.ratio:g}, "
        f"wheelbase {steering.wheelbase_m:g} m ({source})",
        f"learned  {', '.join(result.learned)}; these clips have no labels for the other outputs",
        "steering wheel angle, root mean square error in rad:",
        "  part    samples  network     zero     mean of the training part",
    ]
    for part, scores in (("train", result.train), ("test", result.test)):
        errors_rad = (scores.network_rmse_rad, scores.zero_rmse_rad, scores.mean_rmse_rad)
        lines.append(f"  {part:6} {scores.samples:8d}  {'  '.join(f'{error:7.4f}' for error in errors_rad)}")
    return "\n".join([*lines, result.caveat])
