"""`fsd compare`: arguments, and the printed table."""

import argparse
from typing import TYPE_CHECKING, Any

import msgspec

from fsd.commands.arguments import add_options, config_from
from fsd.commands.exit_codes import OVER_LIMIT
from fsd.compare.config import CompareConfig

if TYPE_CHECKING:
    from fsd.outputs.compare_summary import CompareSummary

EPILOG = """examples:
  fsd replay drive/ --model fp32.onnx --out a
  fsd replay drive/ --model int8.onnx --out b
  fsd compare a b --tolerance path_m=0.05 curvature_per_m=0.002 --page differences.html"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_options(parser, CompareConfig)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Compare and print."""
    config = config_from(CompareConfig, options)
    from fsd.compare.compare import compare_replays

    result = compare_replays(config)
    if not options.json:
        _print(result, config)
    return {**msgspec.to_builtins(result), "exit_code": OVER_LIMIT if result.within_tolerance is False else 0}


def _print(result: "CompareSummary", config: CompareConfig) -> None:
    for label, run in (("A", result.runs.a), ("B", result.runs.b)):
        error = run.scores and run.scores.get("ade_3s_m")
        print(
            f"{label}  {run.folder}: {run.clip}, {run.model.name} ({run.model.precision}), "
            f"{run.budget or 'no compressor'}, {run.ticks} ticks, plan p50 {run.plan_ms.p50:.1f} ms"
            + (f", ADE@3s {error:.2f} m" if error is not None else "")
        )
    extra = result.ticks_only_in_a + result.ticks_only_in_b
    print(f"   {result.common_ticks} ticks in common" + (f", {extra} in one run only" if extra else ""))
    if not result.same_frames:
        print("   note: the runs did not read the same images")
    print(f"\n{'difference':20}{'median':>12}{'p99':>12}{'max':>12}   at tick   tolerance")
    for name, spread in result.differences.items():
        limit = config.tolerance.get(name)
        values = f"{spread.median:12.4g}{spread.p99:12.4g}{spread.max:12.4g}{spread.max_tick:10}"
        print(f"{name:20}{values}   {'-' if limit is None else f'{limit:g}'}")
    for text, tick in (("inputs", result.first_different_input_tick), ("plans", result.first_different_plan_tick)):
        print(f"{text + ':':9}" + ("the same bytes at every tick" if tick is None else f"differ from tick {tick} on"))
    if result.within_tolerance:
        print("within tolerance")
    elif result.ticks_over_tolerance:
        print(
            f"OVER TOLERANCE at {result.ticks_over_tolerance} of {result.common_ticks} ticks, "
            f"first at tick {result.first_tick_over_tolerance}"
        )
    elif result.within_tolerance is False:
        print(f"OVER TOLERANCE: {extra} ticks are in one run only")
    if config.page is not None:
        print(f"page     {config.page}")
