"""`fsd profile`: arguments, and the tables a person reads at the end."""

import argparse
from pathlib import Path
from typing import Any

import msgspec

from fsd.commands.recording_options import camera_map
from fsd.data.errors import UsageError
from fsd.networks.onnx_session import PROVIDERS
from fsd.outputs.profile_summary import ProfileSummary
from fsd.profile.config import SCENARIOS, ProfileConfig, seconds_of
from fsd.profile.terminal import print_comparison, print_profile

OVER_LIMIT = 7
"""Exit code: a limit that was asked for is not met, or cannot be shown to be met."""

EXAMPLE = """examples:
  fsd profile                                          the packaged clip, about two minutes
  fsd profile my_drive/ --deadline-ms 27.78 --budget-watts 300
  fsd profile my_drive/ --soak 30m                     memory growth, p99.9
  fsd profile my_drive/ --model other.onnx --adapter other.json
  fsd profile --onnx other.onnx --shape input=1,3,224,224
  fsd profile --compare before/summary.json after/summary.json

exit code 7: a deadline or power budget is not met, or cannot be shown to be met"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; every default is `ProfileConfig`'s."""
    parser.epilog = EXAMPLE
    config = ProfileConfig
    parser.add_argument("clip", type=Path, nargs="?", metavar="CLIP", help="recording (the packaged one)")
    parser.add_argument("--out", type=Path, default=config.out, help="folder for the results (%(default)s)")
    parser.add_argument("--cameras", nargs="+", metavar="NAME=FILE", help="which video is which camera, as for replay")
    parser.add_argument(
        "--model", type=Path, default=config.model, help="ONNX file with fsd metadata (the packaged one)"
    )
    parser.add_argument(
        "--adapter", type=Path, default=config.adapter, help="adapter.json for a --model of somebody else"
    )
    parser.add_argument(
        "--device", default=config.device, help=f"{', '.join(PROVIDERS)}; never falls back (%(default)s)"
    )
    parser.add_argument("--threads", type=int, default=config.threads, help="threads of the network (%(default)s)")
    parser.add_argument(
        "--decode-workers", type=int, default=config.decode_workers, help="decoder threads (%(default)s)"
    )
    parser.add_argument("--scenario", nargs="+", choices=SCENARIOS, default=list(SCENARIOS), help="which to run (all)")
    parser.add_argument(
        "--ticks", type=int, default=config.ticks, help="samples a scenario; p99 needs 662, p99.9 6636 (%(default)s)"
    )
    parser.add_argument("--warm-up", type=int, default=config.warm_up, help="ticks before the samples (%(default)s)")
    parser.add_argument("--soak", metavar="TIME", help="run only the constant stream, for 90s, 30m, 1h …")
    parser.add_argument(
        "--skew", type=float, default=config.skew, help="spread of camera triggers, 0 to 1 (%(default)s)"
    )
    parser.add_argument(
        "--jitter-ms", type=float, default=config.jitter_ms, help="standard deviation of capture times (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=config.seed, help="of the jitter (%(default)s)")
    parser.add_argument("--deadline-ms", type=float, default=config.deadline_ms, help="exit with 7 unless met")
    parser.add_argument("--budget-watts", type=float, default=config.budget_watts, help="exit with 7 unless met")
    parser.add_argument(
        "--power-device",
        default=config.power_device,
        metavar="NAME",
        help="whose modelled watts gate, where there is no meter (%(default)s)",
    )
    parser.add_argument(
        "--control-s",
        type=float,
        default=config.control_s,
        help="watch the machine's own stalls this long (%(default)s)",
    )
    parser.add_argument("--trace-ticks", type=int, default=config.trace_ticks, help="ticks in trace.json (%(default)s)")
    parser.add_argument("--onnx", type=Path, metavar="FILE", help="profile any ONNX file alone, on random inputs")
    parser.add_argument(
        "--shape", nargs="+", metavar="NAME=SIZES", default=[], help="with --onnx: sizes that the file leaves open"
    )
    parser.add_argument(
        "--compare", nargs=2, type=Path, metavar=("OLD", "NEW"), help="compare two summary.json instead of running"
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Profile or compare, and print; a missed gate sets the exit code."""
    if options.compare:
        from fsd.profile.compare_profiles import compare_profiles

        comparison = compare_profiles(*options.compare)
        if not options.json:
            print_comparison(comparison)
        changes: dict[str, Any] = msgspec.to_builtins(comparison)
        return changes
    config = _config_from(options)
    summary = _profile(config, options)
    if not options.json:
        print_profile(summary, config.out)
    is_met = all(gate.is_met for gate in summary.gates)
    return {**msgspec.to_builtins(summary), "exit_code": 0 if is_met else OVER_LIMIT}


def _profile(config: ProfileConfig, options: argparse.Namespace) -> ProfileSummary:
    if options.onnx is not None:
        from fsd.profile.any_model import profile_model, shape_of

        return profile_model(options.onnx, dict(map(shape_of, options.shape)), config)
    from fsd.profile.profile import profile

    return profile(config)


def _config_from(options: argparse.Namespace) -> ProfileConfig:
    if options.onnx is not None and (options.model is not None or options.adapter is not None):
        raise UsageError(
            "--onnx takes a file alone, on random inputs; --model and --adapter run one on a recording. Use one."
        )
    try:
        return ProfileConfig(
            clip=options.clip,
            out=options.out,
            cameras=camera_map(options.cameras, options.clip or Path(".")),
            model=options.model,
            adapter=options.adapter,
            device=options.device,
            threads=options.threads,
            decode_workers=options.decode_workers,
            scenarios=("constant-stream",) if options.soak else tuple(options.scenario),
            ticks=options.ticks,
            warm_up=options.warm_up,
            soak_s=seconds_of(options.soak) if options.soak else None,
            skew=options.skew,
            jitter_ms=options.jitter_ms,
            seed=options.seed,
            deadline_ms=options.deadline_ms,
            budget_watts=options.budget_watts,
            power_device=options.power_device,
            control_s=options.control_s,
            trace_ticks=options.trace_ticks,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
