"""The command as a user runs it: a folder, with Python's safe path."""

import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[3] / "benchmarks" / "rate_distortion"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONSAFEPATH": "1"}
    return subprocess.run(
        [sys.executable, str(FOLDER), *arguments], capture_output=True, text=True, env=environment, check=False
    )


def test_the_folder_runs_as_a_command() -> None:
    found = run("--help")
    assert found.returncode == 0
    assert "--closed-loop" in found.stdout


def test_weights_are_required_without_quick() -> None:
    found = run()
    assert found.returncode == 2
    assert "--weights" in found.stderr
