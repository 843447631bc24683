"""Eight 1280x960 H.264 streams to tick-aligned frame sets, against a bare decode of the same files.

Bare decode is the upper limit: the same files, the same number of threads with one codec thread each, and the images
are dropped. Both alternate in one process. Every image carries its number in its pixels, and a separate pass reads it:
`wrong_frames` counts ticks and cameras that show another image than the definition of alignment requires.

    python benchmarks/ingest.py [--quick] [--seconds S] [--repeats N] [--workers N]
"""

import argparse
import itertools
import queue
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median

import av
import numpy as np

from fsd.data.clip import Clip
from fsd.data.frame_source import FrameSource
from fsd.data.frames import CAMERAS, RATE_HZ
from fsd.data.open_clip import open_clip

sys.path.append(str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder off the path
from _report import finish, spread

WIDTH_PX, HEIGHT_PX = 1280, 960
BIT_RATE = 8_000_000
TIME_BASE = Fraction(1, 36_000)
START_STEP = 252  # every camera starts 7 ms after the one before, in units of TIME_BASE
PERIOD = TIME_BASE.denominator // int(RATE_HZ)
BITS, BIT_PX = 14, 64
STREAMS = {"plain": {"preset": "veryfast"}, "fastdecode": {"preset": "veryfast", "tune": "fastdecode,zerolatency"}}
SCENES = 2  # four cameras share one encoded scene, each with its own times


def main() -> None:
    """Measure, verify, and print the metrics."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="short streams and few repeats, under a minute")
    parser.add_argument("--seconds", type=float, default=None, help="length of the streams (default: 6, quick: 1.5)")
    parser.add_argument("--repeats", type=int, default=None, help="measurements of each kind (default: 9, quick: 3)")
    parser.add_argument("--workers", type=int, default=2, help="decoder threads (default: 2)")
    arguments = parser.parse_args()
    seconds = arguments.seconds or (1.5 if arguments.quick else 6.0)
    repeats = arguments.repeats or (3 if arguments.quick else 9)
    metrics: dict[str, float] = {}
    for kind in STREAMS:
        frames = round(seconds * RATE_HZ)
        clip = open_clip(streams(kind, frames))
        bare, ingested = compare(clip, arguments.workers, repeats)
        bare_fps, ingest_fps = [rate.frames_per_s for rate in bare], [rate.frames_per_s for rate in ingested]
        ratios = [a / b for a, b in zip(ingest_fps, bare_fps, strict=True)]
        cpu_ratios = [b.cpu_ms_per_frame / a.cpu_ms_per_frame for a, b in zip(ingested, bare, strict=True)]
        print(f"{kind}: bare decode {spread(bare_fps)} images/s; real time needs {float(8 * RATE_HZ):g}")
        print(f"{kind}: frame sets  {spread(ingest_fps)} images/s, {spread(ratios)} of bare decode")
        print(f"{kind}: by CPU time, which other programs disturb less: {spread(cpu_ratios)} of bare decode")
        wrong, checked = wrong_frames(clip, arguments.workers, frames)
        print(f"{kind}: {wrong} of {checked} images are wrong", flush=True)
        suffix = "" if kind == "plain" else f"_{kind}"
        metrics[f"ingest_over_bare_decode{suffix}"] = round(median(ratios), 4)
        metrics[f"ingest_over_bare_decode_cpu{suffix}"] = round(median(cpu_ratios), 4)
        metrics[f"bare_decode_frames_per_s{suffix}"] = round(median(bare_fps), 1)
        metrics[f"ingest_frames_per_s{suffix}"] = round(median(ingest_fps), 1)
        metrics["wrong_frames"] = metrics.get("wrong_frames", 0) + wrong
        metrics["checked_frames"] = metrics.get("checked_frames", 0) + checked
    measured_on = f"8 H.264 streams {WIDTH_PX}x{HEIGHT_PX}, {seconds:g} s at {float(RATE_HZ):g} Hz"
    finish("ingest", metrics, repeats, measured_on)


@dataclass(frozen=True)
class Rate:
    """Speed of one pass over all files."""

    frames_per_s: float
    cpu_ms_per_frame: float


def compare(clip: Clip, workers: int, repeats: int) -> tuple[list[Rate], list[Rate]]:
    """Bare decode and frame sets alternately, after one warm-up of each."""
    measured: dict[str, list[Rate]] = {"bare": [], "ingest": []}
    passes = {"bare": bare_decode, "ingest": ingest}
    for repeat in range(repeats + 1):
        # The order alternates, so that a drift of the machine affects both equally.
        for name in sorted(passes, reverse=bool(repeat % 2)):
            start_s, start_cpu_s = time.perf_counter(), time.process_time()
            frames = passes[name](clip, workers)
            cpu_ms = (time.process_time() - start_cpu_s) * 1e3
            if repeat:
                measured[name].append(Rate(frames / (time.perf_counter() - start_s), cpu_ms / frames))
    return measured["bare"], measured["ingest"]


def bare_decode(clip: Clip, workers: int, max_images: int | None = None) -> int:
    """Decode the files in `workers` threads, the largest first, and drop the images; returns their number.

    Args:
        max_images: of each file; None is all.
    """
    paths: queue.SimpleQueue[Path] = queue.SimpleQueue()
    for path in sorted(clip.files, key=lambda path: -path.stat().st_size):
        paths.put(path)
    counts = [0] * workers

    def decode(worker: int) -> None:
        while True:
            try:
                path = paths.get_nowait()
            except queue.Empty:
                return
            with av.open(str(path)) as container:
                stream = container.streams.video[0]
                stream.thread_type = "SLICE"
                stream.codec_context.thread_count = 1
                for _ in itertools.islice(container.decode(stream), max_images):
                    counts[worker] += 1

    threads = [threading.Thread(target=decode, args=(worker,)) for worker in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


def ingest(clip: Clip, workers: int) -> int:
    """Iterate over the frame sets of the clip; returns the number of decoded images."""
    with FrameSource(clip, workers=workers) as source:
        for _ in source:
            pass
    return sum(counters.frames_decoded for counters in source.report.cameras.values())


def wrong_frames(clip: Clip, workers: int, frames: int) -> tuple[int, int]:
    """Read every image's number from its pixels and compare with the definition; returns (wrong, checked)."""
    wrong = checked = 0
    with FrameSource(clip, workers=workers) as source:
        for frame_set in source:
            for camera, frame in enumerate(frame_set.frames):
                shown = -1 if frame is None else read_number(frame.y_plane)
                wrong += shown != expected_number(camera, frame_set.tick, frames)
                checked += 1
    return wrong, checked


def expected_number(camera: int, tick: int, frames: int) -> int:
    """Number of the newest image of `camera` not later than `tick`, out of `frames`; -1 before the first."""
    elapsed = tick * PERIOD - camera * START_STEP  # camera 0 starts first, at tick 0
    return min(elapsed // PERIOD, frames - 1) if elapsed >= 0 else -1


def streams(kind: str, frames: int) -> Path:
    """A folder with eight videos of `frames` frames, made on first use and kept in the temporary directory."""
    folder = Path(tempfile.gettempdir()) / f"fsd-ingest-{kind}-{WIDTH_PX}x{HEIGHT_PX}-{frames}"
    if (folder / "complete").exists():
        return folder
    folder.mkdir(exist_ok=True)
    print(f"making {kind} streams of {frames} frames …", flush=True)
    for scene in range(SCENES):
        source = folder / f"scene_{scene}.mp4"
        encode(source, STREAMS[kind], frames, scene)
        for camera in range(scene, len(CAMERAS), SCENES):
            remux(source, folder / f"{CAMERAS[camera]}.mp4", camera * START_STEP)
        source.unlink()
    (folder / "complete").touch()
    return folder


def encode(path: Path, options: dict[str, str], frames: int, scene: int) -> None:
    """Encode two textured layers that move at different speeds, sensor noise, and the image number."""
    rng = np.random.default_rng(scene)
    far, near = texture(rng, 3 * WIDTH_PX, HEIGHT_PX), texture(rng, 6 * WIDTH_PX, HEIGHT_PX // 3)
    noise = rng.normal(0, 1.5, (8, HEIGHT_PX, WIDTH_PX)).astype(np.int16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE_HZ, options={**options, "threads": "2"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        stream.bit_rate = BIT_RATE
        stream.gop_size = int(RATE_HZ)
        stream.codec_context.time_base = TIME_BASE
        for number in range(frames):
            luma = far[:, 5 * number % (2 * WIDTH_PX) :][:, :WIDTH_PX].copy()
            luma[-near.shape[0] :] = near[:, 17 * number % (5 * WIDTH_PX) :][:, :WIDTH_PX]
            luma = np.clip(luma + noise[number % len(noise)], 16, 235).astype(np.uint8)
            write_number(luma, number)
            frame = av.VideoFrame(WIDTH_PX, HEIGHT_PX, "yuv420p")
            images = (luma, luma[::2, ::2] // 4 + 96, luma[1::2, 1::2] // 4 + 96)
            for plane, image in zip(frame.planes, images, strict=True):
                np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:, : image.shape[1]] = image
            frame.pts, frame.time_base = number * PERIOD, TIME_BASE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def texture(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """(height, width) int16 luma with detail at every scale, like a photograph."""
    image = np.full((height, width), 110.0)
    for scale in (128, 64, 32, 16, 8, 4, 2):
        coarse = rng.normal(0, 4 + scale**0.5 * 1.5, (height // scale + 1, width // scale + 1))
        image += np.kron(coarse, np.ones((scale, scale)))[:height, :width]
    return np.clip(image, 16, 235).astype(np.int16)


def remux(source: Path, target: Path, start: int) -> None:
    """Copy the packets of `source`, delayed by `start` units of `TIME_BASE`."""
    with av.open(str(source)) as container, av.open(str(target), "w") as output:
        stream = output.add_stream_from_template(container.streams.video[0])
        for packet in container.demux(video=0):
            if packet.pts is None or packet.dts is None:  # the end of the file
                continue
            shift = int(start * TIME_BASE / packet.time_base)
            packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
            output.mux(packet)


def write_number(luma: np.ndarray, number: int) -> None:
    """Draw `number` as black and white squares in the upper left corner."""
    for bit in range(BITS):
        luma[:BIT_PX, bit * BIT_PX : (bit + 1) * BIT_PX] = 200 if number >> bit & 1 else 40


def read_number(luma: np.ndarray) -> int:
    """The number that `write_number` drew; robust to compression."""
    middle = slice(BIT_PX // 4, 3 * BIT_PX // 4)
    squares = (luma[middle, bit * BIT_PX :][:, middle].mean() > 120 for bit in range(BITS))
    return sum(int(is_set) << bit for bit, is_set in enumerate(squares))


if __name__ == "__main__":
    main()
