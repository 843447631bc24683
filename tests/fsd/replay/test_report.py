import json
import re
import shutil
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from fsd.data.clock import tick_time_ns
from fsd.outputs.replay_summary import ChargedLatency, LatencyChargedScores, PlanScores, Scores
from fsd.replay.config import ReplayConfig
from fsd.replay.replay import replay
from fsd.replay.replay_sections import _plan_error_tile
from fsd.runtime.planner import SIMULATION_TRAINED
from tests.fsd._pages import Outline, checked

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def replayed(small_clip: Path, untrained_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A replay of a clip whose name is an attack, with its report."""
    clip = tmp_path_factory.mktemp("report") / "<script>alert('x')"
    shutil.copytree(small_clip, clip)
    (clip / "right_repeater.mp4").unlink()
    out = clip.parent / "out"
    replay(ReplayConfig(clip=clip, out=out, overlay=False, model=untrained_model), show_progress=False)
    return out


@pytest.fixture(scope="module")
def report(replayed: Path) -> Outline:
    return checked(replayed / "report.html")


def test_the_report_shows_what_was_run_and_the_results(report: Outline, replayed: Path) -> None:
    summary = json.loads((replayed / "summary.json").read_text())
    assert report.headings == [
        "The drive",
        "Path",
        "Error over time",
        "What the network considered",
        "Worst ticks",
        "Plan errors",
        "What the compressor read",
        "Timing",
        "Faults",
        "What was run",
    ]
    assert summary["plan_hash"] in report.text
    assert f"{summary['scores']['network']['ade_1s_m']:.2f}" in report.text
    assert "right repeater" in report.text  # the camera without a video


def test_an_untrained_network_is_stated_before_any_number(report: Outline) -> None:
    assert 0 < report.text.index("Untrained") < report.text.index("plan error, ADE")


def test_images_are_inside_the_page(report: Outline) -> None:
    assert len([address for address in report.addresses if address.startswith("data:image/")]) >= 8


def test_the_film_is_inside_the_page_and_moves_with_the_values_of_its_ticks(report: Outline, replayed: Path) -> None:
    assert len([address for address in report.addresses if address.startswith("data:video/mp4")]) == 1
    found = re.search(r'data-film="([^"]*)"', (replayed / "report.html").read_text())
    assert found
    film = json.loads(found.group(1).replace("&#34;", '"'))
    assert film["row"] == list(range(0, 40, 3))
    assert {len(values) for values in film.values()} == {14}
    plan = pq.read_table(replayed / "plan.parquet")
    assert film["plan"][5][1] == pytest.approx(10 * plan["x_m"][15][1].as_py(), abs=0.51)
    assert any(film["keyframes"])


def test_what_has_no_value_has_a_word_in_place_of_a_tile(report: Outline, replayed: Path) -> None:
    assert "No energy per tick" in report.text
    assert not re.search(r"<strong>\s*<span>–", (replayed / "report.html").read_text())


def test_a_hostile_clip_name_stays_text(report: Outline, replayed: Path) -> None:
    assert "<script>alert('x')" in report.text
    assert "<script>alert" not in (replayed / "report.html").read_text()


def open_in_browser(html: Path, folder: Path) -> tuple[set[str], str]:
    """Addresses that the page requested, and the browser's console messages.

    Requests of the browser itself (time, updates) have no page as their initiator.
    """
    log, screenshot = folder / "net.json", folder / "page.png"
    flags = "--headless --no-sandbox --disable-gpu --disable-background-networking --no-first-run "
    flags += "--disable-component-update --disable-sync --enable-logging=stderr --window-size=390,800"
    done = subprocess.run(
        [
            str(CHROMIUM),
            *flags.split(),
            f"--user-data-dir={folder / 'profile'}",
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",  # block the browser's own requests
            f"--log-net-log={log}",
            f"--screenshot={screenshot}",
            html.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert screenshot.stat().st_size > 1_000
    asked = {
        params["url"]
        for params in net_log_params(log.read_text())
        if "url" in params and params.get("initiator", "not an origin") != "not an origin"
    }
    complaints = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    return asked, complaints


def net_log_params(log: str) -> list[dict[str, str]]:
    """Parameters of every event; one event per line."""
    lines = [line.rstrip(",]") for line in log.splitlines() if line.startswith('{"params":')]
    return [json.loads(line)["params"] for line in lines if line.endswith("}")]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_opens_the_report_without_any_request_or_complaint(replayed: Path, tmp_path: Path) -> None:
    asked, complaints = open_in_browser(replayed / "report.html", tmp_path)
    assert asked == set()
    assert complaints == ""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_page_that_asks_the_network_would_be_caught(tmp_path: Path) -> None:
    """The control of the test above: a page without its policy, and with an image from elsewhere."""
    html = tmp_path / "page.html"
    html.write_text("<!doctype html><img src='http://127.0.0.1:9/picture.png'><script>console.error('!')</script>")
    asked, complaints = open_in_browser(html, tmp_path)
    assert asked == {"http://127.0.0.1:9/picture.png"}
    assert complaints


def test_a_run_that_stopped_still_has_a_report(small_clip: Path, tmp_path: Path) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        from fsd.outputs.tables import ResultTables

        append = ResultTables.append
        patch.setattr(
            ResultTables, "append", lambda self, *args: append(self, *args) if args[0].plan.tick < 9 else stop()
        )
        replay(ReplayConfig(clip=small_clip, out=tmp_path, overlay=False), show_progress=False)
    assert "interrupted" in checked(tmp_path / "report.html").text


def test_no_report_is_written_when_none_is_wanted(small_clip: Path, tmp_path: Path) -> None:
    config = ReplayConfig(clip=small_clip, out=tmp_path, overlay=False, report=False, max_ticks=2)
    replay(config, show_progress=False)
    assert not (tmp_path / "report.html").exists()


def test_a_clip_without_ego_motion_shows_uncertainty_in_place_of_error(small_clip: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip"
    shutil.copytree(small_clip, clip)
    (clip / "ego.parquet").unlink()
    replay(ReplayConfig(clip=clip, out=tmp_path / "out", overlay=False, max_ticks=12), show_progress=False)
    headings = checked(tmp_path / "out" / "report.html").headings
    assert {"Uncertainty over time", "Least certain ticks"} <= {*headings}
    assert not {"Error over time", "Plan errors"} & {*headings}


def test_one_tick_is_enough_for_a_report(small_clip: Path, tmp_path: Path) -> None:
    replay(ReplayConfig(clip=small_clip, out=tmp_path, overlay=False, max_ticks=1), show_progress=False)
    assert "Timing" in checked(tmp_path / "report.html").headings


def test_real_video_with_steering_angles(small_clip: Path, tmp_path: Path) -> None:
    """The network of the simulator is no driver there, and its steering is compared with that of the recording."""
    shutil.copy(small_clip / "front_main.mp4", tmp_path / "drive.mp4")
    rows = [f"{frame},{tick_time_ns(frame)},0.5" for frame in range(40)]
    (tmp_path / "drive.csv").write_text("\n".join(["frame,timestamp_ns,steering_angle_rad", *rows]) + "\n")
    config = ReplayConfig(clip=tmp_path / "drive.mp4", out=tmp_path / "out", overlay=False, mcap=False, max_ticks=12)
    summary = replay(config, show_progress=False)
    assert summary.network == SIMULATION_TRAINED
    wheel = summary.wheel_angle
    assert wheel is not None
    assert (wheel.ticks, wheel.straight_rad, wheel.hold_last_rad) == (3, pytest.approx(0.5), pytest.approx(0.0))
    page = checked(config.out / "report.html")
    assert "Steering wheel" in page.headings
    assert f"{wheel.network_rad:.3f}" in page.text
    assert (
        0 < page.text.index("Simulation-trained: not a driver") < page.text.index("no better than hold last 0.000 rad")
    )


@pytest.mark.parametrize(
    ("constant_m", "hold_m", "best"), [(2.0, 0.5, "hold last 0.50"), (0.4, 0.5, "constant velocity 0.40")]
)
def test_the_headline_names_the_best_baseline(constant_m: float, hold_m: float, best: str) -> None:
    planners: dict[str, Scores] = {
        name: {"ade_3s_m": error_m}
        for name, error_m in (("network", 0.45), ("constant_velocity", constant_m), ("hold_last", hold_m))
    }
    latency = ChargedLatency(source="given", definition="", p50_ms=1.0, max_ms=1.0)
    charged = LatencyChargedScores(latency=latency, **planners)
    assert best in str(_plan_error_tile(PlanScores(**planners), charged))
