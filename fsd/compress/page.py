"""`compress.html` of one run of `fsd compress`: what was kept, when, and how soon a new event was read."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
from markupsafe import Markup
from PIL import Image

from fsd.compress.config import LOG_FILE, MOSAIC_FILE, PLAIN_MOSAIC_FILE
from fsd.compression.budget import PATCH_GRID_PX
from fsd.compression.policy_names import POLICIES
from fsd.compression.tick import MEMORY_SLOTS
from fsd.data.clip import Clip
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS, RATE_HZ, TICK_S
from fsd.html.bars import bars
from fsd.html.charts import Series, line_chart
from fsd.html.page import Banner, Page, data_uri, write_page
from fsd.html.parts import caption, columns, fold, part, picture, section, stat_tile, table
from fsd.outputs.compress_summary import CompressSummary, GazeLatencySummary, format_latency
from fsd.outputs.journal import read_table
from fsd.outputs.run_folder import list_column
from fsd.outputs.run_info import TimePercentiles
from fsd.replay.gaze_pictures import CAMERA_LABELS, count_reads, gaze_heats, gaze_strips, keyframe_strips
from fsd.replay.replay_sections import compression_tile
from fsd.replay.run_sections import recording_section

_MOSAIC_WIDTH_PX = 2000
_LATENCY_BARS = (0, 1, 2, 3, 5, 9, 18, 36, 72, 240)
"""First ticks of the bars of the latency histogram."""


def write_compress_page(
    path: Path, folder: Path, summary: CompressSummary, clip: Clip, thumbnails: Mapping[str, bytes]
) -> None:
    """Write the page of the run in `folder`, complete or not; nothing if it has no tick.

    Args:
        path: HTML file to write; folder: with the log and, unless the run ended early, `mosaic.png`.
        thumbnails: camera -> JPEG, shown under the gaze.
    """
    if not summary.ticks:
        return
    log = read_table(folder / LOG_FILE)
    if not log.num_rows:
        return
    seen = [CAMERAS.index(name) for name in summary.clip.cameras]
    page = Page(
        command="fsd compress",
        heading=summary.clip.name,
        facts=[
            f"{len(seen)} of {len(CAMERAS)} cameras",
            f"{summary.drive_s:.1f} s at 36 Hz",
            f"budget {summary.compression.budget}",
            f"{summary.policy} gaze",
            "ego motion recorded" if set(summary.odometry_ticks) <= {"ego"} else "ego motion estimated",
        ],
        banners=_banners(summary),
        tiles=_tiles(summary),
        left_out=_left_out(summary),
        sections=[
            _mosaic(folder, summary),
            _keyframes(summary, log, seen),
            _gaze(summary, log, seen, thumbnails),
            _resolution(summary),
            _latency(summary),
            _bytes(log),
            _what_was_run(summary, clip),
        ],
        footer=[f"fsd {summary.fsd_version}", "Metrics are defined in docs/metrics.md, files in docs/compress.md."],
    )
    write_page(path, page)


def _time_s(log: pa.Table) -> np.ndarray:
    times_ns = log["t_ns"].to_numpy()
    return (times_ns - times_ns[0]) * 1e-9


def _banners(summary: CompressSummary) -> list[Banner]:
    if summary.status == "complete":
        return []
    text = f"The page shows what was compressed until then. {summary.error or ''}"
    return [Banner(f"Run {summary.status}.", text)]


def _tiles(summary: CompressSummary) -> list[Markup]:
    compression, keyframes, gaze = summary.compression, summary.keyframes, summary.gaze
    count, drive_s = sum(keyframes.count.values()), max(summary.drive_s, TICK_S)
    surprises = sum(keyframes.reasons["surprise"].values())
    bound = gaze.sweep_bound_ticks
    return [
        compression_tile(compression),
        stat_tile(
            "bytes out",
            f"{compression.bytes_out_per_second / 1e6:.1f}",
            "MB/s",
            f"of {(compression.bytes_in_per_second or 0) / 1e6:,.0f} MB/s in",
        ),
        stat_tile("keyframes", f"{count / drive_s:.1f}", "per second", f"{count} in total, {surprises} by surprise"),
        _event_tile(summary.event_to_gaze.blocks),
        stat_tile(
            "longest time without a read",
            str(gaze.oldest_block_ticks),
            "ticks",
            f"of a block; {'no sweep bounds it' if bound is None else f'the sweep keeps it within {bound}'}",
        ),
        _time_tile(summary.compress_ms),
    ]


def _left_out(summary: CompressSummary) -> list[str]:
    """Why a tile is missing."""
    reasons = {
        "No compressor time: the run was too short to measure it.": summary.compress_ms is None,
        'No "event to gaze": nothing in the recording counts as an event.': not summary.event_to_gaze.blocks.events,
    }
    return [reason for reason, holds in reasons.items() if holds]


def _event_tile(latency: GazeLatencySummary) -> Markup:
    name, events = "event to gaze", f"{latency.events} events"
    if not latency.events:
        return Markup()
    note = f"{latency.never_read} · p99 {format_latency(latency.p99_ticks)} · of all {events}"
    if latency.p50_ticks is None:
        return stat_tile(name, "not read", "median", note)
    return stat_tile(name, f"{latency.p50_ticks:.0f}", "ticks median", note)


def _time_tile(times: TimePercentiles | None) -> Markup:
    if times is None:
        return Markup()
    note = f"p99 {times.p99:.2f} · n = {times.samples} · decoders running"
    return stat_tile("compressor time", f"{times.p50:.2f}", "ms median", note)


def _mosaic(folder: Path, summary: CompressSummary) -> Markup:
    plain, tinted = folder / PLAIN_MOSAIC_FILE, folder / MOSAIC_FILE
    if not plain.exists() or not tinted.exists() or summary.mosaic is None:
        return Markup()
    return section(
        "What the network gets",
        picture(_page_picture(plain), "mosaic without marks"),
        caption(summary.mosaic.why or ""),
        fold(
            "With the patches outlined, and blue where the last read was long ago",
            picture(_page_picture(tinted), "mosaic"),
        ),
        caption(f"{PLAIN_MOSAIC_FILE} and {MOSAIC_FILE} have every pixel."),
        intro=f"Tick {summary.mosaic.tick}, reconstructed from the compressed tick alone. Left: the camera, drawn "
        f"{PATCH_GRID_PX[0]} pixels wide. Right: its base image enlarged, with the patches of this tick in place.",
    )


def _page_picture(path: Path) -> str:
    """A mosaic as JPEG, as a data URI."""
    mosaic = Image.open(path).convert("RGB")
    width = min(_MOSAIC_WIDTH_PX, mosaic.width)
    buffer = io.BytesIO()
    size = (width, round(mosaic.height * width / mosaic.width))
    mosaic.resize(size, Image.Resampling.LANCZOS).save(buffer, "jpeg", quality=82)
    return data_uri(buffer.getvalue(), "jpeg")


def _keyframes(summary: CompressSummary, log: pa.Table, seen: list[int]) -> Markup:
    keyframes, memory = summary.keyframes, summary.memory
    rows = [
        [
            CAMERA_LABELS[name],
            keyframes.count[name],
            f"{keyframes.per_second[name]:.1f}",
            *(counts[name] for counts in keyframes.reasons.values()),
        ]
        for name in (CAMERAS[index] for index in seen)
    ]
    return section(
        "Keyframes",
        keyframe_strips(seen, list_column(log, "is_keyframe"), float(_time_s(log)[-1])),
        table(["camera", "keyframes", "per second", *keyframes.reasons], rows),
        caption(
            f"A keyframe may have several reasons. Memory: {memory.commits} commits, {memory.slots_filled} of "
            f"{MEMORY_SLOTS} slots filled at the end."
        ),
        intro="A keyframe grants its camera more gaze and, if it is a surprise, a memory commit. It does not gate "
        "anything: every tick reaches the network.",
    )


def _gaze(summary: CompressSummary, log: pa.Table, seen: list[int], thumbnails: Mapping[str, bytes]) -> Markup:
    reads, patches = count_reads(list_column(log, "patch_camera"), list_column(log, "patch_block"))
    return section(
        "Gaze",
        gaze_heats(seen, reads, thumbnails),
        part("Patches over time", gaze_strips(seen, patches, float(_time_s(log)[-1]))),
        intro=f"How often each of the {GRID_COLUMNS}x{GRID_ROWS} blocks was read as a patch. "
        f"{summary.gaze.swept_share:.0%} of the patches were read for their age alone.",
    )


def _resolution(summary: CompressSummary) -> Markup:
    """How finely patches and retina show each camera."""
    rows = [
        [
            CAMERA_LABELS[name],
            "{}x{}".format(*camera.size_px),
            "{:.3g} x {:.3g}".format(*camera.patch_sample_px),
            "{:.3g} x {:.3g}".format(*camera.retina_sample_px),
            *camera.px_per_degree_cells,
        ]
        for name, camera in summary.resolution.items()
    ]
    if not rows:
        return Markup()
    lens = "assumed, not measured" if summary.clip.rig == "assumed" else f"those of the rig {summary.clip.rig}"
    width_px, height_px = PATCH_GRID_PX
    return section(
        "Resolution",
        table(
            ["camera", "picture", "patch", "retina", "source", "patch", "retina"],
            rows,
            groups=[("", 2), ("pixels per sample", 2), ("pixels per degree", 3)],
        ),
        caption(f"Degrees along the row at the picture's centre; lenses are {lens}."),
        caption(
            f"Fine patches ({summary.gaze.fine_share:.0%} of all) have half the pixels per sample in both directions."
            if summary.gaze.fine_share
            else ""
        ),
        intro=f"Patches sample every camera at {width_px}x{height_px}, whatever the size of its pictures. A sample is "
        "the mean of the pixels that it covers: what is smaller is averaged away.",
    )


def _latency(summary: CompressSummary) -> Markup:
    parts = []
    for latency, title in (
        (summary.event_to_gaze.blocks, "A block becomes novel"),
        (summary.event_to_gaze.keyframes, "A camera's surprise keyframe: its most surprising block"),
    ):
        counts = np.zeros(len(_LATENCY_BARS), np.int64)
        for ticks, count in latency.ticks.items():
            counts[np.searchsorted(_LATENCY_BARS, int(ticks), side="right") - 1] += count
        rows = [
            (_describe_bar(index), float(count), f"{count}")
            for index, count in enumerate([*counts.tolist(), latency.not_read_before_the_end])
        ]
        parts.append(part(title, bars(rows, "amber") if latency.events else caption("No such event.")))
    return section(
        "Event to gaze",
        columns(*parts),
        intro="Ticks from an event in the compressor's own telemetry to the first patch of that block. "
        "A block becomes novel when its surprise reaches 4 standard deviations. This is what the compressor detected, "
        "not the truth about hazards; and the base image shows every change in the same tick.",
    )


def _describe_bar(index: int) -> str:
    if index == len(_LATENCY_BARS):
        return "not before the end"
    first = _LATENCY_BARS[index]
    if index + 1 == len(_LATENCY_BARS):
        return f"{first} ticks and more"
    last = _LATENCY_BARS[index + 1] - 1
    if first == last:
        return "1 tick" if first == 1 else f"{first} ticks"
    return f"{first} to {last} ticks"


def _bytes(log: pa.Table) -> Markup:
    """Megabytes per second over time, each as the sum over the last second."""
    ticks, time_s = int(RATE_HZ), _time_s(log)
    if len(time_s) < ticks:
        return Markup()
    # The first second is incomplete: a gap in the line, so that the axis begins at 0.
    into, out = (
        np.r_[[np.nan] * (ticks - 1), np.convolve(log[name].to_numpy().astype(float), np.ones(ticks), "valid") / 1e6]
        for name in ("bytes_in", "bytes_out")
    )
    return section(
        "Bytes per second",
        line_chart(time_s, [Series("in: YUV of the cameras", "orange", into)], "MB/s"),
        line_chart(time_s, [Series("out: into the network", "blue", out)], "MB/s"),
        intro="Over the last second each. The output has one size at every tick, whatever the cameras show.",
    )


def _what_was_run(summary: CompressSummary, clip: Clip) -> Markup:
    rows = [("gaze", f"{summary.policy}: {POLICIES[summary.policy]}")]
    notes = [*summary.clip.notes, *(summary.cameras.faults if summary.cameras else ())]
    return recording_section(summary, rows, clip.rig, notes)
