"""The film in a replay's report, and what moves along with it: bird's-eye view, speed, mode, keyframes.

Data in, HTML out.
"""

import json
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from fsd.data.clip import Clip
from fsd.data.frames import CAMERAS
from fsd.html.charts import Series, line_chart
from fsd.html.page import data_uri, render
from fsd.html.svg import element
from fsd.overlay.gauges import RANGES_M
from fsd.replay.film import FilmVideo
from fsd.replay.gaze_pictures import CAMERA_LABELS
from fsd.replay.run_metrics import RunMetrics
from fsd.scoring.driving_modes import Modes
from fsd.scoring.plan_errors import driven_waypoints

SHOWN_WAYPOINTS = slice(1, None, 2)
"""Every half second."""
WIDTH_PX, HEIGHT_PX = 232, 290


def film_player(film: FilmVideo, clip: Clip, times_ns: np.ndarray, metrics: RunMetrics, modes: Modes) -> Markup:
    """The player; every value is text already, so that the page's script only has to show it.

    Args:
        times_ns: (T,) of the ticks; modes: of the same ticks.
    """
    rows = film.rows[film.rows < len(times_ns)]
    plan = metrics.trajectory[rows][:, SHOWN_WAYPOINTS, :2]
    driven = None if clip.ego is None else driven_waypoints(clip.ego, times_ns[rows])[:, SHOWN_WAYPOINTS, :2]
    seen = [index for index in range(len(CAMERAS)) if metrics.is_valid[:, index].any()]
    values = {"clock": [_clock(seconds) for seconds in metrics.time_s[rows].tolist()]}
    if metrics.poses is not None:
        values["speed"] = [
            f"{speed * 3.6:.0f} km/h" if speed == speed else "unknown" for speed in metrics.poses[rows, 3]
        ]
    values["ahead"] = [f"{float(end):.0f} m in 4 s" for end in plan[:, -1, 0]]
    if any(modes):
        values["mode"] = [(modes[row] or "unknown").replace("_", " ") for row in rows.tolist()]
    names = {"clock": "time", "speed": "speed", "ahead": "plan", "mode": "mode"}
    keyframes = None if metrics.compressor is None else metrics.compressor.is_keyframe[:, seen]
    content = {
        "row": rows.tolist(),
        "seconds": [round(seconds, 2) for seconds in metrics.time_s[rows].tolist()],
        "plan": [_tenths(points) for points in plan],
        "driven": None if driven is None else [_tenths(points) for points in driven],
        "keyframes": [] if keyframes is None else _bits(keyframes, rows),
        **values,
    }
    return render(
        "player",
        video=data_uri(film.content, "mp4"),
        film=json.dumps(content, separators=(",", ":")),
        aspect=f"{film.aspect:.3f}",
        birdseye=_birdseye(plan, has_driven=driven is not None),
        rows=[(key, names[key], texts[0]) for key, texts in values.items()],
        cameras=[] if keyframes is None else [CAMERA_LABELS[CAMERAS[index]] for index in seen],
    )


def speed_chart(metrics: RunMetrics) -> Markup:
    """Driven speed over time; nothing where it is unknown."""
    if metrics.poses is None:
        return Markup()
    speed = Series("driven speed", "ink", metrics.poses[:, 3] * 3.6)
    return line_chart(metrics.time_s, [speed], "km/h", height_px=110, run=metrics.run)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes:.0f}:{rest:04.1f}"


def _tenths(points: np.ndarray) -> list[int] | None:
    """(n, 2) x m, y m of a path as y, x, y, x … in decimetres; None if it is unknown."""
    known = points[np.isfinite(points).all(axis=1)]
    return np.rint(known[:, ::-1] * 10).astype(int).ravel().tolist() if len(known) else None


def _bits(is_keyframe: np.ndarray, rows: np.ndarray) -> list[int]:
    """Per image, which cameras had a keyframe since the image before: bit i for column i of (T, n)."""
    since = np.add.reduceat(is_keyframe.astype(np.int64), rows, axis=0) > 0 if len(rows) else np.zeros((0, 1), bool)
    return (since @ (1 << np.arange(is_keyframe.shape[1]))).tolist()


def _birdseye(plan: np.ndarray, has_driven: bool) -> Markup:
    """Rings around the car, in metres, driving direction up, with the first plan (n, P, 2); one range for the drive."""
    reach_m = float(np.percentile(plan[..., 0], 98)) if plan.size else 0.0
    range_m = next((each for each in RANGES_M if each >= reach_m), RANGES_M[-1])
    per_m = (HEIGHT_PX - 44) / range_m
    origin_y = HEIGHT_PX - 32
    rings_m: Sequence[int] = [range_m * part // 4 for part in (1, 2, 3, 4)]
    rings = [element("circle", cx=WIDTH_PX / 2, cy=float(origin_y), r=ring * per_m) for ring in rings_m]
    texts = [element("text", f"{ring} m", x=6, y=origin_y - ring * per_m + 14) for ring in rings_m]
    first = " L".join(f"{-y:.1f} {-x:.1f}" for x, y in plan[0].tolist()) if len(plan) else "0 0"
    lines = [element("path", css="driven green", d="")] if has_driven else []
    lines.append(element("path", css="plan blue", d=f"M0 0L{first}"))
    car = element("rect", css="ink", x=-0.93, y=-3.75, width=1.86, height=4.7, rx=0.5, fill="currentcolor")
    moved = element("g", car, *lines, transform=f"translate({WIDTH_PX / 2:.0f} {origin_y}) scale({per_m:.3f})")
    view = f"0 0 {WIDTH_PX} {HEIGHT_PX}"
    return element("svg", *rings, *texts, moved, css="birdseye", viewBox=view, role="img", aria_label="plan from above")
