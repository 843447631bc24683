"""The command line `fsd`. Loads only what the chosen command needs, so that `--help` answers at once.

Exit codes: 0 done; 1 unexpected failure; 2 wrong usage; 3 recording; 4 model; 5 simulator; 6 output folder;
7 over a limit that was asked for (the result is complete); 130 interrupted (results until then are kept);
141 whoever read the output, such as `head`, had enough.
"""

import argparse
import importlib
import json
import os
import signal
import sys
from collections.abc import Sequence

from fsd.data.errors import FsdError
from fsd.version import __version__

COMMANDS = {
    "replay": "plan for every tick of a recording, write plan, timings, overlay video and summary",
    "demo": "replay the packaged eight-camera clip and say how to look at the results",
    "record": "drive in the simulator and record an eight-camera clip with ground truth",
    "drive": "drive the simulator in closed loop, the network beside its baselines",
    "compress": "show what the compressor keeps of a recording: keyframes, patches, ratios; needs no model",
    "compare": "differences of two replays in driving units, with an exit code for CI",
    "doctor": "what this machine has, what is missing for which command, and how to install it",
    "completion": "print the script with which bash, zsh or fish completes commands, options and files",
    "profile": "measure latency, its tail and its causes, power, and whether a deadline and a power budget are met",
    "train": "collect drives in the simulator and learn to drive from them",
    "export": "turn weights into ONNX files, quantize them and prove that they agree",
}
EPILOG = """exit codes:
  0 done   1 unexpected failure   2 wrong usage   3 recording   4 model   5 simulator   6 output folder
  7 over a limit that was asked for, such as --tolerance
  130 interrupted; what was computed until then is kept   141 whoever read the output had enough"""


def build_parser(chosen: str | None) -> argparse.ArgumentParser:
    """The parser, with the arguments of one command (or of all, for `chosen` "all")."""
    parser = argparse.ArgumentParser(
        prog="fsd",
        description="Eight camera streams to a driving plan with one network.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fsd {__version__}")
    subparsers = parser.add_subparsers(dest="command_name", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = subparsers.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if chosen in (name, "all"):
            module = importlib.import_module(f"fsd.commands.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
            command.add_argument("--json", action="store_true", help="print one line of JSON last, for machines")
            command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code, as listed in the module's docstring.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    options = build_parser(chosen).parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        result = options.run(options)
        if options.json:
            print(json.dumps(result, allow_nan=False))
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("fsd: interrupted; what was computed until now is kept.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Python must not try to write the rest at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except FsdError as error:
        if options.debug:
            raise
        print(f"fsd: {error}", file=sys.stderr)
        return error.exit_code
    return int(result.get("exit_code", 0))


def _interrupt(signum: int, frame: object) -> None:
    """A cluster's SIGTERM ends a run like Ctrl-C: orderly."""
    raise KeyboardInterrupt
