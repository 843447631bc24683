"""What somebody meets in the first hour: time to the demo and to the first plan, and how heavy a report page is.

The demo runs in a new process with an empty kernel cache, as after installing; `first_plan_s` is the time of its first
row. The page of an hour's drive is made of the demo's own results, repeated, and of its pictures; `report_open_ms` is
from the start of the navigation to the load event in headless Chromium, and `report_mb_per_hour` the size of that page.
With `--quick` the film has a tenth of its images and is filled up to its size with an empty box.

    python benchmarks/first_hour.py [--quick] [--repeats N]
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from statistics import median

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fsd.data.clip import Clip
from fsd.data.ego import EgoTrack
from fsd.data.frames import RATE_HZ
from fsd.data.open_clip import open_clip
from fsd.data.recording_options import RecordingOptions
from fsd.outputs.run_folder import load_run
from fsd.replay.film import MOST_IMAGES, Film, FilmVideo
from fsd.replay.page import write_report
from fsd.replay.worst_ticks import WorstTicks
from fsd.runtime.plan import Plan
from fsd.runtime.planner import PlannerMetadata, StepResult

sys.path.append(str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder off the path
from _report import finish

HOUR_TICKS = 3600 * int(RATE_HZ)
DEMO = """
import sys, time
from fsd.cli import main
from fsd.outputs.tables import ResultTables
append, seen = ResultTables.append, []
def first(self, *values):
    if not seen:
        seen.append(print("first plan", time.time(), file=sys.stderr, flush=True))
    append(self, *values)
