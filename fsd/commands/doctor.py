"""`fsd doctor`: what is installed, what is missing for which command, and how to install it."""

import argparse
from dataclasses import asdict
from typing import Any

from fsd.commands.exit_codes import DONE
from fsd.commands.parser import COMMANDS
from fsd.data.errors import FsdError
from fsd.doctor import Diagnosis, diagnose

EPILOG = """examples:
  fsd doctor
  fsd doctor --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing: the command has no arguments of its own."""


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Diagnose and print; the exit code is that of a failure only when a replay cannot run."""
    diagnosis = diagnose()
    if not options.json:
        _print(diagnosis)
    return {**asdict(diagnosis), "exit_code": FsdError.exit_code if "replay" in diagnosis.blocked else DONE}


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
