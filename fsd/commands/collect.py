"""`fsd collect`: arguments, and the printed summary."""

import argparse
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fsd.commands.arguments import add_options, config_from
from fsd.data.counted import counted
from fsd.data.options import Options, option

if TYPE_CHECKING:
    from fsd.fleet.units import Unit

EPILOG = """examples:
  fsd replay monday/* --workers 2 --out out
  fsd collect out                        # tables in out/tables/, and a page of the whole run

Recordings that the tables have are kept. docs/fleet.md describes the tables, with queries."""


@dataclass(frozen=True)
class CollectConfig(Options):
    """Which results are collected."""

    out: str = option(help="folder or URL of the results of a run over many recordings", flag="", metavar="OUT")
    page: bool = option(True, "do not write a page for each run, run-NAME.html")


class _InPlace(argparse.Action):
    """Answers `--out`, which other commands have."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        parser.error(
            "there is no option --out: the tables are written beside the results\nName only the folder of the run."
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_options(parser, CollectConfig)
    parser.add_argument("--out", action=_InPlace, help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Collect, and print what is in the tables."""
    config = config_from(CollectConfig, options)
    from fsd.fleet.collect import collect
    from fsd.fleet.run_page import write_run_page
    from fsd.fleet.tables import results_in

    out = results_in(config.out)
    found = collect(out, _print_added)
    pages = [str(write_run_page(out, name)) for name in found.clips] if config.page else []
    if not options.json:
        for name, clips in found.clips.items():
            print(f"run {name}: {counted(clips, 'recording')}")
        print(f"added {found.added}, removed {found.removed}")
        print("\n".join([f"tables   {out}/tables", *(f"page     {page}" for page in pages)]))
    return {"runs": found.clips, "added": found.added, "removed": found.removed, "pages": pages}


def _print_added(unit: "Unit") -> None:
    print(f"added       {unit.key}", file=sys.stderr, flush=True)