ResultTables.append = first
sys.exit(main(sys.argv[1:]))
"""
MAIN = "import sys; from fsd.cli import main; sys.exit(main(sys.argv[1:]))"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LOADED = "<script>addEventListener('load', () => { document.title = `loaded in ${performance.now()}`; });</script>"


def main() -> None:
    parser = argparse.ArgumentParser(
        allow_abbrev=False, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under 60 s: a tenth of the film's images, fewer repeats")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="of help and of opening (default: 5)")
    options = parser.parse_args()
    repeats = 2 if options.quick else options.repeats
    figures: dict[str, float | None] = {}
    not_measured: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        figures["help_ms"] = 1000 * median(_wall_s([sys.executable, "-c", MAIN, "--help"]) for _ in range(repeats))
        figures["demo_wall_s_after_install"], figures["first_plan_s"] = _demo(out)
        page = _hour_page(out, images=MOST_IMAGES // (10 if options.quick else 1))
        figures["report_mb_per_hour"] = page.stat().st_size / 1e6
        browser = next(filter(None, map(shutil.which, BROWSERS)), None)
        if browser is None:
            not_measured["report_open_ms"] = "no Chromium on this machine"
        figures["report_open_ms"] = browser and median(_open_ms(browser, page, out) for _ in range(repeats))
    for name, value in figures.items():
        print(f"{name:28} {'not measured' if value is None else f'{value:.3g}'}")
    finish("first_hour", figures, repeats, "the demo clip, its results repeated to an hour", not_measured)


def _wall_s(command: Sequence[str]) -> float:
    start_s = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start_s


def _demo(out: Path) -> tuple[float, float]:
    """Seconds of the whole demo and until its first plan, with kernels compiled."""
    cold = os.environ | {"NUMBA_CACHE_DIR": str(out / "kernels")}
    command = [sys.executable, "-c", DEMO, "demo", "--out", str(out / "demo")]
    start_s = time.time()
    done = subprocess.run(command, env=cold, check=True, capture_output=True, text=True)
    wall_s = time.time() - start_s
    found = re.search(r"first plan ([\d.]+)", done.stderr)
    assert found, done.stderr
    return wall_s, float(found.group(1)) - start_s


def _hour_page(out: Path, images: int) -> Path:
    """The report of an hour, made of the demo's results; returns its file."""
    run = load_run(out / "demo")
    times = -(-HOUR_TICKS // len(run.tick))
    span_ns = int(run.timestamp_ns[-1] - run.timestamp_ns[0]) + round(1e9 / RATE_HZ)
    folder = out / "hour"
    folder.mkdir()
    for name, table in (("plan", run.plan), ("ticks", run.ticks)):
        pq.write_table(_repeated(table, times, span_ns), folder / f"{name}.parquet")
    shutil.copy(out / "demo" / "summary.json", folder)
    with resources.as_file(resources.files("fsd") / "demo_clip") as path:
        options = RecordingOptions(clip=path)
        clip = open_clip(path, options)
        assert clip.ego is not None
        clip = replace(clip, ego=_repeated_ego(clip.ego, times, span_ns))
        film, worst = _film(clip, options, run.trajectory, images)
        write_report(
            out / "hour.html",
            folder,
            msgspec.structs.replace(run.summary, ticks=HOUR_TICKS, drive_s=3600.0),
            clip,
            worst,
            film,
        )
    return out / "hour.html"


def _repeated(table: pa.Table, times: int, span_ns: int) -> pa.Table:
    """A table with its rows so many times, ticks and times going on, cut to an hour."""
    whole = pa.concat_tables([table] * times).slice(0, HOUR_TICKS)
    laps = np.repeat(np.arange(times), table.num_rows)[: whole.num_rows]
    for name, step in (("tick", table.num_rows), ("t_ns", span_ns)):
        if name in whole.column_names:
            values = whole[name].to_numpy() + laps * step
            whole = whole.set_column(
                whole.column_names.index(name), whole.field(name), pa.array(values, whole.field(name).type)
            )
    return whole


def _repeated_ego(ego: EgoTrack, times: int, span_ns: int) -> EgoTrack:
    inside = ego.timestamp_ns < ego.timestamp_ns[0] + span_ns
    laps = np.repeat(np.arange(times), int(inside.sum()))
    columns = {name: np.tile(getattr(ego, name)[inside], times) for name in EgoTrack.__dataclass_fields__}
    return EgoTrack(**columns | {"timestamp_ns": columns["timestamp_ns"] + laps * span_ns})


def _film(clip: Clip, options: RecordingOptions, trajectory: np.ndarray, images: int) -> tuple["_Filled", WorstTicks]:
    """A film of an hour from the clip's pictures, over and over, and its worst ticks."""
    film = _Filled(clip, images)
    film.expect(HOUR_TICKS)
    worst = WorstTicks(clip, PlannerMetadata(name="", trained=True, precision="", weights_sha256="", inputs={}))
    while len(film.shown) < images:
        with options.frame_source(clip) as source:
            for row, frame_set in enumerate(source):
                zeros = np.zeros((16, 4))
                path = trajectory[min(row, len(trajectory) - 1)]
                plan = Plan(row, frame_set.timestamp_ns, path, zeros, 0, 0, 0, 0, 0, 0, np.zeros(4), "ok")
                result = StepResult(frame_set, plan, None, "none", b"", b"", 0, 0, 0, 0)
                film.add_now(result)
                if len(film.shown) < 6 * int(RATE_HZ):
                    worst.add(result, None, "none")
                if len(film.shown) == images:
                    break
    return film, worst


class _Filled(Film):
    """A film that shows whatever it is given, and that has the size of one with all its images."""

    def __init__(self, clip: Clip, images: int) -> None:
        super().__init__(clip)
        self._images = images
        self.shown: list[int] = []

    def add_now(self, result: StepResult) -> None:
        """Show this tick as the next image."""
        self._ticks = len(self.shown) * self._every
        self.shown.append(self._ticks)
        self.add(result, None, "none")

    def finished(self) -> FilmVideo | None:
        film = super().finished()
        assert film is not None
        missing = len(film.content) * MOST_IMAGES // self._images - len(film.content)
        box = (missing + 8).to_bytes(4, "big") + b"free" + os.urandom(missing)
        return FilmVideo(film.content + box, np.arange(MOST_IMAGES) * self._every, film.aspect)


def _open_ms(browser: str, page: Path, folder: Path) -> float:
    """From the start of the navigation to the load event."""
    timed = folder / "timed.html"
    timed.write_text(page.read_text(encoding="utf-8").replace("</body>", f"{LOADED}</body>"), encoding="utf-8")
    flags = f"--headless --no-sandbox --disable-gpu --user-data-dir={folder / 'browser'}"
    done = subprocess.run(
        [browser, *flags.split(), "--dump-dom", timed.as_uri()], capture_output=True, text=True, check=True, timeout=180
    )
    found = re.search(r"loaded in ([\d.]+)", done.stdout)
    assert found, done.stdout[:300]
    return float(found.group(1))


if __name__ == "__main__":
    main()
