"""`adapter_check.html`: what the network saw, what it planned, and what is suspicious."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup
from PIL import Image

from fsd.adapting.check_record import CheckRecord
from fsd.adapting.config import SHEET_FILE
from fsd.adapting.seen_images import SeenImage
from fsd.data.clip import Clip
from fsd.data.counted import counted
from fsd.data.frames import RATE_HZ
from fsd.html.axes import Axis
from fsd.html.charts import Key, Series, legend, line_chart
from fsd.html.page import Banner, Page, data_uri, write_page
from fsd.html.parts import Picture, caption, columns, gallery, part, picture, section, stat_tile, table
from fsd.outputs.adapter_summary import AdapterCheckSummary, TensorRange
from fsd.replay.path_picture import draw_drive, draw_plans

_KINDS = {"image": "picture", "state": "state", "other": "input", "output": "output"}


def write_check_page(
    path: Path,
    summary: AdapterCheckSummary,
    clip: Clip,
    record: CheckRecord,
    seen: Sequence[tuple[str, SeenImage]],
    overlay: Image.Image,
) -> None:
    """Write the page of a check.

    Args:
        seen: input and picture in it; overlay: the cameras with the plan; both of `summary.picture_tick`.
    """
    second = float(summary.picture_tick / RATE_HZ)
    page = Page(
        command="fsd adapter check",
        heading=f"{summary.model.name} on {summary.clip.name}",
        facts=[
            f"adapter {summary.adapter}",
            counted(summary.ticks, "tick"),
            counted(len(summary.clip.cameras), "camera"),
        ],
        banners=[_banner(summary), *(Banner("Note.", text, tone="") for text in summary.warnings)],
        tiles=_tiles(summary),
        left_out=_left_out(summary),
        sections=[
            _seen(seen, second),
            section(
                "What its answer means",
                picture(_jpeg(overlay), "the cameras with the planned path"),
                part("Plans from above", *_from_above(clip, record)),
                intro=f"The plan at {second:.2f} s as a path on the road and from above; green is what was driven.",
            ),
            _against_recording(record),
            _tensors(summary),
        ],
        footer=[f"fsd {summary.fsd_version}", "docs/adapter.md describes every field of an adapter."],
    )
    write_page(path, page)


def _seen(seen: Sequence[tuple[str, SeenImage]], second: float) -> Markup:
    """The pictures in the image inputs; nothing for a network that takes none."""
    if not seen:
        return Markup()
    return section(
        "What the network sees",
        gallery([_captioned(name, each, is_only=len({name for name, _ in seen}) == 1) for name, each in seen]),
        caption(f"{SHEET_FILE} has all of them on one sheet."),
        intro=f"The image inputs at {second:.2f} s, turned back into pixels. Below each are its camera and age, and "
        "the range of the network's own numbers, or the input's name where there are several.",
    )


def _captioned(name: str, seen: SeenImage, is_only: bool) -> Picture:
    """A caption has room for one line: the range, or the input where there are several."""
    content = io.BytesIO()
    Image.fromarray(seen.pixels).save(content, "png")
    camera = seen.camera.replace("_", " ")
    numbers = f"{seen.lowest:.3g} to {seen.highest:.3g}"
    text = f"{camera}, {seen.age_text}, {numbers if is_only else name}"
    return Picture(data_uri(content.getvalue(), "png"), f"{name}, {camera}", text)


def _jpeg(image: Image.Image) -> str:
    content = io.BytesIO()
    image.convert("RGB").save(content, "jpeg", quality=88)
    return data_uri(content.getvalue(), "jpeg")


def _banner(summary: AdapterCheckSummary) -> Banner:
    if not summary.suspicious:
        return Banner("Nothing suspicious was found.", "Look at the pictures all the same.", tone="good")
    items = [f"{finding.place}: {finding.text}" for finding in summary.suspicious]
    lead = "1 thing looks wrong." if len(items) == 1 else f"{len(items)} things look wrong."
    return Banner(lead, "", items)


def _tiles(summary: AdapterCheckSummary) -> list[Markup]:
    count, ratio, correlation = len(summary.suspicious), summary.speed_ratio, summary.yaw_rate_correlation
    tiles = [stat_tile("suspicious", str(count), tone="bad" if count else "good")]
    if ratio is not None:
        tiles.append(stat_tile("planned / recorded speed", f"{ratio:.2f}", note="median over moving ticks"))
    if correlation is not None:
        note = "correlation; -1 is mirrored"
        tiles.append(stat_tile("steering against yaw rate", f"{correlation:+.2f}", note=note))
    return tiles


def _left_out(summary: AdapterCheckSummary) -> list[str]:
    """Why a tile is missing."""
    speed = "No planned / recorded speed: no tick with a recorded speed above standstill."
    steering = "No steering against yaw rate: it is not recorded, or recording or plans do not turn."
    missing = {speed: summary.speed_ratio, steering: summary.yaw_rate_correlation}
    return [text for text, value in missing.items() if value is None]


def _from_above(clip: Clip, record: CheckRecord) -> tuple[Markup, ...]:
    plans = record.trajectories
    if clip.ego is not None:
        poses = clip.ego.poses_at(record.timestamp_ns)
        if np.isfinite(poses[:, :3]).all(axis=1).sum() > 1 and np.ptp(poses[:, :2], axis=0).max() > 1.0:
            drawing, grid_m = draw_drive(poses, plans, (), np.zeros(len(plans), np.int64))
            keys = [Key("plans", "blue"), Key("driven", "ink")]
            return drawing, legend(keys), caption(f"Lines of the grid are {grid_m:g} m apart.")
    drawing, grid_m = draw_plans(plans)
    return drawing, caption(f"All plans in the car's frame. Lines of the grid are {grid_m:g} m apart.")


def _against_recording(record: CheckRecord) -> Markup:
    """Speed and yaw rate of the plans beside the recorded ones; nothing for a recording without ego motion."""
    speed = record.speed_mps
    if not np.isfinite(speed).any():
        return Markup()
    time_s = (record.timestamp_ns - record.timestamp_ns[0]) * 1e-9
    planned_mps = record.trajectories[:, :4, 3].mean(axis=1)
    planned_rps = record.curvature_per_m * speed
    return section(
        "Plans against the recording",
        columns(
            part(
                "Speed, m/s",
                line_chart(
                    time_s,
                    [Series("recorded", "ink", speed), Series("planned", "blue", planned_mps)],
                    "m/s",
                    height_px=180,
                ),
            ),
            part(
                "Yaw rate, rad/s",
                line_chart(
                    time_s,
                    [Series("recorded", "ink", record.yaw_rate_rps), Series("planned", "blue", planned_rps)],
                    "rad/s",
                    y_axis=_both_sides("rad/s", record.yaw_rate_rps, planned_rps),
                    height_px=180,
                ),
            ),
        ),
        intro="Planned are the speed in the first second, and the curvature times the recorded speed.",
    )


def _both_sides(label: str, *lines: np.ndarray) -> Axis:
    """An axis around 0 for these lines."""
    known = np.concatenate(lines)
    known = np.abs(known[np.isfinite(known)])
    top = max(0.05, float(known.max()) * 1.05 if known.size else 0.0)
    return Axis(label, -top, top)


def _tensors(summary: AdapterCheckSummary) -> Markup:
    def row(tensor: TensorRange) -> tuple[object, ...]:
        numbers = ("–" if value is None else f"{value:.4g}" for value in (tensor.lowest, tensor.mean, tensor.highest))
        shape = " × ".join(map(str, tensor.shape)) or "1"
        return (
            tensor.name,
            _KINDS[tensor.kind],
            f"{shape} {tensor.dtype}",
            *numbers,
            "yes" if tensor.changes else "no",
        )

    head = ("name", "kind", "shape and type", "lowest", "mean", "highest", "changes")
    rows = [row(tensor) for tensor in summary.tensors]
    return section(
        "Numbers",
        table(head, rows),
        intro="Every input, and the outputs that the adapter names, over all steps of the model.",
    )
