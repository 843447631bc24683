"""The page of a data set: sizes, filters, clocks, parts, and histograms of what was driven."""

from pathlib import Path

from markupsafe import Markup

from fsd.data.counted import counted
from fsd.html.bars import bars
from fsd.html.page import Banner, Page, write_page
from fsd.html.parts import bullets, columns, part, section, stat_tile, table
from fsd.networks.contract import WAYPOINT_TIMES_S
from fsd.networks.drives.clip_record import Histogram
from fsd.outputs.dataset_summary import DatasetSummary
from fsd.outputs.run_info import describe_simulated

PAGE_COMMAND = "fsd dataset build"
_TITLES = {
    "speed_mps": "speed, m/s",
    "curvature_per_m": "curvature, 1/m, left positive",
    "acceleration_mps2": "acceleration, m/s²",
    "steering_wheel_rad": "steering wheel, rad, left positive",
}


def write_dataset_page(path: Path, summary: DatasetSummary, name: str) -> None:
    """Write the page; `name` is that of the data set."""
    page = Page(
        command=PAGE_COMMAND,
        heading=name,
        facts=[counted(summary.clips, "clip"), f"{summary.hours:.3g} h of recordings", summary.status],
        banners=_banners(summary),
        tiles=_tiles(summary),
        sections=[_parts(summary), _sizes(summary), _filters(summary), _clocks(summary), _driven(summary)],
        footer=[f"fsd {summary.fsd_version}", "docs/dataset.md describes files and filters."],
    )
    write_page(path, page)


def _banners(summary: DatasetSummary) -> list[Banner]:
    found = []
    if summary.error:
        found.append(Banner(f"{summary.status}.", summary.error))
    if summary.simulated_clips:
        found.append(Banner("Simulated.", describe_simulated(summary.simulated_clips, summary.clips)))
    if summary.bad_clips:
        items = [f"{each.clip}: {each.reason}" for each in summary.bad_clips]
        found.append(Banner(f"{counted(len(items), 'recording')} left out.", items=items))
    empty = [name for name, each in summary.parts.items() if not each.rows]
    if summary.rows and empty:
        text = "A hash decides the part of each drive or place; add drives to fill it."
        found.append(Banner(f"No rows for {', '.join(empty)}.", text))
    return found


def _tiles(summary: DatasetSummary) -> list[Markup]:
    used = summary.used_rows / summary.rows if summary.rows else 0
    total = sum(each.total_bytes for each in summary.sizes.values()) + summary.label_bytes
    return [
        stat_tile(
            "recordings", f"{summary.hours:.3g}", "h", f"{counted(summary.clips, 'clip')}, {summary.kept_clips} kept"
        ),
        stat_tile("ticks", f"{summary.ticks:,}", note=f"{summary.rows:,} recorded, one in {summary.every_ticks}"),
        stat_tile("to learn from", f"{used:.0%}", note=f"{summary.used_rows:,} rows"),
        stat_tile("size", f"{total / 1e9:.3g}", "GB", f"labels {summary.label_bytes / 1e6:.3g} MB of it"),
    ]


def _parts(summary: DatasetSummary) -> Markup:
    rows = [
        (name, f"{each.rows:,}", f"{each.hours:.3g}", each.drives, each.clips) for name, each in summary.parts.items()
    ]
    by = ", ".join(f"{counted(count, 'clip')} by {name}" for name, count in summary.split_by.items())
    intro = f"Fixed by a hash: {by}." if by else "Fixed by a hash."
    return section("Parts", table(("part", "rows", "hours", "drives", "clips"), rows), intro=intro)


def _sizes(summary: DatasetSummary) -> Markup:
    rows = [
        (name, f"{each.bytes_per_tick:,}", f"{each.bytes_per_hour / 1e9:.3g}", f"{each.total_bytes / 1e9:.3g}")
        for name, each in summary.sizes.items()
    ]
    return section("Size", table(("budget", "bytes per recorded tick", "GB per hour", "GB"), rows))


def _filters(summary: DatasetSummary) -> Markup:
    rows = max(1, summary.rows)
    counts = [(name, count, f"{count:,} ({count / rows:.1%})") for name, count in summary.left_out.items()]
    standing = f"{summary.standing_rows / rows:.1%} of all rows are at standstill."
    horizons = [
        (f"{seconds:.2f} s", count, f"{count:,}")
        for seconds, count in zip(WAYPOINT_TIMES_S, summary.horizon_rows, strict=True)
        if seconds % 1 == 0 or seconds == WAYPOINT_TIMES_S[0]
    ]
    return section(
        "Rows that are left out",
        columns(
            part("by reason", bars(counts, "amber"), bullets([standing], is_note=True)),
            part("rows with a known path, by horizon", bars(horizons, "blue")),
        ),
    )


def _clocks(summary: DatasetSummary) -> Markup:
    skew = summary.skew
    intro = (
        f"Turns in the images against turns in the telemetry: {skew.in_time} clips agree within a tick, "
        f"{len(skew.off)} are off, {skew.not_clear} are too short or too straight to tell."
    )
    rows = [
        (
            each.clip,
            each.against,
            f"{each.offset_ms:+.0f}",
            f"{each.uncertainty_ms:.0f}",
            f"{each.correlation:.2f}",
            "yes" if each.is_mended else "no",
        )
        for each in skew.off
    ]
    head = ("clip", "compared", "telemetry minus video, ms", "± ms", "correlation", "mended")
    return section("Clocks", *([table(head, rows)] if rows else []), intro=intro)


def _driven(summary: DatasetSummary) -> Markup:
    charts = [
        part(_TITLES[name], bars(_bins(each), "blue")) for name, each in summary.histograms.items() if any(each.counts)
    ]
    modes = [(name, count, f"{count:,}") for name, count in summary.modes.items()]
    return section("What was driven", columns(*charts, part("driving mode", bars(modes, "green"))))


def _bins(histogram: Histogram) -> list[tuple[str, float, str]]:
    edges = histogram.edges
    return [
        (f"{low:g} to {high:g}", count, f"{count:,}")
        for low, high, count in zip(edges[:-1], edges[1:], histogram.counts, strict=True)
    ]
