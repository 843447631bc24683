"""`fsd doctor`: what is there, what is missing for which command, and how to install it."""

import argparse
from dataclasses import asdict
from typing import Any

from fsd.cli import COMMANDS
from fsd.doctor import Diagnosis, diagnose

EXAMPLE = """example:
  fsd doctor
  fsd doctor --json"""

CANNOT_REPLAY = 1
"""Exit code when not even a replay can run."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""
    parser.epilog = EXAMPLE


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Look, print; exit code 1 only when a replay cannot run."""
    diagnosis = diagnose()
    if not options.json:
        _print(diagnosis)
    return {**asdict(diagnosis), "exit_code": CANNOT_REPLAY if "replay" in diagnosis.blocked else 0}


def _print(diagnosis: Diagnosis) -> None:
    for name, value in diagnosis.machine.items():
        print(f"{name:11} {value}")
    print()
    for finding in diagnosis.findings.values():
        print(f"{finding.name:11} {'ok ' if finding.is_there else 'NO '} {finding.detail}")
    meters = ", ".join(diagnosis.meters) or "none: joules will be modelled or unavailable"
    print(f"{'meters':11} {'ok ' if diagnosis.meters else '-  '} {meters}")
    for reason in diagnosis.no_meters:
        print(f"{'':15} {reason}")
    print()
    if not diagnosis.blocked.keys() & COMMANDS.keys():
        print("Every command can run.")
    for command, needs in diagnosis.blocked.items():
        print(f"{command}: cannot run, it lacks {', '.join(needs)}")
        for line in dict.fromkeys(diagnosis.findings[need].install for need in needs):
            if line:
                print(f"    {line}")
