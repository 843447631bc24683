"""`fsd events`: list the recordings at a path, with what is known of each event of a TeslaCam stick."""

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec

from fsd.commands.arguments import path_argument
from fsd.commands.exit_codes import DONE

if TYPE_CHECKING:
    from fsd.data.formats.teslacam.event_table import EventRow

EPILOG = """examples:
  fsd events /media/stick/TeslaCam
  fsd events /media/stick/TeslaCam --no-telemetry      # reads headers only: quick on a slow stick
  fsd replay /media/stick/TeslaCam/SavedClips/2026-01-02_15-16-37 --out out"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "path", type=path_argument, metavar="PATH", help="a TeslaCam stick, a folder on it, or any recordings"
    )
    parser.add_argument(
        "--no-telemetry",
        dest="telemetry",
        action="store_false",
        help="do not read how much of each event has telemetry, which reads one camera's files to their end",
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    """List; the exit code is 0 also for events that cannot be replayed, which the list explains.

    Raises:
        ClipError: there is no recording.
    """
    from fsd.data.formats.teslacam.event_table import event_rows
    from fsd.data.open_clip import check_holds_recording, detect, format_problems
    from fsd.recordings.list_recordings import format_recordings, list_recordings

    found, match = detect(options.path)
    check_holds_recording(options.path, found, match)
    for problem in format_problems(options.path):
        print(f"fsd: {problem}", file=sys.stderr)
    rows = event_rows(options.path, options.telemetry)
    facts = () if rows else list_recordings(list(match.recordings))
    if not options.json:
        _print(rows) if rows else print("\n".join(format_recordings(facts)))
    listed = [asdict(row) for row in rows] or [msgspec.to_builtins(each) for each in facts]
    return {"format": found.name, "reason": match.reason, "recordings": listed, "exit_code": DONE}


def _print(rows: "list[EventRow]") -> None:
    header = ("start", "kind", "length", "runs", "cameras", "telemetry", "why")
    cells = [
        (
            row.start,
            row.kind,
            "-" if row.error else f"{row.drive_s:.0f} s",
            "-" if row.error else str(row.runs),
            str(len(row.cameras)),
            "-" if row.telemetry_coverage is None else f"{row.telemetry_coverage:.0%}",
            row.reason or "-",
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in (header, *cells)) for column in range(len(header))]
    for line, row in zip((header, *cells), (None, *rows), strict=True):
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
        if row is not None:
            print(f"    {row.path}")
            for problem in (*row.faults, *([row.error] if row.error else [])):
                print(f"    ! {problem}")
