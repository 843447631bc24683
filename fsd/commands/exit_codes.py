"""Every exit code of `fsd`. Those of errors are the error classes' own."""

from fsd.data.errors import (
    INTERRUPTED_EXIT_CODE,
    ClipError,
    FsdError,
    ModelError,
    OutputError,
    SimulatorError,
    UsageError,
)

DONE = 0
OVER_LIMIT = 7
INTERRUPTED = INTERRUPTED_EXIT_CODE
OUTPUT_CLOSED = 141

MEANINGS = {
    DONE: "done",
    FsdError.exit_code: "unexpected failure",
    UsageError.exit_code: "wrong usage: an option or its value",
    ClipError.exit_code: "the recording cannot be used",
    ModelError.exit_code: "the model cannot be used",
    SimulatorError.exit_code: "the simulator cannot run on this machine",
    OutputError.exit_code: "the output folder cannot be written, is in use, or has files that would be replaced",
    OVER_LIMIT: "complete, but over a limit that was set, such as --tolerance, --deadline-ms or --cross-check",
    INTERRUPTED: "interrupted (Ctrl-C, SIGTERM); results until then are kept",
    OUTPUT_CLOSED: "the program that reads the output, such as `head`, has ended",
}
"""Exit code -> what it means."""


def listing() -> str:
    """The exit codes for a help text, one per line."""
    return "\n".join(f"  {code:3}  {meaning}" for code, meaning in MEANINGS.items())
