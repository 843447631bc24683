import json
import re
from pathlib import Path

import numpy as np
import pytest

from fsd.data.clip import Clip
from fsd.data.driving_mode import DrivingModeTrack
from fsd.data.standard_rigs import canonical_rig
from fsd.data.wall_clock import Moment, WallClock
from fsd.html.axes import thinned_runs
from fsd.html.charts import Series, line_chart
from fsd.replay.drive_section import drive_section, recorded_facts
from fsd.replay.film import FilmVideo
from fsd.replay.run_metrics import RunMetrics

TICKS = 72
RUN = (np.arange(TICKS) >= 36).astype(np.int64)
TIMES_NS = np.arange(TICKS) * 10**9 // 36 + RUN * 9 * 10**9  # 9 s are missing in the middle
MODES = ("manual",) * 18 + ("cruise",) * 36 + ("manual",) * 18


def clip(**parts: object) -> Clip:
    return Clip("made", Path(), "native", canonical_rig(64, 48), False, (None,) * 8, **parts)  # type: ignore[arg-type]


def metrics() -> RunMetrics:
    return RunMetrics(
        tick=np.arange(TICKS),
        time_s=(TIMES_NS - TIMES_NS[0]) * 1e-9,
        run=RUN,
        plan_ms=np.ones(TICKS),
        trajectory=np.zeros((TICKS, 16, 4)),
        uncertainty_m=np.ones(TICKS),
        poses=None,
        errors=None,
        compressor=None,
        is_valid=np.ones((TICKS, 8), bool),
        age_ms=np.zeros((TICKS, 8)),
    )


FILM = FilmVideo(b"film", np.arange(0, TICKS, 3), 1.0)


def test_the_band_has_one_bar_per_mode_and_run_and_none_in_the_gap() -> None:
    html = drive_section(clip(modes=DrivingModeTrack(TIMES_NS, MODES)), TIMES_NS, metrics(), None)
    bars = [
        (float(x), float(width))
        for x, width in re.findall(r'<rect class="\w+" x="([\d.]+)"[^>]* width="([\d.]+)"', html)
    ]
    whole_s = float(TIMES_NS[-1] * 1e-9)
    assert len(bars) == 4  # manual, cruise | cruise, manual
    assert bars[1][0] + bars[1][1] == pytest.approx(1.0 / whole_s * 100, abs=0.1)
    assert bars[2][0] == pytest.approx(10.0 / whole_s * 100, abs=0.1)


def test_film_and_events_name_the_same_ticks_over_a_gap() -> None:
    html = drive_section(clip(modes=DrivingModeTrack(TIMES_NS, MODES)), TIMES_NS, metrics(), FILM)
    found = re.search(r'data-film="([^"]*)"', html)
    assert found
    film = json.loads(found.group(1).replace("&#34;", '"'))
    assert (film["row"][12], film["seconds"][12]) == (36, pytest.approx(10.0))
    assert film["mode"][:7] == ["manual"] * 6 + ["cruise"]
    rows = [int(each) for each in re.findall(r'<li id="drive-event-\d" data-seek="(\d+)"', html)]
    assert rows == [18, 54]  # the engagement and the disengagement


def test_a_moment_outside_the_replayed_ticks_is_listed_without_a_link() -> None:
    html = drive_section(clip(moments=(Moment(99 * 10**9, "saved: late"),)), TIMES_NS, metrics(), FILM)
    assert "saved: late" in html
    assert "outside" in html
    assert 'href="#player"' not in html


def test_a_drive_over_midnight_shows_both_dates() -> None:
    new_year_ns = 1_767_225_600 * 10**9
    (fact,) = recorded_facts(clip(wall_clock=WallClock(new_year_ns - 5 * 10**9)), TIMES_NS)
    assert fact == "recorded 2025-12-31 23:59:55 UTC to 2026-01-01 00:00:05 UTC"


def test_a_recording_without_film_modes_and_moments_has_no_section() -> None:
    assert drive_section(clip(wall_clock=WallClock(0)), TIMES_NS, metrics(), None) == ""


def test_lines_have_a_gap_between_runs_also_when_they_are_thinned() -> None:
    run = (np.arange(5000) >= 3000).astype(np.int64)
    thin = thinned_runs(np.ones(5000), run)
    assert np.isnan(thin).sum() == 1
    assert len(thin) < 1000
    chart = line_chart(TIMES_NS * 1e-9, [Series("a", "blue", np.ones(TICKS))], "m", run=RUN)
    whole = line_chart(TIMES_NS * 1e-9, [Series("a", "blue", np.ones(TICKS))], "m")
    assert (chart.count("M0.00"), whole.count("M0.00")) == (1, 1)
    line = re.search(r'class="line blue" d="([^"]*)"', chart)
    assert line
    assert line.group(1).count("M") == 2
