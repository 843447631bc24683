import signal
import subprocess
import sys
import time

import pytest

import fsd.commands.events
from fsd.cli import main

SCRIPT = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
import fsd.commands.events
from fsd.cli import main

def run(options):
    try:
        print("running", flush=True)
        time.sleep(600)
    finally:
        print("ending", flush=True)
        time.sleep(float(sys.argv[1]))
        print("ended", flush=True)

fsd.commands.events.run = run
sys.exit(main(["events", "stick"]))
"""


def started(end_s: float) -> "subprocess.Popen[str]":
    """A command that runs, and takes this time to end in good order."""
    command = [sys.executable, "-c", SCRIPT, str(end_s)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_ends_in_good_order_with_one_line(number: int) -> None:
    process = started(end_s=0.0)
    process.send_signal(number)
    process.send_signal(signal.SIGTERM)  # as a scheduler does, to the process and to its group
    out, errors = process.communicate(timeout=60)
    assert (out, process.returncode) == ("ending\nended\n", 130)
    assert errors == "fsd: interrupted.\n"  # `fsd events` writes no files that could be kept


def test_a_second_ctrl_c_ends_at_once() -> None:
    process = started(end_s=600.0)
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert process.stdout.readline() == "ending\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert (out, process.returncode) == ("", 130)
    assert "Traceback" not in errors


def test_an_interruption_that_a_library_turns_into_its_own_error_is_one_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(options: object) -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt as error:
            raise ImportError("numpy could not be loaded") from error

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(fsd.commands.events, "run", run)
    try:
        assert main(["events", "stick"]) == 130
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_handlers_are_as_before_after_a_command() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    main(["events", "nowhere"])
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
