"""TeslaCam events: whether every tick shows the right picture, and how fast they replay.

Right: events with every fault of `teslacam_events.FAULTS`, alone and together; each picture's own time is read from its
pixels. Fast: an event of four HW3 cameras and one of six HW4 cameras at their sizes, H.264 Constrained Baseline,
replayed with tables, summary and report, without overlay and viewer file, against bare decode of the same files in
alternation.
The bit rate of HW3 is that of real clips; that of HW4 is assumed to grow with the picture. Pictures are synthetic.

    python benchmarks/teslacam.py [--quick] [--seconds S] [--repeats N]
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from fsd.data.clip import Clip
from fsd.data.frame_source import FrameSource
from fsd.data.frames import CAMERAS, RATE_HZ, TICK_NS
from fsd.data.open_clip import open_clip
from fsd.replay.config import ReplayConfig
from fsd.replay.replay import replay

sys.path.append(str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder off the path
from _report import finish, spread
from ingest import bare_decode
from teslacam_events import FAULTS, HW4_CAMERAS, SMALL_HW4, EventForm, time_ms_in, write_event

HW3_PX, HW4_FRONT_PX, HW4_OTHER_PX = (1280, 960), (2896, 1876), (1448, 938)
HW3_KBIT_PER_S, HW4_KBIT_PER_S = 5_200, 8_000
WORKERS = 2


def main() -> None:
    """Check, measure, and print the metrics."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="short events and few repeats, under a minute")
    parser.add_argument("--seconds", type=int, default=None, help="length of the events (default: 20, quick: 1)")
    parser.add_argument("--repeats", type=int, default=None, help="measurements of each kind (default: 3, quick: 1)")
    arguments = parser.parse_args()
    seconds = arguments.seconds or (1 if arguments.quick else 20)
    repeats = arguments.repeats or (1 if arguments.quick else 3)
    metrics: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        events = ((), FAULTS) if arguments.quick else ((), *((fault,) for fault in FAULTS), FAULTS)
        metrics |= check_all(Path(scratch), events)
        hw3 = EventForm(seconds, 1, front_px=HW3_PX, other_px=HW3_PX, kbit_per_s=HW3_KBIT_PER_S)
        hw4 = EventForm(seconds, 1, HW4_CAMERAS, HW4_FRONT_PX, HW4_OTHER_PX, HW4_KBIT_PER_S)
        for name, form in (("hw3_4cam", hw3), ("hw4_6cam", hw4)):
            folder = Path(scratch) / name
            write_event(folder, form)
            metrics |= measure(name, open_clip(folder), folder, repeats)
    measured_on = (
        f"{len(events)} events of 6 s, 6 cameras; 1 event each of HW3 and HW4 size, {seconds} s; synthetic pictures"
    )
    finish("teslacam", metrics, repeats, measured_on)


@dataclass
class Check:
    """What an event showed: pictures compared, wrong ones, ticks and cameras, and repeats beyond missing pictures."""

    checked: int = 0
    wrong: int = 0
    shown_ticks: int = 0
    repeats: int = 0


def check_all(scratch: Path, events: Sequence[Sequence[str]]) -> dict[str, float]:
    """Check one event for every set of faults."""
    total = Check()
    for faults in events:
        folder = scratch / "-".join(("event", *faults))
        write_event(folder, SMALL_HW4, faults)
        found = check_event(open_clip(folder))
        print(
            f"{' '.join(faults) or 'no fault':48} wrong {found.wrong} of {found.checked}, "
            f"repeats beyond missing {found.repeats} of {found.shown_ticks}",
            flush=True,
        )
        for name in vars(total):
            setattr(total, name, getattr(total, name) + getattr(found, name))
    return {
        "wrong_frames": total.wrong,
        "checked_frames": total.checked,
        "repeat_share": round(total.repeats / total.shown_ticks, 5),
    }


def check_event(clip: Clip) -> Check:
    """Replay an event's pictures and compare the time that each shows with the time that it is shown as.

    A picture is also wrong if it is shown more than three ticks late while its camera has newer ones.
    """
    found = Check()
    with FrameSource(clip, workers=WORKERS) as source:
        for frame_set in source:
            for camera, frame in enumerate(frame_set.frames):
                if frame is None:
                    continue
                found.shown_ticks += 1
                if frame_set.is_new[camera]:
                    found.checked += 1
                    stray_ns = abs(time_ms_in(frame.y_plane) * 1_000_000 - frame.timestamp_ns)
                    late_ns = frame_set.timestamp_ns - frame.timestamp_ns
                    found.wrong += not (stray_ns <= 1_100_000 and 0 <= late_ns <= 3 * TICK_NS)
    for name in CAMERAS:
        if (counters := source.report.cameras.get(name)) is not None:
            recorded = counters.frames_timed
            present = source.report.ticks - counters.ticks_missing
            found.repeats += max(0, counters.ticks_repeated - max(0, present - recorded))
    return found


def measure(name: str, clip: Clip, folder: Path, repeats: int) -> dict[str, float]:
    """Times real time of a replay, and its share of bare decode, alternately."""
    pictures = bare_decode(clip, WORKERS)
    drive_s = pictures / len([stream for stream in clip.streams if stream]) / float(RATE_HZ)
    bare, replayed = [], []
    for _ in range(repeats):
        started_s = time.perf_counter()
        bare_decode(clip, WORKERS)
        bare.append(drive_s / (time.perf_counter() - started_s))
        with tempfile.TemporaryDirectory() as out:
            config = ReplayConfig(clip=folder, out=Path(out), overlay=False, mcap=False, decode_workers=WORKERS)
            replayed.append(replay(config, show_progress=False).times_real_time or 0.0)
    ratios = [a / b for a, b in zip(replayed, bare, strict=True)]
    print(f"{name}: bare decode {spread(bare)} x real time; replay {spread(replayed)}, {spread(ratios)} of bare decode")
    return {
        f"realtime_{name}": round(median(replayed), 3),
        f"bare_decode_{name}": round(median(bare), 3),
        f"over_bare_decode_{name}": round(median(ratios), 3),
    }


if __name__ == "__main__":
    main()
