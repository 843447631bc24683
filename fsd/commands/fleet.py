"""What commands with `--ray` share: recordings and destinations that may be URLs, and how a run on a cluster ended."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsd.commands.exit_codes import DONE, OVER_LIMIT
from fsd.data.counted import counted
from fsd.data.errors import ClipError, UsageError
from fsd.fleet.places import is_url
from fsd.outputs.progress import describe_s

if TYPE_CHECKING:
    from fsd.fleet.fleet_run import FleetTally


def require_paths(options: argparse.Namespace) -> None:
    """Make paths of `clips` and `out`, which may be URLs with Ray only.

    Raises:
        UsageError: one is a URL.
    """
    require_path(*options.clips, *([str(options.out)] if hasattr(options, "out") else []))
    options.clips = [Path(word) for word in options.clips]
    if hasattr(options, "out"):
        options.out = Path(options.out)


def require_path(*words: str, why: str = "needs --ray (see docs/fleet.md)") -> None:
    """Refuse URLs.

    Raises:
        UsageError: a word is one.
    """
    if url := next((word for word in words if is_url(word)), None):
        raise UsageError(f"{url} is a URL, which {why}.")


def refuse_cameras(options: argparse.Namespace) -> None:
    """Refuse `--cameras`, which names files of one recording.

    Raises:
        UsageError: it was given.
    """
    if getattr(options, "cameras", None):
        raise UsageError("--cameras names the videos of one recording; work on recordings that need it one by one.")


def print_tally(tally: "FleetTally", done: str = "replayed") -> None:
    """Print how a run on a cluster ended; `done` is what was done with each recording."""
    print(f"{tally.complete + tally.kept} of {tally.ended} recordings are complete in {tally.out} (run {tally.run})")
    length = f", {describe_s(tally.clip_s)} of recordings" if tally.complete else ""
    print(f"  {done:12} {tally.complete} now{length}; {tally.kept} were complete before")
    if (rate := tally.clip_hours_per_core_hour) is not None:
        print(
            f"  speed        {rate:.3g} hours of recordings per core-hour; {describe_s(tally.wall_s)} with starting Ray"
        )
    if tally.failed:
        print(f"  failed       {tally.failed}, listed in {tally.failures}; the same command tries them again")
    if tally.alarms:
        print(f"  WARNING      CROSS-CHECK ALARM in {counted(tally.alarms, 'recording')}")


def tally_result(tally: "FleetTally") -> dict[str, Any]:
    """The result of a command, with its exit code."""
    code = ClipError.exit_code if tally.failed else OVER_LIMIT if tally.alarms else DONE
    return {**tally.as_dict(), "exit_code": code}
