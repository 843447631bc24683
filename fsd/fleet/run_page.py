"""The page of a whole run: recordings, hours, speed, faults, errors beside the baselines, and the worst moments.

Reads the tables of the run; every worst moment leads to the report of its own recording.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from urllib.parse import quote

import numpy as np
import pyarrow as pa
from markupsafe import Markup

from fsd.data.counted import counted
from fsd.data.errors import UsageError
from fsd.fleet.places import Place
from fsd.fleet.run_failures import RunFailure, failures_of
from fsd.fleet.run_totals import (
    EDGES_M,
    PLANNER_ERRORS,
    SPEED_BANDS_MPS,
    ErrorCounts,
    RunTotals,
    run_totals,
    speed_band,
    thumbnails,
    worst_moments,
)
from fsd.fleet.tables import read_table
from fsd.html.axes import Axis
from fsd.html.bars import bars
from fsd.html.charts import Chart, Colour, Series
from fsd.html.page import Banner, Page, data_uri
from fsd.html.parts import (
    LinkedPicture,
    bullets,
    caption,
    columns,
    gallery_link,
    linked_pictures,
    part,
    prose,
    section,
    stat_tile,
    table,
)
from fsd.runtime.health import describe_health
from fsd.version import __version__

PAGE_COMMAND = "fsd collect"
_COLOURS: dict[str, Colour] = {"network": "blue", "constant velocity": "amber", "hold last": "violet"}
_CLIP_COLUMNS = [
    *("key", "folder", "clip", "model", "precision", "budget", "trained", "fsd_version"),
    *("ticks", "drive_s", "wall_s", "cpu_s", "attempts", "plan_p50_ms", "plan_p99_ms", "deadline_misses", "faults"),
]
_SHOWN_FAILURES = 30


def page_name(run: str) -> str:
    """File name of the page of a run, in the folder of all results."""
    return f"run-{quote(run, safe='')}.html"


def write_run_page(out: Place, run: str) -> Place:
    """Write the page of a run that has tables.

    Returns:
        Where it is.

    Raises:
        UsageError: the run has no recording.
    """
    clips = read_table(out, "clips", run, _CLIP_COLUMNS)
    if not clips.num_rows:
        raise UsageError(f"{out} has no tables of run {run}. Make them with `fsd collect {out}`.")
    totals, failures = run_totals(out, run), failures_of(out, run)
    page = Page(
        command=PAGE_COMMAND,
        heading=f"{out.name}, run {run}",
        facts=[
            counted(clips.num_rows, "recording"),
            f"{_sum(clips, 'drive_s') / 3600:.3g} h",
            *(", ".join(_names(clips, name)) for name in ("model", "precision", "budget")),
        ],
        banners=_banners(clips, failures),
        tiles=_tiles(clips, totals),
        sections=[
            _errors(totals),
            _groups("By speed", totals.speeds, [speed_band(band) for band in range(len(SPEED_BANDS_MPS))]),
            _groups("By driving mode", totals.modes, sorted(totals.modes)),
            _moments(out, run, clips),
            _faults(clips, totals),
            _failures(failures),
            _cost(clips),
        ],
        footer=[
            f"fsd {', '.join(_names(clips, 'fsd_version'))}; page by fsd {__version__}",
            "Tables and queries are described in docs/fleet.md, metrics in docs/metrics.md.",
        ],
    )
    path = out / page_name(run)
    path.write(page.html().encode())
    return path


def _names(clips: pa.Table, column: str) -> list[str]:
    return sorted({value for value in clips[column].to_pylist() if value})


def _sum(clips: pa.Table, column: str) -> float:
    return float(np.nansum(_column(clips, column)))


def _column(clips: pa.Table, column: str) -> np.ndarray:
    return np.asarray(clips[column].cast(pa.float64()).to_numpy(zero_copy_only=False))


def _banners(clips: pa.Table, failures: list[RunFailure]) -> list[Banner]:
    found = []
    if not all(clips["trained"].to_pylist()):
        found.append(Banner("Untrained network.", "Its plans, and all errors of plans on this page, mean nothing."))
    if failures:
        found.append(Banner(f"Without results: {len(failures)}.", "They are in no number here; reasons are below."))
    if len(_names(clips, "fsd_version")) > 1:
        found.append(Banner("Several versions.", f"Results are of fsd {', '.join(_names(clips, 'fsd_version'))}."))
    return found


def _tiles(clips: pa.Table, totals: RunTotals) -> list[Markup]:
    hours, core_hours = _sum(clips, "drive_s") / 3600, _sum(clips, "cpu_s") / 3600
    ticks = _sum(clips, "ticks")
    again = int((_column(clips, "attempts") > 1).sum())
    tiles = [
        stat_tile("recordings", f"{clips.num_rows:,}", note=f"{again} needed more than one attempt" if again else ""),
        stat_tile("recorded", f"{hours:.3g}", "h", f"{int(ticks):,} ticks"),
    ]
    if core_hours:
        speed, note = f"{hours / core_hours:.3g}", f"{core_hours:.3g} core-hours of CPU time"
        tiles.append(stat_tile("speed", speed, "clip-hours per core-hour", note))
    if ticks:
        missed = _sum(clips, "deadline_misses") / ticks
        tiles.append(stat_tile("deadline misses", f"{missed:.2%}", note="of all ticks"))
    network = totals.planners.get("network")
    if network is not None and network.ticks:
        others = (f"{name} {totals.planners[name].mean_m:.3g}" for name in PLANNER_ERRORS if name != "network")
        tiles.insert(2, stat_tile("plan error, ADE@3s", f"{network.mean_m:.3g}", "m", f"mean; {', '.join(others)}"))
    return tiles


def _moments(out: Place, run: str, clips: pa.Table) -> Markup:
    moments = worst_moments(out, run)
    if not moments:
        return Markup()
    folders = dict(zip(clips["key"].to_pylist(), clips["folder"].to_pylist(), strict=True))
    names = dict(zip(clips["key"].to_pylist(), clips["clip"].to_pylist(), strict=True))
    pictures = []
    for moment, image in thumbnails(out, run, moments):
        if moment.key in folders:
            name = names[moment.key].rstrip("/").rpartition("/")[2]
            text = f"{moment.error_m:.2f}\u00a0m · {name} · {moment.time_s:.1f}\u00a0s"
            link = f"{quote(folders[moment.key])}/report.html{gallery_link(moment.number)}"
            pictures.append(LinkedPicture(data_uri(image, "jpeg"), f"tick {moment.tick} of {name}", text, link))
    what = "largest error against the driven path" if moments[0].measure == "error" else "largest uncertainty"
    return section(
        f"The {len(pictures)} worst moments" if len(pictures) > 1 else "The worst moment",
        linked_pictures(pictures),
        intro=f"By {what}, mean over the plan until 3 s; at most six of a recording, apart from each other. Each leads "
        "to the report of its recording.",
    )


def _errors(totals: RunTotals) -> Markup:
    """Cumulative distributions and quantiles."""
    known = {name: counts for name, counts in totals.planners.items() if counts.ticks}
    if not known:
        return Markup()
    low = min(counts.quantile_m(0.01) for counts in known.values())
    high = max(counts.quantile_m(0.999) for counts in known.values())
    chart = Chart(
        Axis("ADE@3s of a tick, m", low / 1.1, high * 1.1, is_log=True),
        Axis("% of ticks", 0.0, 100.0),
        "share of the ticks whose error is at most this",
        240,
    )
    inside = np.abs(np.log(EDGES_M / np.sqrt(low * high))) <= np.log(1.1 * np.sqrt(high / low))
    for name, counts in known.items():
        chart.line(EDGES_M[inside], Series(name, _COLOURS[name], counts.shares()[inside] * 100))
    quantiles = (0.5, 0.9, 0.99, 0.999)
    rows = [
        [name, counts.ticks, f"{counts.mean_m:.3g}", *(f"{counts.quantile_m(share):.3g}" for share in quantiles)]
        for name, counts in known.items()
    ]
    head = ["ADE@3s, m", "ticks", "mean", "p50", "p90", "p99", "p99.9"]
    return section(
        "Errors of plans",
        chart.html(),
        table(head, rows),
        intro="Share of all ticks whose plan is at most this far from the driven path. The other two planners use no "
        "camera: a useful network lies above and left of them.",
    )


def _groups(heading: str, groups: Mapping[str, Mapping[str, ErrorCounts]], order: list[str]) -> Markup:
    rows = []
    for group in order:
        counts = groups.get(group, {})
        if counts and counts["network"].ticks:
            means = [f"{counts[name].mean_m:.3g}" for name in PLANNER_ERRORS]
            rows.append([group, counts["network"].ticks, *means, f"{counts['network'].quantile_m(0.99):.3g}"])
    if not rows or [row[0] for row in rows] == ["unknown"]:
        return Markup()
    head = ["mean ADE@3s, m", "ticks", *PLANNER_ERRORS, "network p99"]
    return section(heading, table(head, rows))


def _faults(clips: pa.Table, totals: RunTotals) -> Markup:
    """Ticks and recordings by kind of fault, and deadline misses by the number of usable cameras."""
    ticks: Counter[str] = Counter()
    recordings: defaultdict[str, int] = defaultdict(int)
    for faults in clips["faults"].to_pylist():
        for kind in {fault["kind"] for fault in faults}:
            recordings[kind] += 1
        for fault in faults:
            # Several flags of one kind are of different ticks.
            ticks[fault["kind"]] += fault["ticks"]
    rows = [
        (_describe_kind(kind), float(count), f"{counted(count, 'tick')}, {counted(recordings[kind], 'recording')}")
        for kind, count in ticks.most_common()
    ]
    by_cameras = [
        [count, f"{totals.camera_ticks[count]:,}", f"{totals.camera_misses[count] / totals.camera_ticks[count]:.2%}"]
        for count in sorted(totals.camera_ticks, reverse=True)
    ]
    return section(
        "Faults",
        columns(
            part("Plans made without, by kind", bars(rows, "red") if rows else caption("No fault at any tick.")),
            part("Usable cameras", table(["cameras", "ticks", "deadline misses"], by_cameras)),
        ),
    )


def _describe_kind(kind: str) -> str:
    texts = {"missing": "camera missing", "stale": "camera stale", "masked": "camera masked", "plan": "plan replaced"}
    return texts.get(kind) or describe_health(kind)


def _failures(failures: list[RunFailure]) -> Markup:
    if not failures:
        return Markup()
    kinds = Counter(failure.kind for failure in failures)
    counted = [(kind, float(count), f"{count:,}") for kind, count in kinds.most_common()]
    rows = [[prose(each.clip), prose(each.kind), prose(each.reason)] for each in failures[:_SHOWN_FAILURES]]
    more = len(failures) - len(rows)
    note = bullets([f"and {more} more"], is_note=True) if more else Markup()
    return section(
        "Recordings without results", bars(counted, "red"), table(["recording", "kind", "reason"], rows), note
    )


def _cost(clips: pa.Table) -> Markup:
    rows = []
    drive_s = _column(clips, "drive_s")
    values = {
        "length, s": drive_s,
        "elapsed, s": _column(clips, "wall_s"),
        "CPU, s": _column(clips, "cpu_s"),
        "CPU per second of recording": _column(clips, "cpu_s") / np.maximum(drive_s, 1e-9),
        "plan latency p50, ms": _column(clips, "plan_p50_ms"),
        "plan latency p99, ms": _column(clips, "plan_p99_ms"),
    }
    for name, column in values.items():
        known = column[np.isfinite(column)]
        if len(known):
            numbers = [float(np.percentile(known, rank)) for rank in (0, 50, 90, 100)]
            rows.append([name, *(f"{number:.3g}" for number in numbers)])
    return section("Cost of a recording", table(["of each recording", "least", "median", "p90", "most"], rows))
