"""`fsd evaluate`: arguments, and the printed card."""

import argparse
from typing import TYPE_CHECKING

from fsd.commands.arguments import add_options, config_from
from fsd.commands.default_folder import choose_folder, numbered_text
from fsd.data.counted import counted
from fsd.evaluate.config import EVALUATE_FILES, EvaluateConfig

if TYPE_CHECKING:
    from fsd.outputs.evaluate_summary import DatasetRun, EvaluateSummary

EPILOG = """examples:
  fsd evaluate mine/f100_int8.onnx drives --out card
  fsd evaluate packaged drives --part all --cameras front_main left_repeater right_repeater rear

docs/evaluation.md describes every value."""

PRINTED = ("ade_3s_m", "curvature_mae_per_m", "acceleration_mae_mps2", "steering_wheel_rmse_rad")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_options(parser, EvaluateConfig, defaults={"out": numbered_text(EvaluateConfig.out)})


def run(options: argparse.Namespace) -> "EvaluateSummary":
    """Evaluate, and print the card."""
    choose_folder(options, EvaluateConfig.out)
    config = config_from(EvaluateConfig, options)
    from fsd.evaluate.evaluate import evaluate

    summary = evaluate(config)
    if not options.json:
        print_run(summary)
        print_withheld(summary)
        print(f"\nwritten: {config.out}/{' '.join(EVALUATE_FILES)}")
    return summary


def print_run(summary: "DatasetRun") -> None:
    """Print what was run, how fast, and the errors beside those of the baselines."""
    from fsd.evaluate.page import describe_scores
    from fsd.outputs.run_info import describe_simulated
    from fsd.runtime.health import describe_replaced

    data = summary.data
    drives = counted(data.drives, "drive")
    print(f"{data.name}, part {data.part}: {drives}, {data.hours:.3g} h, {data.scored_rows} rows scored")
    print(f"  network      {summary.model.name} ({summary.model.precision}), {summary.network}")
    if data.simulated_clips:
        print(f"  SIMULATED    {describe_simulated(data.simulated_clips, data.clips)}")
    if data.drives == 1:
        print("  intervals    none: they need two drives or more")
    for metric in PRINTED:
        for index, line in enumerate(describe_scores(summary.planners, metric)):
            print(f"  {metric if not index else '':24} {line}")
    if summary.replaced_outputs:
        replaced = describe_replaced(summary.replaced_outputs, summary.health, data.rows)
        print(f"  WARNING      plans replaced: {replaced}")
    if summary.ticks_per_s is not None:
        print(f"  speed        {summary.ticks_per_s:.1f} ticks/s, {summary.times_real_time:.2f}x real time")
    if summary.cpu_ms_per_tick is not None:
        print(f"  processor    {summary.cpu_ms_per_tick:.2f} ms of CPU time per tick")
    for sentence in summary.approximate:
        print(f"  approximate  {sentence}")


def print_withheld(summary: "EvaluateSummary") -> None:
    """Print what the network loses without some inputs."""
    from fsd.evaluate.page import describe_scores

    for metric in ("ade_3s_m", "curvature_mae_per_m"):
        scores = {name: each.scores for name, each in summary.withheld.items()}
        for index, line in enumerate(describe_scores(scores, metric)):
            print(f"  {f'without, {metric}' if not index else '':32} {line}")
