"""A replay of a recording that tells who drove, when, and which moments it marks."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from fsd.cli import main
from fsd.data.clip import Clip
from fsd.data.driving_mode import DrivingModeTrack
from fsd.data.open_clip import open_clip
from fsd.data.wall_clock import Moment, WallClock
from tests.fsd._pages import Outline, checked

MODES = ("manual",) * 10 + ("self_driving",) * 18 + ("manual",) * 12
NEW_YEAR_S = 1_767_225_600  # 2026-01-01 00:00:00 UTC


def driven(clip: Clip) -> Clip:
    start_ns = next(stream.start_ns for stream in clip.streams if stream is not None) or 0
    times_ns = start_ns + np.arange(40) * 10**9 // 36
    moment = Moment(start_ns + 5 * 10**8, "saved: <horn>")
    clock = WallClock(NEW_YEAR_S * 10**9 - start_ns, utc_offset_s=3600)
    return replace(clip, modes=DrivingModeTrack(times_ns, MODES), wall_clock=clock, moments=(moment,))


@pytest.fixture(scope="module")
def replayed(small_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The result folder, and what was printed."""
    out = tmp_path_factory.mktemp("driven")
    printed: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fsd.replay.replay.open_clip", lambda path, options: driven(open_clip(path, options)))
        patch.setattr("builtins.print", lambda *words, **_: printed.append(" ".join(map(str, words))))
        assert main(["replay", str(small_clip), "--out", str(out), "--no-mcap", "--title", "Über den Berg"]) == 0
    return out, "\n".join(printed)


@pytest.fixture(scope="module")
def report(replayed: tuple[Path, str]) -> Outline:
    return checked(replayed[0] / "report.html")


def test_every_tick_has_its_driving_mode(replayed: tuple[Path, str]) -> None:
    assert pq.read_table(replayed[0] / "ticks.parquet")["driving_mode"].to_pylist() == list(MODES)


def test_the_summary_has_the_scores_of_manual_and_of_assisted_driving(replayed: tuple[Path, str]) -> None:
    summary = json.loads((replayed[0] / "summary.json").read_text())
    modes, whole = summary["driving_modes"], summary["scores"]["network"]
    assert modes["ticks"] == {"manual": 22, "self_driving": 18}
    assert (modes["engagements"], modes["disengagements"]) == (1, 1)
    apart = {group: scores["network"] for group, scores in modes["scores"].items()}
    assert set(apart) == {"manual", "assisted"}
    for name, mean in (("curvature", "curvature_mae_per_m"), ("acceleration", "acceleration_mae_mps2")):
        counts = [scores[f"ticks_{name}"] for scores in apart.values()]
        assert sum(counts) == whole[f"ticks_{name}"]
        means = [scores[mean] for scores in apart.values()]
        assert np.average(means, weights=counts) == pytest.approx(whole[mean])


def test_the_scores_apart_are_printed(replayed: tuple[Path, str]) -> None:
    lines = {line.split()[0]: line for line in replayed[1].splitlines() if line.strip()}
    assert "manual 55%" in lines["driven"]
    assert "curvature" in lines["manual"]
    assert "curvature" in lines["assisted"]


def test_the_report_lists_take_overs_and_moments_with_links_into_the_video(
    replayed: tuple[Path, str], report: Outline
) -> None:
    html = (replayed[0] / "report.html").read_text()
    assert "The drive" in report.headings
    assert "2026-01-01 01:00:00 to 01:00:01" in report.text
    assert "saved: <horn>" in report.text  # escaped
    assert "media-src data:" in html
    seeks = [float(row) for row in re.findall(r'<li id="drive-event-\d+" data-seek="([^"]*)"', html)]
    assert seeks == [10, 18, 28]
    assert re.findall(r"(disengagement|engagement): ", report.text) == ["engagement", "disengagement"]
    assert "Plain errors by driving mode" in html


def test_a_recording_that_tells_nothing_of_it_shows_nothing_of_it(small_clip: Path, tmp_path: Path) -> None:
    options = ["--no-mcap", "--no-overlay", "--max-ticks", "6"]
    assert main(["replay", str(small_clip), "--out", str(tmp_path), *options]) == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["driving_modes"] is None
    page = checked(tmp_path / "report.html")
    assert "No change between manual" not in page.text
    assert "engagement" not in page.text
    assert 'id="drive-event-' not in (tmp_path / "report.html").read_text()
    assert set(pq.read_table(tmp_path / "ticks.parquet")["driving_mode"].to_pylist()) == {None}
