"""`fsd doctor`: what is installed, what each command lacks, and how to install it.

With a recording, it compares decoding on hardware with decoding in software instead.

Loads nothing but the standard library until it runs: it must work in a broken installation.
"""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fsd.commands.arguments import config_from, path_argument
from fsd.commands.exit_codes import DONE, OVER_LIMIT
from fsd.commands.parser import COMMANDS
from fsd.data.errors import FsdError, UsageError
from fsd.doctor import Diagnosis, diagnose

EPILOG = """examples:
  fsd doctor
  fsd doctor --json
  fsd doctor my_drive/ --hwaccel cuda"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "clip",
        nargs="?",
        type=path_argument,
        metavar="CLIP",
        help="recording that is decoded in software and by `--hwaccel`, to compare every picture",
    )
    parser.add_argument(
        "--hwaccel", metavar="NAME", default=argparse.SUPPRESS, help="hardware that decodes CLIP, such as cuda, or auto"
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Diagnose and print; the exit code is that of a failure only when a replay cannot run, or two decoders differ."""
    has_hwaccel = getattr(options, "hwaccel", "none") != "none"
    if has_hwaccel != (options.clip is not None):
        raise UsageError("Give a recording and --hwaccel NAME to compare decoders, or neither.")
    if has_hwaccel:
        return _compare_decoders(options.clip, options)
    diagnosis = diagnose()
    if not options.json:
        _print(diagnosis)
    return {**asdict(diagnosis), "exit_code": FsdError.exit_code if "replay" in diagnosis.blocked else DONE}


def _compare_decoders(path: Path, options: argparse.Namespace) -> dict[str, Any]:
    from fsd.data.decoder_comparison import compare_decoders
    from fsd.data.open_clip import open_clip
    from fsd.data.recording_options import CameraOptions

    config = config_from(CameraOptions, options)
    compared = compare_decoders(open_clip(path, config))
    if not compared:
        raise UsageError(f"--hwaccel {config.hwaccel}: no hardware decodes {path} here; `fsd doctor` shows why.")
    if not options.json:
        print(*compared, sep="\n")
    is_equal = not any(each.different for each in compared)
    return {"decoders": [asdict(each) for each in compared], "exit_code": DONE if is_equal else OVER_LIMIT}


def _print(diagnosis: Diagnosis) -> None:
    for name, value in diagnosis.machine.items():
        print(f"{name:11} {value}")
    print()
    for finding in diagnosis.findings.values():
        print(f"{finding.name:11} {'ok ' if finding.is_there else 'NO '} {finding.detail}")
    meters = ", ".join(diagnosis.meters) or "none; energy is modelled or unavailable"
    print(f"{'meters':11} {'ok ' if diagnosis.meters else '-  '} {meters}")
    for reason in diagnosis.no_meters:
        print(f"{'':15} {reason}")
    print()
    if not diagnosis.blocked.keys() & COMMANDS.keys():
        print("Every command can run.")
    for command, needs in diagnosis.blocked.items():
        print(f"{command}: cannot run; missing: {', '.join(needs)}")
        for line in dict.fromkeys(diagnosis.findings[need].install for need in needs):
            if line:
                print(f"    {line}")
