"""`fsd compare`: arguments, and the table a person reads."""

import argparse
from typing import Any

from fsd.commands.arguments import add_options, config_from
from fsd.commands.exit_codes import OVER_LIMIT
from fsd.compare.config import CompareConfig

EXAMPLE = """examples:
  fsd replay drive/ --model fp32.onnx --out a
  fsd replay drive/ --model int8.onnx --out b
  fsd compare a b --tolerance path_m=0.05 curvature_per_m=0.002 --page differences.html"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EXAMPLE
    add_options(parser, CompareConfig)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Compare and print."""
    config = config_from(CompareConfig, options)
    from fsd.compare.compare import compare

    result = compare(config)
    if not options.json:
        _print(result, config)
    return {**result, "exit_code": OVER_LIMIT if result["within_tolerance"] is False else 0}


def _print(result: dict[str, Any], config: CompareConfig) -> None:
    for label, run in result["runs"].items():
        model = run["model"]
        print(
            f"{label.upper()}  {run['folder']}: {run['clip']}, {model.get('name')} ({model.get('precision')}), "
            f"{run['budget'] or 'no compressor'}, {run['ticks']} ticks, plan p50 {run['plan_ms']['p50']:.1f} ms"
            + (f", ADE@3s {run['scores']['ade_3s_m']:.2f} m" if "ade_3s_m" in (run["scores"] or {}) else "")
        )
    extra = result["ticks_only_in_a"] + result["ticks_only_in_b"]
    print(f"   {result['common_ticks']} ticks in common" + (f", {extra} in one run only" if extra else ""))
    if not result["same_frames"]:
        print("   note: the runs were not shown the same pictures")
    print(f"\n{'difference':20}{'median':>12}{'p99':>12}{'max':>12}   at tick   tolerance")
    for name, spread in result["differences"].items():
        limit = config.tolerance.get(name)
        figures = "".join(f"{spread[key]:12.4g}" for key in ("median", "p99", "max"))
        print(f"{name:20}{figures}{spread['max_tick']:10}   {'-' if limit is None else f'{limit:g}'}")
    for text, key in (
        ("inputs", "first_different_input_tick"),
        ("plans", "first_different_plan_tick"),
    ):
        tick = result[key]
        print(f"{text + ':':9}" + ("the same bytes at every tick" if tick is None else f"differ from tick {tick} on"))
    if result["within_tolerance"]:
        print("within tolerance")
    elif result["ticks_over_tolerance"]:
        print(
            f"OVER TOLERANCE at {result['ticks_over_tolerance']} of {result['common_ticks']} ticks, "
            f"first at tick {result['first_tick_over_tolerance']}"
        )
    elif result["within_tolerance"] is False:
        print(f"OVER TOLERANCE: {extra} ticks are in one run only")
    if config.page is not None:
        print(f"page     {config.page}")
