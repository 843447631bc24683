"""The parser of the command line. Loads only the module of the chosen command, so that `fsd --help` is fast."""

import argparse
import importlib

from fsd.commands.arguments import add_common
from fsd.commands.exit_codes import listing
from fsd.commands.usage_errors import UsageParser
from fsd.version import __version__

COMMANDS = {
    "replay": "plan for every tick of a recording; write plans, timings, a video and a report",
    "live": "plan for live cameras: devices, network streams or files; print the plans, and serve them as a page",
    "demo": "replay the packaged eight-camera clip and print how to view the results",
    "record": "drive in the simulator and record an eight-camera clip with ground truth",
    "drive": "drive in the simulator in closed loop and compare the network with its baselines",
    "events": "list the recordings at a path: the events of a TeslaCam stick with time, reason, length and faults",
    "inspect": "show what a recording holds: cameras, rates, holes, calibration, ego motion, and what is assumed",
    "compress": "show what the compressor keeps of a recording: keyframes, patches, compression ratios; needs no model",
    "adapter": "describe a third-party network: write a first adapter, or check one on a recording",
    "calibrate": "estimate pitch, yaw and focal length of every camera from the recording itself; write rig.json",
    "batch": "replay, compress, build a data set or export, over many recordings, as a job file says",
    "collect": "bring the results of many replays into tables that can be queried, and write a page of the whole run",
    "compare": "compare two replays, or two runs over many recordings, in driving units, with an exit code for CI",
    "doctor": "list what is installed, what each command lacks, and how to install it",
    "completion": "print a script that lets bash, zsh or fish complete commands, options and files",
    "profile": "measure the latency distribution, its causes, and power; check a deadline and a power budget",
    "dataset": "compress recordings once into a data set with labels, filters and fixed splits",
    "evaluate": "score a network on the held-out drives of a data set, beside baselines, with and without its inputs",
    "train": "train a network on drives that are collected in the simulator, or on recordings",
    "export": "export weights as ONNX files, quantize them, and prove that their plans agree",
}
"""Command -> what it does."""

WITHOUT_FILES = frozenset({"live", "events", "inspect", "doctor", "completion"})
"""Commands that only print."""


def build_parser(chosen: str | None) -> UsageParser:
    """The parser, with the arguments of one command (or of all, for `chosen` "all")."""
    parser = UsageParser(
        prog="fsd",
        description="Eight camera streams to a driving plan with one network.",
        epilog=f"`fsd COMMAND --help` lists the options of a command.\n\nexit codes:\n{listing()}",
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
            command.epilog = module.EPILOG
            module.add_arguments(command)
            command.set_defaults(run=module.run)
            add_common(command)
    return parser
