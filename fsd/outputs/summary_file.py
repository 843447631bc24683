"""Read and write `summary.json`: typed, with a schema version, and replaced in one step.

Knows what all summaries have in common. Each command defines its own below `Summary`.
"""

import json
from pathlib import Path
from typing import TypeVar

import msgspec

from fsd.data.errors import UsageError
from fsd.data.files import write_text
from fsd.data.result_record import SUMMARY_FILE
from fsd.version import __version__


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of every summary. A subclass names its command (`tag`) and sets its own `schema_version`.

    Attributes:
        schema_version: goes up when a field is renamed or changes its meaning; a new field does not raise it.
    """

    schema_version: int
    fsd_version: str = __version__


AnySummary = TypeVar("AnySummary", bound=Summary)


class _Header(msgspec.Struct, frozen=True):
    """What identifies a summary. `schema` is the name that profiles of fsd 0.1.0 used."""

    command: str | None = None
    schema_version: int | None = None
    schema: int | None = None


def write_summary(folder: Path, summary: Summary) -> None:
    """Write `summary.json` in one step: a reader sees the old file or the new one, never a part.

    Raises:
        ValueError: a number is not finite.
    """
    # Not msgspec's own encoder: it would write NaN as null.
    content = json.dumps(msgspec.to_builtins(summary), indent=2, allow_nan=False)
    write_text(folder / SUMMARY_FILE, content + "\n")


def load_summary(path: Path, kind: type[AnySummary]) -> AnySummary:
    """Read a summary of one command.

    Raises:
        UsageError: the file is missing or damaged, or is of another command or schema version.
    """
    command = str(kind.__struct_config__.tag)
    needed = next(each.default for each in msgspec.structs.fields(kind) if each.name == "schema_version")
    try:
        content = path.read_bytes()
        header = msgspec.json.decode(content, type=_Header)
        found = header.schema if header.schema_version is None else header.schema_version
        if header.command not in (None, command):
            raise UsageError(f"{path} is a summary of `fsd {header.command}`; a summary of `fsd {command}` is needed.")
        if header.command is None or found != needed:
            raise UsageError(
                f"{path} has {'no schema version' if found is None else f'schema version {found}'}; fsd {__version__} "
                f"needs version {needed} of `fsd {command}`. Run `fsd {command}` again, or use the fsd that wrote it."
            )
        return msgspec.json.decode(content, type=kind)
    except FileNotFoundError as error:
        raise UsageError(f"{path} is missing. Name results that `fsd {command}` has written.") from error
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read ({error}). Run `fsd {command}` again.") from error
