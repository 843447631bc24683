"""`compress.html` of one run of `fsd compress`: what was kept, when, and how soon something new was looked at."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from fsd.compression.policy_names import POLICIES
from fsd.compression.tick import MEMORY_SLOTS
from fsd.data.clip import Clip
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS, RATE_HZ, TICK_S
from fsd.html.charts import Series, bars, heat_picture, in_buckets, line_chart, most_of, strips
from fsd.html.page import data_uri, page, section, table, text, write_page
from fsd.outputs.journal import read_table
from fsd.outputs.run_folder import list_column
from fsd.replay.replay_sections import headline
from fsd.replay.rig_picture import rig_picture
from fsd.replay.run_sections import GAZE_RGB, KEYFRAME_RGB, WORDS
from fsd.runtime.health import describe_odometry

_MOSAIC_WIDTH_PX = 2000
_LATENCY_BARS = (0, 1, 2, 3, 5, 9, 18, 36, 72, 240)
"""First ticks of the bars of the latency histogram."""


def write_compress_page(
    path: Path, folder: Path, summary: dict[str, Any], clip: Clip, thumbnails: Mapping[str, bytes]
) -> None:
    """Write the page of the run in `folder`, which has ended, however it ended; nothing if it has no tick.

    Args:
        path: HTML file to write; folder: with `keep.parquet` and, unless the run broke off early, `mosaic.png`.
        thumbnails: camera -> JPEG, what the gaze lies over.
    """
    if not summary["ticks"]:
        return
    keep = read_table(folder / "keep.parquet")
    if not keep.num_rows:
        return
    body = [
        _header(summary),
        _banner(summary),
        _tiles(summary),
        _mosaic(folder / "mosaic.png", summary),
        _keyframes(summary, keep),
        _gaze(summary, keep, thumbnails),
        _latency(summary),
        _bytes(keep),
        _what_was_run(summary, clip),
        f"<footer><p>fsd {text(summary['fsd_version'])}</p>"
        "<p>Figures are defined in docs/metrics.md, files in docs/compress.md.</p></footer>",
    ]
    write_page(path, page(f"{summary['clip']['name']} · fsd compress", "\n".join(body)))


def _seen(summary: dict[str, Any]) -> list[int]:
    return [CAMERAS.index(name) for name in summary["clip"]["cameras"]]


def _time_s(keep: pa.Table) -> np.ndarray:
    times_ns = keep["t_ns"].to_numpy()
    return (times_ns - times_ns[0]) * 1e-9


def _header(summary: dict[str, Any]) -> str:
    facts = (
        f"{len(summary['clip']['cameras'])} of {len(CAMERAS)} cameras",
        f"{summary['drive_s']:.1f} s at 36 Hz",
        f"budget {summary['compression']['budget']}",
        f"{summary['policy']} gaze",
        "motion recorded" if set(summary["odometry_ticks"]) <= {"ego"} else "motion estimated",
    )
    spans = "".join(f"<span>{text(fact)}</span>" for fact in facts)
    name = text(summary["clip"]["name"])
    return f"<header><p class=eyebrow>fsd compress</p><h1>{name}</h1><p class=facts>{spans}</p></header>"


def _banner(summary: dict[str, Any]) -> str:
    if summary["status"] == "complete":
        return ""
    words = f"<b>Run {text(summary['status'])}.</b> The page shows what was compressed until then."
    return f"<p class=banner role=alert>{words} {text(summary['error'] or '')}</p>"


def _tiles(summary: dict[str, Any]) -> str:
    compression, keyframes = summary["compression"], summary["keyframes"]
    ratios = "".join(
        f"<span><small>R<sub>{name}</sub></small>{compression[key]:,.{0 if compression[key] >= 10 else 1}f}</span>"
        for name, key in (("px", "r_px"), ("tok", "r_tok"), ("mem", "r_mem_60s"))
    )
    found = [headline("compression", f"<span class=three>{ratios}</span>", f"of {compression['reference']}")]
    came, went = ((compression[f"bytes_{way}_a_second"] or 0) / 1e6 for way in ("in", "out"))
    found.append(
        headline(
            "bytes out",
            f"{went:.1f}<small> MB/s</small>",
            f"of {came:,.0f} MB/s in; pixels {compression['r_px_of_this_recording']}:1 of this recording",
        )
    )
    count, drive_s = sum(keyframes["count"].values()), max(summary["drive_s"], TICK_S)
    surprises = sum(keyframes["reasons"]["surprise"].values())
    found.append(
        headline(
            "keyframes", f"{count / drive_s:.1f}<small> a second</small>", f"{count} in all, {surprises} by surprise"
        )
    )
    latency = summary["event_to_gaze"]["blocks"]
    value = "–" if latency["p50_ticks"] is None else f"{latency['p50_ticks']:.0f}<small> ticks median</small>"
    note = (
        "no event was read"
        if latency["p99_ticks"] is None
        else f"p99 {latency['p99_ticks']:.0f} · max {latency['max_ticks']}"
    )
    found.append(headline("event to gaze", value, f"{note} · {latency['events']} events"))
    gaze = summary["gaze"]
    bound = gaze["sweep_bound_ticks"]
    found.append(
        headline(
            "longest without a read",
            f"{gaze['oldest_block_ticks']}<small> ticks</small>",
            f"of a block; {'no sweep bounds it' if bound is None else f'the sweep keeps it within {bound}'}",
        )
    )
    times = summary["compress_ms"]
    value = f"{times['p50']:.2f}<small> ms median</small>" if times else "–"
    note = (
        f"p99 {times['p99']:.2f} · n = {times['samples']} · decoders beside it"
        if times
        else "the run was too short to tell"
    )
    found.append(headline("compressor's time", value, note))
    return f"<div class=tiles>{''.join(found)}</div>"


def _mosaic(path: Path, summary: dict[str, Any]) -> str:
    if not path.exists() or summary["mosaic"] is None:
        return ""
    picture = Image.open(path).convert("RGB")
    width = min(_MOSAIC_WIDTH_PX, picture.width)
    buffer = io.BytesIO()
    picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS).save(
        buffer, "jpeg", quality=82
    )
    return section(
        "What the network gets",
        f"<img style='width:100%;border-radius:8px' src='{data_uri(buffer.getvalue(), 'jpeg')}' alt='mosaic'>",
        "<p class=caption>mosaic.png has every pixel of it.</p>",
        intro=f"Tick {summary['mosaic']['tick']}, rebuilt from the compressed tick alone. Left the camera; right its "
        "base image enlarged, with the patches of this tick in place. The bluer, the longer ago a block was read.",
    )


def _keyframes(summary: dict[str, Any], keep: pa.Table) -> str:
    seen, keyframes = _seen(summary), summary["keyframes"]
    is_keyframe = list_column(keep, "is_keyframe")
    over_time = [(WORDS[CAMERAS[index]], in_buckets(is_keyframe[:, index])) for index in seen]
    most = most_of(over_time)
    reasons = list(keyframes["reasons"])
    rows = [
        [
            WORDS[name],
            str(keyframes["count"][name]),
            f"{keyframes['a_second'][name]:.1f}",
            *(str(keyframes["reasons"][reason][name]) for reason in reasons),
        ]
        for name in (CAMERAS[index] for index in seen)
    ]
    memory = summary["memory"]
    return section(
        "Keyframes",
        strips(over_time, KEYFRAME_RGB, float(_time_s(keep)[-1]), f"full colour: {most:.0%} of ticks", most),
        table(["camera", "keyframes", "a second", *reasons], rows),
        f"<p class=caption>A keyframe may have several reasons. Memory: {memory['commits']} commits, "
        f"{memory['slots_filled']} of {MEMORY_SLOTS} slots filled at the end.</p>",
        intro="A keyframe grants its camera more gaze and, where it is a surprise, a memory commit. It gates nothing: "
        "every tick reaches the network.",
    )


def _gaze(summary: dict[str, Any], keep: pa.Table, thumbnails: Mapping[str, bytes]) -> str:
    seen, camera, block = _seen(summary), list_column(keep, "patch_camera"), list_column(keep, "patch_block")
    blocks, is_used = GRID_ROWS * GRID_COLUMNS, camera >= 0
    flat = camera[is_used].astype(np.int64) * blocks + block[is_used]
    reads = np.bincount(flat, minlength=len(CAMERAS) * blocks).reshape(len(CAMERAS), GRID_ROWS, GRID_COLUMNS)
    heat = np.sqrt(reads)  # so that a block read once a sweep can be told from one never read
    top = float(np.percentile(heat[seen], 99.5)) or 1.0
    whole = max(1, int(reads.sum()))
    cells = []
    for index in seen:
        name = CAMERAS[index]
        under = f"<img class=under src='{data_uri(thumbnails[name], 'jpeg')}' alt=''>" if name in thumbnails else ""
        over = f"<img class=over src='{heat_picture(heat[index], GAZE_RGB, top)}' alt='gaze of {WORDS[name]}'>"
        unread = summary["gaze"]["blocks_never_read"][name]
        cells.append(
            f"<figure class=heat><div>{under}{over}</div><figcaption><b>{WORDS[name]}</b> "
            f"{reads[index].sum() / whole:.0%} of gaze{f' · {unread} blocks never read' if unread else ''}"
            "</figcaption></figure>"
        )
    patches = np.stack([(camera == index).sum(axis=1) for index in seen], axis=1)
    over_time = [(WORDS[CAMERAS[index]], in_buckets(patches[:, column])) for column, index in enumerate(seen)]
    most = most_of(over_time)
    return section(
        "Gaze",
        f"<div class=heats>{''.join(cells)}</div>",
        "<h3>Patches over time</h3>",
        strips(over_time, GAZE_RGB, float(_time_s(keep)[-1]), f"full colour: {most:.0f} patches a tick", most),
        intro=f"How often each of the {GRID_COLUMNS}x{GRID_ROWS} blocks was read at full resolution. "
        f"{summary['gaze']['swept_share']:.0%} of the patches were read for their age alone.",
    )


def _latency(summary: dict[str, Any]) -> str:
    parts = []
    for key, words in (
        ("blocks", "A block becomes news"),
        ("keyframes", "A camera's surprise keyframe, its most surprising block"),
    ):
        latency = summary["event_to_gaze"][key]
        counts = np.zeros(len(_LATENCY_BARS), np.int64)
        for ticks, count in latency["ticks"].items():
            counts[np.searchsorted(_LATENCY_BARS, int(ticks), side="right") - 1] += count
        rows = [
            (_bar_words(place), float(count), f"{count}")
            for place, count in enumerate([*counts.tolist(), latency["not_read_before_the_end"]])
        ]
        figures = bars(rows, "gaze") if latency["events"] else "<p>No such event.</p>"
        parts.append(f"<div><h3>{words}</h3>{figures}</div>")
    return section(
        "Event to gaze",
        f"<div class=columns>{''.join(parts)}</div>",
        intro="Ticks from an event in the compressor's own telemetry to the first full-resolution patch of that block. "
        "A block becomes news when its surprise reaches 4 usual deviations. This is what the compressor noticed, not "
        "the truth about hazards; and the base image shows every change in the same tick anyway.",
    )


def _bar_words(place: int) -> str:
    if place == len(_LATENCY_BARS):
        return "not before the end"
    first = _LATENCY_BARS[place]
    if place + 1 == len(_LATENCY_BARS):
        return f"{first} ticks and more"
    last = _LATENCY_BARS[place + 1] - 1
    if first == last:
        return "1 tick" if first == 1 else f"{first} ticks"
    return f"{first} to {last} ticks"


def _bytes(keep: pa.Table) -> str:
    """Megabytes a second over time, each second as the sum of its ticks."""
    ticks = int(RATE_HZ)
    time_s = _time_s(keep)
    if len(time_s) < ticks:
        return ""
    # The first second is not full yet: a gap in the line, so that the axis begins at 0.
    came, went = (
        np.r_[[np.nan] * (ticks - 1), np.convolve(keep[name].to_numpy().astype(float), np.ones(ticks), "valid") / 1e6]
        for name in ("bytes_in", "bytes_out")
    )
    return section(
        "Bytes a second",
        line_chart(time_s, [Series("in: YUV of the cameras", "velocity", came)], "MB/s"),
        line_chart(time_s, [Series("out: into the network", "network", went)], "MB/s"),
        intro="Over the last second each. What goes out has one size at every tick, whatever the cameras show.",
    )


def _what_was_run(summary: dict[str, Any], clip: Clip) -> str:
    facts, compression = summary["clip"], summary["compression"]
    rows = [
        ("clip", f"{facts['name']} ({facts['format']})"),
        ("cameras", ", ".join(WORDS[name] for name in facts["cameras"])),
        ("masked", ", ".join(WORDS[name] for name in facts["missing_cameras"]) or "none"),
        ("rig", facts["rig"]),
        ("motion", describe_odometry(summary["odometry_ticks"])),
        ("budget", f"{compression['budget']}: {compression['bytes_a_tick'] / 1000:,.0f} kB a tick"),
        ("gaze", f"{summary['policy']}: {POLICIES[summary['policy']]}"),
    ]
    facts_list = "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in rows)
    faults = (summary["cameras"] or {}).get("faults", [])
    notes = "".join(f"<li>{text(note)}</li>" for note in [*facts["notes"], *faults])
    return section(
        "What was run",
        f"<div class=columns><dl>{facts_list}</dl><div>{rig_picture(clip.rig, facts['cameras'])}</div></div>",
        f"<ul class=notes>{notes}</ul>" if notes else "",
    )
