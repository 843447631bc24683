"""`fsd compare`: arguments, and the printed tables."""

import argparse
from typing import TYPE_CHECKING, Any

import msgspec

from fsd.commands.arguments import add_options, config_from
from fsd.commands.exit_codes import DONE, OVER_LIMIT
from fsd.compare.config import CompareConfig
from fsd.data.counted import counted
from fsd.data.errors import UsageError, few

if TYPE_CHECKING:
    from fsd.outputs.compare_summary import CompareSummary, RunCompareSummary

EPILOG = """examples:
  fsd replay drive/ --model fp32.onnx --out a
  fsd replay drive/ --model int8.onnx --out b
  fsd compare a b --tolerance path_m=0.05 curvature_per_m=0.002 --page differences.html
  fsd compare monday_old monday_new --tolerance ade_3s_m=0.02 plan_p99_ms=1     # two runs over many recordings"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_options(parser, CompareConfig)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Compare and print."""
    config = config_from(CompareConfig, options)
    from fsd.fleet.run_compare import compare_whole_runs, is_whole_run

    are_whole = [is_whole_run(path) for path in (config.run_a, config.run_b)]
    if are_whole[0] != are_whole[1]:
        one, other = (config.run_a, config.run_b) if are_whole[0] else (config.run_b, config.run_a)
        raise UsageError(f"{one} is a run over many recordings, and {other} is not. Compare two of the same kind.")
    if are_whole[0]:
        whole = compare_whole_runs(config)
        if not options.json:
            _print_whole(whole, config)
        return _answer(whole)
    from fsd.compare.compare import compare_replays

    result = compare_replays(config)
    if not options.json:
        _print(result, config)
    return _answer(result)


def _answer(result: "CompareSummary | RunCompareSummary") -> dict[str, Any]:
    return {**msgspec.to_builtins(result), "exit_code": OVER_LIMIT if result.within_tolerance is False else DONE}


def _print_whole(result: "RunCompareSummary", config: CompareConfig) -> None:
    for label, run in (("A", result.a), ("B", result.b)):
        print(
            f"{label}  {run.folder}, run {run.run}: {counted(run.clips, 'recording')}, {run.hours:.3g} h, "
            f"{', '.join(run.models)}"
        )
    print(f"   {counted(result.common_clips, 'recording')} in common")
    head = f"{'A':>10}{'B':>10}{'B - A':>11}{'95% interval':>24}"
    print(f"\n{'mean over clips':24}{'clips':>6}{head}")
    for name, change in result.changes.items():
        interval = "no interval"
        if change.low_95 is not None and change.high_95 is not None:
            interval = f"[{change.low_95:+.3g}, {change.high_95:+.3g}]"
        values = f"{change.mean_a:10.4g}{change.mean_b:10.4g}{change.change:+11.3g}{interval:>24}"
        print(f"{name:24}{change.clips:6}{values}   {change.verdict}")
    if result.differences:
        print(f"\n{'largest of every clip':24}{'median':>12}{'p99':>12}{'max':>12}   at tick   of")
    for name, found in result.differences.items():
        values = f"{found.median:12.4g}{found.p99:12.4g}{found.max:12.4g}"
        print(f"{name:24}{values}{found.max_tick:10}   {found.max_clip}")
    for label, only in (("A", result.clips_only_in_a), ("B", result.clips_only_in_b)):
        if only:
            print(f"complete in {label} only: {few(only)}")
    if result.within_tolerance:
        print("within tolerance")
    elif result.within_tolerance is False:
        why = ", ".join(result.over) or "recordings that are complete in one run only"
        print(f"OVER TOLERANCE: {why}")
    if config.page is not None:
        print(f"page     {config.page}")


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
