"""`fsd train`: train on drives in the simulator, on data sets of recorded drives, or on recordings."""

import argparse
import os
from collections.abc import Collection
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from fsd.commands.arguments import add_options, config_from, typed_name
from fsd.commands.ray_option import DEFAULT_WORKERS, RayOptions, drives_done_by
from fsd.data.errors import ModelError, UsageError
from fsd.data.options import Options, declared_options
from fsd.extras import install_line
from fsd.networks.train_options import DatasetTrainConfig, RecipeConfig, RecordedFitConfig, TrainOptions

if TYPE_CHECKING:
    from fsd.networks.dataset_training.run import DatasetFit
    from fsd.networks.recorded_fit import RecordedFit
    from fsd.training.progress import TrainingProgress

EPILOG = """examples:
  fsd train --out out/mine                                          # the default rounds, about 2 h 40 min on two cores
  fsd train --teacher out/wide/weights.safetensors --out out/mine   # imitates a network too
  fsd train --out out/tiny --rounds 20:100 --rate 0.001             # a quick try: 20 episodes, 100 steps
  fsd train --out /shared/mine --ray HEAD:6379                      # drives on a Ray cluster, trains here
  fsd train drives --initial packaged --rate 0.0003 --out out/real  # on a data set of fsd dataset build
  fsd train drives --simulated out/mine --mix 3 1 --out out/mixed   # three quarters of it recorded
  torchrun --nproc-per-node 4 $(which fsd) train drives --device cuda --out out/real
  fsd train --clips my_drive --train-until-s 120 --out out/recorded  # train on video, test on the rest of it

next: fsd export out/mine/weights.safetensors --data clip/"""
PACKAGED = "packaged"
_SHARED = tuple(field.name for field in fields(TrainOptions))
_OF_DATASETS = tuple(field.name for field in fields(DatasetTrainConfig) if field.name not in _SHARED)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: those that all ways of training share, then those of each."""
    both = {name: _both_defaults(name) for name in ("out", "clips", "learning_rate")}
    add_options(parser, TrainOptions, defaults=both)
    add_options(parser, RecipeConfig, skip=_SHARED, defaults={"workers": DEFAULT_WORKERS})
    of_clips = {
        name: f" (default: {getattr(DatasetTrainConfig, name):g}, with --clips {getattr(RecordedFitConfig, name):g})"
        for name in ("steps", "ego_dropout")
    }
    add_options(parser, DatasetTrainConfig, skip=_SHARED, defaults=of_clips)
    add_options(parser, RecordedFitConfig, skip=(*_SHARED, *_OF_DATASETS))
    add_options(parser, RayOptions)


def _both_defaults(name: str) -> str:
    return f" (default: {getattr(RecipeConfig, name)}, on recordings {getattr(DatasetTrainConfig, name)})"


def run(options: argparse.Namespace) -> "dict[str, Any] | DatasetFit | RecordedFit":
    """Train, and print where the weights are."""
    is_recorded = hasattr(options, "recordings")
    is_dataset = not is_recorded and bool(getattr(options, "datasets", ()) or getattr(options, "simulated", ()))
    if is_recorded or is_dataset:
        _refuse(options, RecipeConfig, _SHARED, "is for the simulator, not for recordings")
        _refuse(options, RayOptions, (), "is for the simulator, not for recordings")
    if is_dataset:
        _refuse(options, RecordedFitConfig, (*_SHARED, *_OF_DATASETS), "is for recordings: it needs --clips")
    if not is_recorded and not is_dataset:
        _refuse(options, RecordedFitConfig, (*_SHARED, "datasets"), "is for recordings: it needs a data set or --clips")
    try:
        _find_packaged(options)
        if not is_recorded and not is_dataset:
            return _from_simulator(options)
        return _on_recorded(options, RecordedFitConfig if is_recorded else DatasetTrainConfig)
    except ModuleNotFoundError as error:
        raise ModelError(f"`fsd train` needs the package {error.name}:\n  {install_line('train')}") from error


def _refuse(options: argparse.Namespace, other: type[Options], skip: Collection[str], why: str) -> None:
    """Refuse options of another way of training."""
    for name, option in declared_options(other).items():
        if name not in skip and hasattr(options, name):
            raise UsageError(f"{typed_name(option, name)} {why}. Leave it out.")


def _find_packaged(options: argparse.Namespace) -> None:
    """`--initial packaged` are the weights of the installation."""
    initial = getattr(options, "initial", None)
    if initial is not None and str(initial) == PACKAGED and not initial.exists():
        from fsd.networks.weights import packaged_weights

        options.initial = packaged_weights()


def _from_simulator(options: argparse.Namespace) -> dict[str, Any]:
    config = config_from(RecipeConfig, options)
    from fsd.networks.processes import is_first_process
    from fsd.networks.recipe import run_recipe
    from fsd.networks.weights import read_header
    from fsd.outputs.disk_space import existing_folder, train_bytes, warn_if_short

    if is_first_process():
        episodes = sum(each.episodes for each in config.rounds)
        warn_if_short(existing_folder(config.out), train_bytes(episodes, config.network.budget))
    cluster = drives_done_by(config_from(RayOptions, options), getattr(options, "workers", None), "drive")
    with cluster, _progress(config) as progress:
        weights = run_recipe(config, progress.report)
    if not is_first_process():
        return _nothing(options)
    notes = read_header(weights).notes
    if not options.json:
        print(
            f"weights  {weights}",
            f"         {_describe_choice(notes)}",
            f"next: fsd export {weights} --data CLIP",
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


def _on_recorded(
    options: argparse.Namespace, kind: type[DatasetTrainConfig]
) -> "dict[str, Any] | DatasetFit | RecordedFit":
    """Train on data sets, or on recordings of which one is built first."""
    config = config_from(kind, options)
    if config.initial is not None and hasattr(options, "network"):
        raise UsageError("--size is that of the weights in --initial. Leave one of the two out.")
    from fsd.networks import recorded_fit
    from fsd.networks.dataset_training import run
    from fsd.training.recorded_run import train_on_recordings

    with _progress(config) as progress:
        result: DatasetFit | RecordedFit | None
        if isinstance(config, RecordedFitConfig):
            result, file = train_on_recordings(config, progress.report), recorded_fit.RESULT
        else:
            result, file = run.train_on_datasets(config, progress.report), run.RESULT
    if result is None:
        return _nothing(options)
    if not options.json:
        lines = format_dataset_fit(result) if isinstance(result, run.DatasetFit) else _format_fit(result)
        print(*lines, f"weights  {config.out / result.weights}", f"result   {config.out / file}", sep="\n")
    return result


def format_dataset_fit(result: "DatasetFit") -> list[str]:
    """The result beside predictors without images, as lines."""
    lines = [
        f"source   {each.name}: {each.rows} rows, {each.held_out_rows} held out, weight {each.weight:g}"
        for each in result.sources
    ]
    if result.loader_share is not None:
        lines.append(f"loader   {100 * result.loader_share:.1f} % of the time of the steps was spent waiting for data")
    if not result.held_out:
        return [*lines, "nothing is held out: no score. Add drives until the part for validation has some."]
    lines.append(f"weights of the {result.chosen} step, {result.weights_step}; on what was held out:")
    for name in ("ade_3s_m", "curvature_rmse_per_m", "acceleration_mae_mps2"):
        found = [(key.partition(":")[2], value) for key, value in result.held_out.items() if key.startswith(f"{name}:")]
        if found:
            lines.append(f"  {name:22} {'  '.join(f'{who} {value:.4g}' for who, value in found)}")
    if result.fewer_cameras:
        scores = ", ".join(f"{name} {value:.3f}" for name, value in result.fewer_cameras.items())
        lines.append(f"  score in m: {result.held_out['score_m']:.3f}; with fewer cameras: {scores}")
    return lines


def _nothing(options: argparse.Namespace) -> dict[str, Any]:
    options.json = False  # the first process prints the result, once
    return {}


def _format_fit(result: "RecordedFit") -> list[str]:
    """The steering errors of both parts, as lines."""
    steering = result.steering
    source = "assumed: public data of a Lincoln MKZ" if result.is_steering_assumed else "as given"
    lines = [
        f"labels   curvature from {', '.join(result.curvature_from)}; steering ratio {steering.ratio:g}, "
        f"wheelbase {steering.wheelbase_m:g} m ({source})",
        f"learned  {', '.join(result.learned)}; these clips have no labels for the other outputs",
        "steering wheel angle, root mean square error in rad:",
        "  part    samples  network   masked     zero     mean of the training part",
    ]
    for part, scores in (("train", result.train), ("test", result.test)):
        errors_rad = (scores.network_rmse_rad, scores.masked_rmse_rad, scores.zero_rmse_rad, scores.mean_rmse_rad)
        cells = ("      -" if error is None else f"{error:7.4f}" for error in errors_rad)
        lines.append(f"  {part:6} {scores.samples:8d}  {'  '.join(cells)}")
    return [*lines, "masked: the same network with all pictures masked", result.caveat]
