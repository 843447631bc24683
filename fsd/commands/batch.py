"""`fsd batch`: the jobs of a file, one after the other, on one cluster."""

import argparse
import shlex
import sys
from contextlib import ExitStack
from typing import Any

import msgspec

from fsd.commands.arguments import add_options, path_argument
from fsd.commands.exit_codes import DONE
from fsd.commands.job_file import COMMANDS, BatchJob, read_jobs
from fsd.commands.parser import build_parser
from fsd.data.errors import FsdError, error_text
from fsd.data.options import declared_options
from fsd.data.recording_options import CameraOptions
from fsd.fleet.config import LOCAL, FleetOptions
from fsd.fleet.places import require_extra
from fsd.outputs.progress import print_line

EPILOG = f"""example:
  fsd batch nightly.toml --ray 10.0.0.1:6379

A job file has a table for each job ({", ".join(COMMANDS)}), with the options of that command as keys:

  sources = ["s3://bucket/drives"]
  out = "s3://bucket/runs"

  [replay]
  model = "f100_int8.onnx"
  overlay = false

docs/fleet.md describes it. The same command again goes on where the last one ended."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("job", type=path_argument, metavar="JOB", help="TOML file with sources, jobs and destination")
    add_options(
        parser,
        FleetOptions,
        skip=[name for name in declared_options(FleetOptions) if name != "ray"],
        defaults={"ray": " (default: as the file says, or a Ray that is started on this machine)"},
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the jobs; one that fails does not keep the others from being done."""
    jobs = read_jobs(options.job, getattr(options, "ray", None))
    parsed = [build_parser(job.words[0]).parse_args(job.words) for job in jobs]
    results, codes = [], []
    with ExitStack() as stack:
        _enter_cluster(parsed, stack)
        for number, (job, arguments) in enumerate(zip(jobs, parsed, strict=True), 1):
            print_line(f"[{number} of {len(jobs)}] fsd {shlex.join(job.words)}")
            results.append(_run(job, arguments, options))
            codes.append(results[-1].get("exit_code", DONE))
    return {"jobs": results, "exit_code": next((code for code in codes if code != DONE), DONE)}


def _run(job: BatchJob, arguments: argparse.Namespace, options: argparse.Namespace) -> dict[str, Any]:
    arguments.json, arguments.debug = options.json, options.debug
    said = {"job": job.table, "out": job.out}
    try:
        return said | msgspec.to_builtins(arguments.run(arguments))
    except FsdError as error:
        if options.debug:
            raise
        print(error_text(str(error), error), file=sys.stderr)
        return said | {"error": str(error), "exit_code": error.exit_code}


def _enter_cluster(parsed: list[argparse.Namespace], stack: ExitStack) -> None:
    """Be connected to one cluster for all jobs; a local one is large enough for each."""
    address = getattr(parsed[0], "ray", None)
    if address is None:
        return
    require_extra()
    from fsd.fleet.engine import Needs, ray_cluster

    def cpus(job: argparse.Namespace) -> int:
        threads: int = getattr(job, "decode_workers", CameraOptions.decode_workers)
        own: int = getattr(job, "clip_cpus", None) or threads
        workers: int = getattr(job, "workers", None) or 1
        return own * workers

    stack.enter_context(ray_cluster(address or LOCAL, Needs(max(map(cpus, parsed))), 1))
