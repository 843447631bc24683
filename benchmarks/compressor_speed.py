"""Time of the whole compressor for one tick of eight cameras on one core, patches included, at several sizes.

The lower limit is reading every byte of the planes once, measured between the ticks of the same run. The images are
eight moving views of large synthetic scenes with sensor noise. They are kept in a ring larger than the caches, so that
every tick reads its planes from memory; at 1280x960 it is as large as the decoders' buffers. Ego motion is given, so
every tick warps its references. Ratios are of medians and, for busy machines, of minima.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from numba import njit

from fsd.compression.budget import ALL_BUDGETS, DEFAULT_BUDGET, Budget
from fsd.compression.compressor import Compressor
from fsd.data.clock import tick_time_ns
from fsd.data.ego import EgoSample
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS, Frame, FrameSet
from fsd.data.standard_rigs import canonical_rig

sys.path.append(str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder off the path
from _report import finish, spread

REFERENCE_PX = (1280, 960)
OTHER_SIZES_PX = ((1920, 1080), (2896, 1876), (1448, 938))
"""Width and height of 1080p, of the cameras of hardware 4, and of those at half their size."""

RING = 6
"""Frame sets in the ring, 88 MB of planes: the current tick, four of look-ahead, and one being decoded."""

WARM_UP_TICKS = 60

PITCH = 64
"""Rows of a plane begin at multiples of this, as decoders leave them."""


@njit(nogil=True, error_model="numpy")
def _read(words: np.ndarray) -> int:
    total = np.uint64(0)
    for y in range(words.shape[0]):
        line = words[y]
        for x in range(line.shape[0]):
            total ^= line[x]
    return total


def scene(rng: np.random.Generator, size_px: tuple[int, int]) -> np.ndarray:
    """Smooth areas, edges and fine grain: (height + 256, width + 256) uint8."""
    width, height = size_px[0] + 256, size_px[1] + 256
    image = np.full((height, width), 100.0, np.float32)
    for cell, strength in ((128, 60), (32, 40), (8, 20)):
        grains = rng.normal(0, strength, (height // cell + 1, width // cell + 1)).astype(np.float32)
        image += np.kron(grains, np.ones((cell, cell), np.float32))[:height, :width]
    return np.clip(image, 0, 255).astype(np.uint8)


def make_ring(size_px: tuple[int, int] = REFERENCE_PX, seed: int = 0) -> list[tuple[Frame, ...]]:
    """Eight cameras, each panning in a circle over its own scene and back to the start."""
    rng = np.random.default_rng(seed)
    scenes = [scene(rng, size_px) for _ in CAMERAS]
    ring = []
    for index in range(RING):
        angle = 2 * np.pi * index / RING
        top, left = (int(128 + 12 * part) & ~1 for part in (np.sin(angle), np.cos(angle)))
        ring.append(tuple(_view(image, size_px, top, left, rng, index) for image in scenes))
    return ring


def _view(
    image: np.ndarray, size_px: tuple[int, int], top: int, left: int, rng: np.random.Generator, index: int
) -> Frame:
    luma = image[top : top + size_px[1], left : left + size_px[0]] // 2 + 32
    luma = luma + rng.integers(0, 6, luma.shape, dtype=np.uint8)
    chroma = luma[::2, ::2]
    return Frame(_plane(luma), _plane(chroma), _plane(255 - chroma), timestamp_ns=index, index=index)


def _plane(pixels: np.ndarray) -> np.ndarray:
    """The same in rows that are a multiple of `PITCH` apart."""
    height, width = pixels.shape
    plane = np.zeros((height, -(-width // PITCH) * PITCH), np.uint8)[:, :width]
    plane[:] = pixels
    return plane


def frame_set(tick: int, ring: list[tuple[Frame, ...]]) -> FrameSet:
    """Frame set of a tick; the pan repeats."""
    ages, everywhere = np.zeros(len(CAMERAS), np.int64), np.ones(len(CAMERAS), bool)
    return FrameSet(tick, tick_time_ns(tick), ring[tick % len(ring)], ages, everywhere, everywhere)


def planes(frame: Frame) -> tuple[np.ndarray, ...]:
    return frame.y_plane, frame.u_plane, frame.v_plane


def read_all(frames: tuple[Frame, ...]) -> None:
    """Read every byte of the planes once, except those beyond the last whole word of a row."""
    for frame in frames:
        for plane in planes(frame):
            _read(plane[:, : plane.shape[1] // 8 * 8].view(np.uint64))


def measure(size_px: tuple[int, int], budget: Budget, ticks: int) -> dict[str, float]:
    """Metrics of cameras of one size."""
    ring = make_ring(size_px)
    compressor = Compressor(canonical_rig(*size_px), budget)
    ego = EgoSample(speed_mps=12.0, yaw_rate_rps=0.05)
    saliency = np.zeros((len(CAMERAS), GRID_ROWS, GRID_COLUMNS), np.float32)
    read_ms, whole_ms = [], []
    for tick in range(WARM_UP_TICKS + ticks):
        start = time.perf_counter_ns()
        read_all(ring[(tick + RING // 2) % RING])
        read = time.perf_counter_ns()
        shown = frame_set(tick, ring)
        begin = time.perf_counter_ns()
        compressor.step(shown, ego, saliency)
        end = time.perf_counter_ns()
        if tick >= WARM_UP_TICKS:
            read_ms.append((read - start) / 1e6)
            whole_ms.append((end - begin) / 1e6)
    megabytes = sum(plane.nbytes for frame in ring[0] for plane in planes(frame)) / 1e6
    name = f"{size_px[0]}x{size_px[1]}"
    print(f"{name}, reading {megabytes:.1f} MB once: {spread(read_ms)} ms, {megabytes / min(read_ms):.1f} GB/s at best")
    print(f"{name}, compressor {budget.name}: {spread(whole_ms)} ms, {min(whole_ms) / min(read_ms):.2f} of it at best")
    return {
        "compressor_p50_ms": float(np.percentile(whole_ms, 50)),
        "compressor_p99_ms": float(np.percentile(whole_ms, 99)),
        "read_once_p50_ms": float(np.percentile(read_ms, 50)),
        "read_once_p99_ms": float(np.percentile(read_ms, 99)),
        "compressor_over_read_once": float(np.median(whole_ms) / np.median(read_ms)),
        "compressor_least_ms": min(whole_ms),
        "read_once_least_ms": min(read_ms),
        "least_over_read_once": min(whole_ms) / min(read_ms),
    }


def compare(budget: Budget, other: Budget, ticks: int) -> dict[str, float]:
    """Processor time of two budgets on the same pictures of 1280x960, one after the other at every tick."""
    ring = make_ring()
    compressors = [Compressor(canonical_rig(*REFERENCE_PX), each) for each in (budget, other)]
    ego = EgoSample(speed_mps=12.0, yaw_rate_rps=0.05)
    saliency = np.zeros((len(CAMERAS), GRID_ROWS, GRID_COLUMNS), np.float32)
    spent_ms: tuple[list[float], list[float]] = [], []
    for tick in range(WARM_UP_TICKS + ticks):
        shown = frame_set(tick, ring)
        for turn in (tick % 2, 1 - tick % 2):  # either one is first equally often, with the planes not in the cache
            begin = time.thread_time_ns()
            compressors[turn].step(shown, ego, saliency)
            spent_ms[turn].append((time.thread_time_ns() - begin) / 1e6)
    (own, others) = (np.array(spent[WARM_UP_TICKS:]) for spent in spent_ms)
    for each, spent in ((budget, own), (other, others)):
        print(f"processor time, {each.name}: {spread(spent.tolist())} ms")
    return {
        "processor_p50_ms": float(np.median(own)),
        f"processor_p50_ms_{other.name}": float(np.median(others)),
        f"processor_p50_over_{other.name}": float(np.median(own) / np.median(others)),
        f"processor_least_over_{other.name}": float(own.min() / others.min()),
    }


def main() -> None:
    """Measure and print the metrics; those of other sizes than 1280x960 have their size in the name."""
    parser = argparse.ArgumentParser(allow_abbrev=False, description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer ticks")
    parser.add_argument("--budget", choices=sorted(ALL_BUDGETS), default=DEFAULT_BUDGET, help="default: %(default)s")
    parser.add_argument("--against", choices=sorted(ALL_BUDGETS), help="only compare processor time with this budget")
    options = parser.parse_args()
    ticks = 400 if options.quick else 5000
    budget = ALL_BUDGETS[options.budget]
    if options.against:
        metrics = compare(budget, ALL_BUDGETS[options.against], ticks)
        measured_on = f"8 synthetic cameras of 1280x960, budgets {options.budget} and {options.against}, interleaved"
        finish("compressor_speed", {name: round(value, 4) for name, value in metrics.items()}, ticks, measured_on)
        return
    metrics = measure(REFERENCE_PX, budget, ticks)
    for size_px in OTHER_SIZES_PX:
        of_size = measure(size_px, budget, ticks // 4)
        metrics |= {f"{name}_{size_px[0]}x{size_px[1]}": value for name, value in of_size.items()}
    sizes = ", ".join(f"{width}x{height}" for width, height in (REFERENCE_PX, *OTHER_SIZES_PX))
    measured_on = f"8 synthetic cameras of {sizes}, budget {options.budget}"
    finish("compressor_speed", {name: round(value, 4) for name, value in metrics.items()}, ticks // 4, measured_on)


if __name__ == "__main__":
    main()
