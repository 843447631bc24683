"""Replay speed for eight 1280x960 H.264 streams at 36 Hz, against real time, bare decode, and a naive script.

Bare decode is the upper limit: the same files, the same number of threads, and the images are dropped. All kinds
alternate in one process. The replay writes tables, summary and report, but no overlay video and no viewer file; what
the overlay video adds is measured with plain streams. The naive script converts every image to RGB, resizes with torch,
and runs the float network in PyTorch at every tick.

What a replay costs once is told apart from what every tick costs: replay and bare decode run over the first 12 ticks as
well, and the difference of both lengths is the work of the ticks between; over the few of `--quick`, a busy machine
shifts it by milliseconds. `outside_decode_ms` is the CPU time per tick of a replay less that of the bare decode beside
it, with as many decoder threads, both over those later ticks;
`start_up_ms` is what is left of the first ticks: opening, loading, warm-up, and most of the report, but not imports
and compiling. A replay draws up to a dozen images for its report, which count as work per tick here and are fewer per
tick in a drive of more than 12 s. `outside_decode_over_peak` divides `outside_decode_ms` by the time that the network's
multiply-accumulates take at this machine's measured peak INT8 rate, on one thread. All are medians over the repeats;
`over_bare_decode`, `realtime` and `replay_cpu_ms` are of the whole replay.

    python benchmarks/replay_speed.py [--quick] [--seconds S] [--repeats N] [--workers N]
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import av
import numpy as np

from fsd.data.clip import Clip
from fsd.data.frames import CAMERAS, RATE_HZ
from fsd.data.open_clip import open_clip
from fsd.profile.energy.budget_costs import budget_costs
from fsd.profile.operators.machine_peaks import measure_peaks
from fsd.replay.config import ReplayConfig
from fsd.replay.replay import replay
from fsd.runtime.engine import Engine

sys.path.append(str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder off the path
from _report import finish, spread
from _streams import native_clip
from ingest import bare_decode

Run = Callable[[], float]
"""Runs once and returns ticks per second."""

CpuTimes = dict[str, list[float]]
"""Run -> milliseconds of CPU time of every repeat, which other programs disturb less than the wall clock."""

FIRST_TICKS = 12
"""Ticks of the short runs, from which start-up is known."""

KINDS = {"plain": "", "fastdecode": "_fastdecode"}
"""Streams -> how the names of their metrics end."""


def main() -> None:
    """Measure alternately and print the metrics."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="short streams and few repeats, under a minute")
    parser.add_argument("--seconds", type=float, default=None, help="length of the streams (default: 30, quick: 3)")
    parser.add_argument("--repeats", type=int, default=None, help="measurements of each kind (default: 5, quick: 2)")
    parser.add_argument("--workers", type=int, default=2, help="decoder threads (default: 2)")
    parser.add_argument(
        "--naive-ticks", type=int, default=None, help="ticks of the naive script (default: 72, quick: 12)"
    )
    arguments = parser.parse_args()
    ticks = round((arguments.seconds or (3.0 if arguments.quick else 30.0)) * RATE_HZ)
    if ticks <= FIRST_TICKS:
        parser.error(f"--seconds must be more than {float(FIRST_TICKS / RATE_HZ):g}")
    repeats = arguments.repeats or (2 if arguments.quick else 5)
    naive_ticks = arguments.naive_ticks or (12 if arguments.quick else 72)
    clips = {kind: open_clip(native_clip(kind, ticks)) for kind in KINDS}
    workers = arguments.workers
    runs: dict[str, Run] = {}
    ticks_of: dict[str, int] = {}
    for kind, clip in clips.items():
        for name, count in ((kind, ticks), (first(kind), FIRST_TICKS)):
            runs[f"bare decode, {name}"] = partial(decoded_ticks_per_s, clip, workers, count)
            runs[f"replay, {name}"] = partial(replayed_ticks_per_s, clip, workers, count)
            ticks_of |= {f"bare decode, {name}": count, f"replay, {name}": count}
    runs["replay with overlay, plain"] = partial(replayed_ticks_per_s, clips["plain"], workers, ticks, overlay=True)
    ticks_of["replay with overlay, plain"] = ticks
    naive = naive_script(clips["plain"], naive_ticks)
    if naive is not None:
        runs["naive, plain"], ticks_of["naive, plain"] = naive, naive_ticks
    rates, cpu_ms = measure_alternately(runs, repeats)
    tick_cpu_ms = {name: [each / ticks_of[name] for each in cpu_ms[name]] for name in runs}
    for name in rates:
        print(
            f"{name:<26} {spread(rates[name])} ticks/s, {median(rates[name]) / float(RATE_HZ):.2f}x real time, "
            f"{median(tick_cpu_ms[name]):.1f} ms of CPU time per tick"
        )
    metrics = {
        "realtime_h264": median(rates["replay, plain"]) / float(RATE_HZ),
        "realtime_fastdecode": median(rates["replay, fastdecode"]) / float(RATE_HZ),
        "over_bare_decode": _ratio(rates, "replay, plain", "bare decode, plain"),
        "over_bare_decode_fastdecode": _ratio(rates, "replay, fastdecode", "bare decode, fastdecode"),
        "replay_cpu_ms_h264": median(tick_cpu_ms["replay, plain"]),
        "replay_cpu_ms_fastdecode": median(tick_cpu_ms["replay, fastdecode"]),
        "overlay_cpu_ms": median(tick_cpu_ms["replay with overlay, plain"]) - median(tick_cpu_ms["replay, plain"]),
    }
    best_ms = network_at_peak_ms()
    for kind, suffix in KINDS.items():
        later_ticks = ticks - FIRST_TICKS
        outside_ms, start_up_ms = outside_decode_ms(cpu_ms, kind, later_ticks)
        print(
            f"outside decode, {kind}: {spread(outside_ms)} ms of CPU time per tick over {later_ticks} ticks after the "
            f"first {FIRST_TICKS}, without start-up; network at peak {best_ms:.1f}\n"
            f"start-up, {kind}: {spread(start_up_ms)} ms of CPU time once per replay"
        )
        metrics |= {
            f"outside_decode_ms{suffix}": median(outside_ms),
            f"outside_decode_over_peak{suffix}": median(outside_ms) / best_ms,
            f"start_up_ms{suffix}": median(start_up_ms),
        }
    if naive is not None:
        metrics["over_naive"] = _ratio(rates, "replay, plain", "naive, plain")
    measured_on = f"8 H.264 streams 1280x960, {ticks} ticks at {float(RATE_HZ):g} Hz"
    finish("replay_speed", {name: round(value, 4) for name, value in metrics.items()}, repeats, measured_on)


