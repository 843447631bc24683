"""`fsd profile`: arguments, and the tables a person reads at the end."""

import argparse
from typing import TYPE_CHECKING, Any

import msgspec

from fsd.commands.arguments import add_options, config_from, path_argument
from fsd.commands.default_folder import choose_folder, numbered_text
from fsd.commands.exit_codes import DONE, OVER_LIMIT
from fsd.data.errors import UsageError
from fsd.profile.config import PACED, ProfileConfig

if TYPE_CHECKING:
    from fsd.outputs.compare_summary import ProfileComparison
    from fsd.outputs.profile_summary import ProfileSummary

EPILOG = """examples:
  fsd profile                                          the packaged clip, about two minutes
  fsd profile my_drive/ --deadline-ms 27.78 --budget-watts 300
  fsd profile my_drive/ --soak 30m                     memory growth, p99.9
  fsd profile my_drive/ --model other.onnx --adapter other.json
  fsd profile --onnx other.onnx --shape input=1,3,224,224
  fsd profile --compare before/summary.json after/summary.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: a profile run, or one of its two other modes."""
    add_options(parser, ProfileConfig, defaults={"out": numbered_text(ProfileConfig.out)})
    other = parser.add_argument_group("other modes")
    other.add_argument(
        "--onnx",
        type=path_argument,
        metavar="FILE",
        help="profile this ONNX file alone, on random inputs, instead of a recording",
    )
    other.add_argument(
        "--shape",
        nargs="+",
        metavar="NAME=SIZES",
        default=[],
        help="shapes of inputs that the file of --onnx leaves open, for example input=1,3,224,224",
    )
    other.add_argument(
        "--compare",
        nargs=2,
        type=path_argument,
        metavar=("OLD", "NEW"),
        help="compare the summary.json of two profiles instead of running one",
    )


def run(options: argparse.Namespace) -> "dict[str, Any] | ProfileComparison":
    """Profile or compare, and print; a missed limit sets the exit code."""
    if options.compare:
        from fsd.profile.compare_profiles import compare_profiles
        from fsd.profile.terminal import print_comparison

        comparison = compare_profiles(*options.compare)
        if not options.json:
            print_comparison(comparison)
        return comparison
    if options.onnx is not None and any(hasattr(options, name) for name in ("model", "adapter", "cross_check")):
        raise UsageError(
            "--onnx profiles a file on random inputs; --model, --adapter and --cross-check need a recording. Use one "
            "of the two."
        )
    if hasattr(options, "soak_s"):
        options.scenarios = [PACED]
    choose_folder(options, ProfileConfig.out)
    config = config_from(ProfileConfig, options)
    summary = _profile(config, options)
    if not options.json:
        from fsd.profile.terminal import print_profile

        print_profile(summary, config.out)
    is_met = all(gate.is_met is not False for gate in summary.gates)
    return {**msgspec.to_builtins(summary), "exit_code": DONE if is_met else OVER_LIMIT}


def _profile(config: ProfileConfig, options: argparse.Namespace) -> "ProfileSummary":
    if options.onnx is not None:
        from fsd.profile.any_model import profile_model, shape_of

        return profile_model(options.onnx, dict(map(shape_of, options.shape)), config)
    from fsd.profile.profile import profile

    return profile(config)
