"""What the commands over a recording share: options that say how it is read, and the lines about what was found."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fsd.data.errors import UsageError

if TYPE_CHECKING:
    from fsd.compress.compress import CompressConfig
    from fsd.outputs.budget_metrics import BudgetMetrics
    from fsd.outputs.compress_summary import CompressSummary
    from fsd.outputs.replay_summary import ReplaySummary
    from fsd.outputs.run_info import ClipInfo
    from fsd.replay.replay import ReplayConfig


def add_cameras_option(parser: argparse.ArgumentParser) -> None:
    """Declare `--cameras`, for recordings whose files do not say it."""
    parser.add_argument(
        "--cameras",
        nargs="+",
        metavar="NAME=FILE",
        default=None,
        help="which video is which camera; files relative to CLIP or to here",
    )


def add_reading_options(parser: argparse.ArgumentParser, config: "type[ReplayConfig | CompressConfig]") -> None:
    """Declare where results go and how the recording is read; every default is the config's."""
    parser.add_argument("--out", type=Path, default=config.out, help="folder for the results (%(default)s)")
    parser.add_argument("--max-ticks", type=int, default=config.max_ticks, help="stop after this many ticks")
    parser.add_argument(
        "--decode-workers", type=int, default=config.decode_workers, help="threads that decode (%(default)s)"
    )
    parser.add_argument(
        "--max-age-ms",
        type=float,
        default=config.max_age_ms,
        help="mask a camera whose newest frame is older (%(default)s)",
    )


def camera_map(pairs: list[str] | None, folder: Path) -> dict[str, Path] | None:
    """`--cameras NAME=FILE …` as a mapping; files are looked for in `folder` first.

    Raises:
        UsageError: a pair without a name, a file, or the sign between them.
    """
    if pairs is None:
        return None
    cameras: dict[str, Path] = {}
    for pair in pairs:
        name, separator, file = pair.partition("=")
        if not separator or not name or not file:
            raise UsageError(
                f"--cameras takes NAME=FILE pairs, got {pair!r}. Write for example front_main=dashcam.mp4."
            )
        inside = folder / file
        cameras[name] = inside if inside.exists() else Path(file)
    return cameras


def print_length(summary: "ReplaySummary | CompressSummary") -> None:
    """The first line: what was read, and how much of it."""
    print(f"{summary.clip.name}: {summary.ticks} ticks, {summary.drive_s:.1f} s of driving at 36 Hz")


def print_assumptions(clip: "ClipInfo") -> None:
    """What was missing, and what had to be assumed."""
    if clip.missing_cameras:
        print(f"  masked       {', '.join(clip.missing_cameras)} (no video)")
    for note in clip.notes:
        if not note.startswith("No video for"):  # printed above
            print(f"  note         {note}")


def print_ratios(compression: "BudgetMetrics") -> None:
    """The three ratios, always together."""
    print(
        f"  compression  {compression.budget}: R_px {compression.r_px}:1, R_tok {compression.r_tok}:1, "
        f"R_mem {compression.r_mem_60s}:1 over 60 s (of {compression.reference})"
    )
