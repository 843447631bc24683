import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from fsd.html.charts import Series, in_buckets, line_chart, nice_ticks, thinned
from fsd.html.page import page, text
from fsd.replay.config import ReplayConfig
from fsd.replay.replay import replay

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
VOID = {"meta", "link", "img", "br", "line", "path", "rect", "circle", "polyline"}


class Outline(HTMLParser):
    """Collects the text, the addresses and the tags that do not close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.mismatches: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass  # a shape inside an SVG

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.mismatches.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def outline(html: str) -> Outline:
    parser = Outline()
    parser.feed(html)
    return parser


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
def report(replayed: Path) -> str:
    return (replayed / "report.html").read_text()


def test_the_report_is_whole_html(report: str) -> None:
    parsed = outline(report)
    assert parsed.mismatches == []
    assert parsed.open == []


def test_the_report_shows_what_was_run_and_what_came_out(report: str, replayed: Path) -> None:
    words = " ".join(outline(report).words)
    summary = json.loads((replayed / "summary.json").read_text())
    for heading in ("Path", "Error over time", "Worst moments", "Plan errors", "What the compressor looked at"):
        assert heading in words
    assert summary["plan_hash"] in words
    assert f"{summary['scores']['network']['ade_1s_m']:.2f}" in words
    assert "masked" in words
    assert "no right repeater" in words


def test_an_untrained_network_is_said_first(report: str) -> None:
    body = report[report.index("<main>") :]
    assert 0 < body.index("Untrained network.") < body.index("plan error")


def test_every_address_is_inside_the_page(report: str) -> None:
    addresses = outline(report).addresses
    assert len([address for address in addresses if address.startswith("data:image/")]) >= 8
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert not re.search(r"url\(\s*['\"]?(?!data:)|@import", report)


def test_a_hostile_clip_name_stays_text(report: str) -> None:
    assert "<script>alert" not in report
    assert "&lt;script&gt;alert" in report


def open_in_browser(html: Path, folder: Path) -> tuple[set[str], str]:
    """Addresses that the page asked the network for, and what the browser complained about.

    The browser asks for things of its own (the time, updates); those have no page as their initiator.
    """
    log, picture = folder / "net.json", folder / "page.png"
    flags = "--headless --no-sandbox --disable-gpu --disable-background-networking --no-first-run "
    flags += "--disable-component-update --disable-sync --enable-logging=stderr --window-size=390,800"
    done = subprocess.run(
        [
            str(CHROMIUM),
            *flags.split(),
            f"--user-data-dir={folder / 'profile'}",
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",  # the browser's own requests go nowhere
            f"--log-net-log={log}",
            f"--screenshot={picture}",
            html.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert picture.stat().st_size > 1_000
    asked = {
        params["url"]
        for params in net_log_params(log.read_text())
        if "url" in params and params.get("initiator", "not an origin") != "not an origin"
    }
    complaints = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    return asked, complaints


def net_log_params(log: str) -> list[dict[str, str]]:
    """Parameters of every event; one event a line."""
    lines = [line.rstrip(",]") for line in log.splitlines() if line.startswith('{"params":')]
    return [json.loads(line)["params"] for line in lines if line.endswith("}")]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_opens_the_report_without_any_request_or_complaint(replayed: Path, tmp_path: Path) -> None:
    asked, complaints = open_in_browser(replayed / "report.html", tmp_path)
    assert asked == set()
    assert complaints == ""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_page_that_asks_the_network_would_be_caught(tmp_path: Path) -> None:
    """The control of the test above: without its policy and with a picture from elsewhere."""
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
    assert "Run interrupted." in (tmp_path / "report.html").read_text()


def test_no_report_is_written_when_none_is_wanted(small_clip: Path, tmp_path: Path) -> None:
    config = ReplayConfig(clip=small_clip, out=tmp_path, overlay=False, report=False, max_ticks=2)
    replay(config, show_progress=False)
    assert not (tmp_path / "report.html").exists()


def test_a_clip_without_ego_motion_shows_uncertainty_in_place_of_error(small_clip: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip"
    shutil.copytree(small_clip, clip)
    (clip / "ego.parquet").unlink()
    replay(ReplayConfig(clip=clip, out=tmp_path / "out", overlay=False, max_ticks=12), show_progress=False)
    html = (tmp_path / "out" / "report.html").read_text()
    assert "Uncertainty over time" in html
    assert "Least certain moments" in html
    assert "Plan errors" not in html


def test_one_tick_is_enough_for_a_report(small_clip: Path, tmp_path: Path) -> None:
    replay(ReplayConfig(clip=small_clip, out=tmp_path, overlay=False, max_ticks=1), show_progress=False)
    assert outline((tmp_path / "report.html").read_text()).open == []


def test_long_series_keep_their_peaks_when_asked() -> None:
    values = np.zeros(10_000)
    values[7_777] = 50
    assert thinned(values, keep_peaks=True, points=100).max() == 50
    assert thinned(values, keep_peaks=False, points=100).max() == pytest.approx(0.5)
    assert len(thinned(values, keep_peaks=True, points=100)) == 100


@pytest.mark.parametrize("ticks", [240, 241, 396, 479, 480, 481, 721])
def test_a_keyframe_has_one_shade_wherever_it_falls(ticks: int) -> None:
    """A strip of 396 ticks once mixed parts of one tick and of two: the same keyframe was twice as bright in some."""
    shades = np.array([in_buckets(lone).max() for lone in np.eye(ticks)])
    usual = np.median(shades)
    assert in_buckets(np.ones(ticks)).size <= 240
    assert (shades != usual).mean() < 0.02  # a part that takes the ticks left over
    assert shades.min() >= usual * 0.66


def test_one_lost_picture_in_an_hour_still_shows() -> None:
    lost = np.zeros(36 * 3600, bool)
    lost[77_777] = True
    assert in_buckets(lost, keep_peaks=True).max() == 1


def test_a_line_is_as_smooth_on_its_left_as_on_its_right() -> None:
    ragged = np.tile([0.0, 1.0], 300)
    assert thinned(ragged, keep_peaks=False) == pytest.approx(np.full(300, 0.5))


@pytest.mark.parametrize("top", [0.0007, 0.3, 1.0, 7.2, 27.8, 1e5])
def test_axis_ticks_are_round_and_reach_the_top(top: float) -> None:
    ticks = nice_ticks(top)
    assert ticks[0] == 0
    assert ticks[-1] >= top * (1 - 1e-9)
    assert 3 <= len(ticks) <= 7
    assert float(f"{ticks[1]:.0e}") == pytest.approx(ticks[1])


def test_a_line_has_a_gap_where_nothing_is_known() -> None:
    values = np.array([1.0, 2.0, np.nan, 1.0, 2.0])
    chart = line_chart(np.arange(5.0), [Series("error", "network", values)], "m")
    path = re.search(r"<path class='line network' d='([^']*)'", chart)
    assert path is not None
    assert path[1].count("M") == 2
    assert "nan" not in chart.lower().replace("nanos", "")


def test_a_chart_of_nothing_known_is_still_a_chart() -> None:
    assert "<svg" in line_chart(np.arange(3.0), [Series("error", "network", np.full(3, np.nan))], "m")


def test_quotes_cannot_leave_an_attribute() -> None:
    assert text("""a'b"c<d>&""") == "a&#x27;b&quot;c&lt;d&gt;&amp;"
    assert "<title>&lt;b&gt;</title>" in page("<b>", "")
