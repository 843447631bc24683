"""The command line `fsd`: run one command, and turn errors into messages and exit codes."""

import argparse
import io
import json
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout

from fsd.commands.exit_codes import DONE, INTERRUPTED, OUTPUT_CLOSED
from fsd.commands.interrupts import Interrupts
from fsd.commands.parser import WITHOUT_FILES, build_parser
from fsd.commands.plain_output import plain_output
from fsd.data.errors import FsdError, error_text
from fsd.outputs.progress import Verbosity, set_verbosity


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code, one of `exit_codes.MEANINGS`.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    with Interrupts() as interrupts:
        try:
            return _parse_and_run(arguments)
        except BaseException as error:
            # A library may turn the KeyboardInterrupt into an error of its own.
            if not interrupts.were_received and not isinstance(error, KeyboardInterrupt):
                raise
            kept = "" if _chosen(arguments) in WITHOUT_FILES else "; what was written until now is kept"
            print(error_text(f"interrupted{kept}.", error), file=sys.stderr)
        return INTERRUPTED


def _parse_and_run(arguments: list[str]) -> int:
    options = build_parser(_chosen(arguments)).parse_args(arguments)  # outside: its help may have colours
    with plain_output():
        return _run_command(options)


def _chosen(arguments: list[str]) -> str | None:
    return next((word for word in arguments if not word.startswith("-")), None)


def _run_command(options: argparse.Namespace) -> int:
    try:
        set_verbosity(_verbosity(options))
        with redirect_stdout(io.StringIO()) if options.quiet else nullcontext():
            result = options.run(options)
        if options.json:
            print(json.dumps(_builtins(result), allow_nan=False))
        sys.stdout.flush()
    except BrokenPipeError:
        # Python must not try to write the rest at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OUTPUT_CLOSED
    except FsdError as error:
        if options.debug:
            raise
        print(error_text(str(error), error), file=sys.stderr)
        return error.exit_code
    return int(result.get("exit_code", DONE)) if isinstance(result, dict) else DONE


def _verbosity(options: argparse.Namespace) -> Verbosity:
    return Verbosity.QUIET if options.quiet else Verbosity.VERBOSE if options.verbose else Verbosity.NORMAL


def _builtins(result: object) -> object:
    """A result as JSON types; a command returns these or its summary."""
    if isinstance(result, dict):
        return result
    import msgspec  # not at the top: `fsd doctor` must run without it

    return msgspec.to_builtins(result)
