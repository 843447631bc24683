"""The drive in a replay's report: who drove, take-overs, moments of the recording, and the film. Data in, HTML out."""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from fsd.data.clip import Clip
from fsd.data.driving_mode import DRIVING_MODES
from fsd.data.frames import TICK_S
from fsd.html.axes import Axis
from fsd.html.charts import Chart, Colour, Key, Mark, legend
from fsd.html.page import render
from fsd.html.parts import section
from fsd.replay.film import FilmVideo
from fsd.replay.film_section import film_player, speed_chart
from fsd.replay.run_metrics import RunMetrics
from fsd.scoring.driving_modes import Modes, mode_changes, modes_at

MODE_COLOURS: dict[str | None, Colour] = {
    "manual": "orange",
    "self_driving": "blue",
    "autosteer": "violet",
    "cruise": "green",
    None: "pale",
}
BAND_HEIGHT_PX = 66
INTRO = (
    "Blue: the plan; green: what was driven. The film shows some of the ticks. The slider, a click into a chart over "
    "time, and the entries of a list move all of it."
)
NEAREST_MARKS = 0.05
"""Marks closer together than this share of the axis would cover each other; the list has them all."""


@dataclass(frozen=True)
class DriveEvent:
    """Something to look at: `row` is its tick, None where it lies outside the replayed ticks."""

    timestamp_ns: int
    row: int | None
    text: str


def recorded_facts(clip: Clip, times_ns: np.ndarray) -> list[str]:
    """Date and time of the first and the last tick; nothing where they are not known."""
    if clip.wall_clock is None:
        return []
    first, last = (clip.wall_clock.text_at(int(times_ns[row])) for row in (0, -1))
    day, _, time = last.partition(" ")
    return [f"recorded {first} to {time if first.startswith(day) else last}"]


def drive_events(clip: Clip, times_ns: np.ndarray, modes: Modes) -> list[DriveEvent]:
    """Disengagements, engagements, and the recording's own moments, in order."""
    events = [
        DriveEvent(
            int(times_ns[change.row]),
            change.row,
            f"{'disengagement' if change.is_disengagement else 'engagement'}: "
            f"{change.before.replace('_', ' ')} to {change.after.replace('_', ' ')}",
        )
        for change in mode_changes(times_ns, modes)
    ]
    for moment in clip.moments:
        row = int(np.searchsorted(times_ns, moment.timestamp_ns))
        is_inside = times_ns[0] <= moment.timestamp_ns and row < len(times_ns)
        events.append(DriveEvent(moment.timestamp_ns, row if is_inside else None, moment.text))
    return sorted(events, key=lambda event: event.timestamp_ns)


def drive_section(clip: Clip, times_ns: np.ndarray, metrics: RunMetrics, film: FilmVideo | None) -> Markup:
    """The section: the film, who drove, and what happened; nothing for a recording without any of it.

    Args:
        times_ns: (T,) of the ticks; film: None without one.
    """
    time_s, run = metrics.time_s, metrics.run
    modes = modes_at(clip.modes, times_ns) if clip.modes else (None,) * len(times_ns)
    events = drive_events(clip, times_ns, modes)
    parts = [] if film is None else [film_player(film, clip, times_ns, metrics, modes), speed_chart(metrics)]
    if clip.modes is not None:
        parts.append(_mode_legend(modes))
    if clip.modes is not None or clip.moments:
        parts.append(_band(time_s, run, modes if clip.modes else None, events))
        parts.append(render("drive_events", rows=_rows(clip, times_ns, events, has_film=film is not None)))
    if not parts:
        return Markup()
    return section("The drive", *parts, intro=INTRO if film else "")


def _mode_legend(modes: Modes) -> Markup:
    present = [mode for mode in (*DRIVING_MODES, None) if mode in modes]
    keys = [
        Key(
            "unknown" if mode is None else mode.replace("_", " "),
            MODE_COLOURS[mode],
            f"{modes.count(mode) / len(modes):.0%}",
            is_line=False,
        )
        for mode in present
    ]
    return legend(keys)


def _band(time_s: np.ndarray, run: np.ndarray, modes: Modes | None, events: list[DriveEvent]) -> Markup:
    """Modes over time, with numbered marks above."""
    last = float(time_s[-1])
    axis = Axis("time, s", 0.0, last if last > 0 else 1.0)
    chart = Chart(axis, Axis("", 0.0, 1.0, ticks=()), "driving mode over time, s", BAND_HEIGHT_PX)
    keys = [*zip(run.tolist(), modes or (None,) * len(run), strict=True)]
    starts = [row for row in range(len(keys)) if row == 0 or keys[row] != keys[row - 1]]
    for start, end in zip(starts, [*starts[1:], len(keys)], strict=True):
        mode = keys[start][1]
        follows_at_once = end < len(keys) and run[end] == run[start]
        until_s = float(time_s[end] if follows_at_once else time_s[end - 1] + TICK_S)
        name = "recorded" if modes is None else "unknown" if mode is None else mode.replace("_", " ")
        tip = f"{name}, {time_s[start]:.1f} to {until_s:.1f} s"
        chart.bar(float(time_s[start]), until_s, 0.0, 0.42, MODE_COLOURS[mode], tip)
    marked = -1.0
    for number, event in enumerate(events, 1):
        if event.row is None:
            continue
        at = float(time_s[event.row])
        chart.limit(x=at)
        if marked < 0 or at - marked >= NEAREST_MARKS * axis.high:
            chart.mark(Mark(at, 0.76, str(number), f"#drive-event-{number}"))
            marked = at
    return chart.html()


def _rows(
    clip: Clip, times_ns: np.ndarray, events: list[DriveEvent], has_film: bool
) -> list[tuple[str, str, str, str]]:
    """(time in the drive, time on the wall, text, row in the film) of each event; empty where unknown."""
    clock = clip.wall_clock
    days = {clock.at(int(times_ns[row])).date() for row in (0, -1)} if clock else set()
    rows = []
    for event in events:
        wall = "" if clock is None else clock.text_at(event.timestamp_ns)
        if clock is not None and days == {clock.at(event.timestamp_ns).date()}:
            wall = wall.partition(" ")[2]
        minutes, seconds = divmod((event.timestamp_ns - int(times_ns[0])) * 1e-9, 60)
        time = "outside" if event.row is None else f"{minutes:.0f}:{seconds:04.1f}"
        rows.append((time, wall, event.text, str(event.row) if has_film and event.row is not None else ""))
    return rows