def first(kind: str) -> str:
    """Name of the run over the first ticks of some streams."""
    return f"first {FIRST_TICKS} ticks, {kind}"


def measure_alternately(runs: dict[str, Run], repeats: int) -> tuple[dict[str, list[float]], CpuTimes]:
    """Ticks per second and CPU time of every run, `repeats` times after one warm-up; the order alternates."""
    rates: dict[str, list[float]] = {name: [] for name in runs}
    cpu_ms: CpuTimes = {name: [] for name in runs}
    for repeat in range(repeats + 1):
        for name in list(runs)[:: -1 if repeat % 2 else 1]:
            start_s = time.process_time()
            rate = runs[name]()
            if repeat:
                rates[name].append(rate)
                cpu_ms[name].append((time.process_time() - start_s) * 1e3)
    return rates, cpu_ms


def later_ms(cpu_ms: CpuTimes, run: str, kind: str) -> list[float]:
    """What the ticks after the first `FIRST_TICKS` took: each whole run less the short one measured beside it."""
    pairs = zip(cpu_ms[f"{run}, {kind}"], cpu_ms[f"{run}, {first(kind)}"], strict=True)
    return [whole - short for whole, short in pairs]


def outside_decode_ms(cpu_ms: CpuTimes, kind: str, later_ticks: int) -> tuple[list[float], list[float]]:
    """CPU time of replays less that of the bare decode measured beside them: per tick after the first, and once."""
    replayed, decoded = later_ms(cpu_ms, "replay", kind), later_ms(cpu_ms, "bare decode", kind)
    per_tick_ms = [(each - bare) / later_ticks for each, bare in zip(replayed, decoded, strict=True)]
    short = zip(cpu_ms[f"replay, {first(kind)}"], cpu_ms[f"bare decode, {first(kind)}"], strict=True)
    once_ms = [each - bare - FIRST_TICKS * tick_ms for (each, bare), tick_ms in zip(short, per_tick_ms, strict=True)]
    return per_tick_ms, once_ms


def network_at_peak_ms() -> float:
    """What the packaged network's multiply-accumulates take at this machine's peak INT8 rate, on one thread."""
    return budget_costs()[Engine().budget.name].macs / measure_peaks().int8_gmac_s / 1e6


def decoded_ticks_per_s(clip: Clip, workers: int, ticks: int) -> float:
    """Bare decode, in ticks of eight images."""
    start_s = time.perf_counter()
    images = bare_decode(clip, workers, ticks)
    return images / len(CAMERAS) / (time.perf_counter() - start_s)


def replayed_ticks_per_s(clip: Clip, workers: int, ticks: int, overlay: bool = False) -> float:
    """`fsd replay --no-overlay --no-mcap`, or with the overlay, from the first file opened to the last table closed."""
    with tempfile.TemporaryDirectory(prefix="fsd-replay-") as out:
        config = ReplayConfig(
            clip=clip.path, out=Path(out), decode_workers=workers, overlay=overlay, mcap=False, max_ticks=ticks
        )
        summary = replay(config, show_progress=False)
    return float(summary.times_real_time or 0.0) * float(RATE_HZ)


def naive_script(clip: Clip, ticks: int) -> Run | None:
    """The naive script as a function; None without PyTorch."""
    try:
        import torch
        from torch.nn import functional
    except ImportError:
        print("naive script: skipped, PyTorch is not installed (extra `train`)")
        return None
    from fsd.networks.contract import input_shapes
    from fsd.networks.model import DrivingNetwork

    network = DrivingNetwork().eval()
    budget = network.config.budget
    shapes = input_shapes(budget)
    inputs = {name: torch.zeros((1, *shape), dtype=getattr(torch, dtype)) for name, (shape, dtype) in shapes.items()}
    paths = [stream.path for stream in clip.streams if stream is not None]
    retina_hw = (budget.base_height_px, budget.base_width_px)
    crops = [(index % 8, 32 * (index // 8), 32 * (index % 5)) for index in range(budget.patch_count)]

    def run() -> float:
        containers = [av.open(str(path)) for path in paths]
        videos = [container.decode(video=0) for container in containers]
        start_s = time.perf_counter()
        with torch.inference_mode():
            for _ in range(ticks):
                images = [next(video).to_ndarray(format="rgb24") for video in videos]
                rgb = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float()  # (8, 3, H, W)
                small = functional.interpolate(rgb, retina_hw, mode="bilinear", antialias=True)
                half = functional.interpolate(rgb, scale_factor=0.5, mode="bilinear", antialias=True)
                inputs["retina"][0] = _packed(small)
                inputs["patches"][0] = _packed(torch.stack([half[c, :, y : y + 32, x : x + 32] for c, y, x in crops]))
                network(**inputs)
        took_s = time.perf_counter() - start_s
        for container in containers:
            container.close()
        return ticks / took_s

    def _packed(rgb: "torch.Tensor") -> "torch.Tensor":
        """(N, 3, H, W) -> (N, 6, H/2, W/2) uint8: four lumas and two averaged colours, as the network expects."""
        luma = rgb.mean(1, keepdim=True)
        colours = functional.avg_pool2d(rgb[:, 1:], 2)
        return torch.cat([functional.pixel_unshuffle(luma, 2), colours], 1).to(torch.uint8)

    return run


def _ratio(rates: dict[str, list[float]], name: str, reference: str) -> float:
    """Median of the ratios of consecutive runs."""
    return median(a / b for a, b in zip(rates[name], rates[reference], strict=True))


if __name__ == "__main__":
    main()
