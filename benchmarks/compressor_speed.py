"""Time of the whole compressor for one tick of eight 1280x960 cameras on one core, patches included.

The lower limit is reading every byte of the planes once, measured between the ticks of the same run. The images are
eight moving views of large synthetic scenes with sensor noise. They are kept in a ring as large as the decoders'
buffers, so that every tick reads its planes from memory. Ego motion is given, so every tick warps its references.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from numba import njit

from fsd.compression.budget import BUDGETS
from fsd.compression.compressor import Compressor
from fsd.data.clock import tick_time_ns
from fsd.data.ego import EgoSample
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS, Frame, FrameSet
from fsd.data.standard_rigs import canonical_rig

sys.path.append(str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder off the path
from _report import finish, spread

HEIGHT_PX, WIDTH_PX = 960, 1280
RING = 6
"""Frame sets in the ring, 88 MB of planes: the current tick, four of look-ahead, and one being decoded."""

WARM_UP_TICKS = 60


@njit(nogil=True, error_model="numpy")
def _read(words: np.ndarray) -> int:
    total = np.uint64(0)
    for y in range(words.shape[0]):
        line = words[y]
        for x in range(line.shape[0]):
            total ^= line[x]
    return total


def scene(rng: np.random.Generator) -> np.ndarray:
    """A (1216, 1536) uint8 image of smooth areas, edges and fine grain."""
    height, width = HEIGHT_PX + 256, WIDTH_PX + 256
    image = np.full((height, width), 100.0, np.float32)
    for cell, strength in ((128, 60), (32, 40), (8, 20)):
        grains = rng.normal(0, strength, (height // cell + 1, width // cell + 1)).astype(np.float32)
        image += np.kron(grains, np.ones((cell, cell), np.float32))[:height, :width]
    return np.clip(image, 0, 255).astype(np.uint8)


def make_ring(seed: int = 0) -> list[tuple[Frame, ...]]:
    """Eight cameras, each panning in a circle over its own scene and back to the start."""
    rng = np.random.default_rng(seed)
    scenes = [scene(rng) for _ in CAMERAS]
    ring = []
    for index in range(RING):
        angle = 2 * np.pi * index / RING
        top, left = (int(128 + 12 * part) & ~1 for part in (np.sin(angle), np.cos(angle)))
        ring.append(tuple(_view(image, top, left, rng, index) for image in scenes))
    return ring


def _view(image: np.ndarray, top: int, left: int, rng: np.random.Generator, index: int) -> Frame:
    luma = image[top : top + HEIGHT_PX, left : left + WIDTH_PX] // 2 + 32
    luma = luma + rng.integers(0, 6, luma.shape, dtype=np.uint8)
    chroma = np.ascontiguousarray(luma[::2, ::2])
    return Frame(luma, chroma, 255 - chroma, timestamp_ns=index, index=index)


def frame_set(tick: int, ring: list[tuple[Frame, ...]]) -> FrameSet:
    """Frame set of a tick; the pan repeats."""
    ages, everywhere = np.zeros(len(CAMERAS), np.int64), np.ones(len(CAMERAS), bool)
    return FrameSet(tick, tick_time_ns(tick), ring[tick % len(ring)], ages, everywhere, everywhere)


def read_all(frames: tuple[Frame, ...]) -> None:
    """Read every byte of the planes once."""
    for frame in frames:
        for plane in (frame.y_plane, frame.u_plane, frame.v_plane):
            _read(plane.view(np.uint64))


def main() -> None:
    """Measure and print the metrics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer ticks")
    parser.add_argument("--budget", choices=sorted(BUDGETS), default="B100", help="default: %(default)s")
    options = parser.parse_args()
    ticks = 400 if options.quick else 5000
    ring = make_ring()
    compressor = Compressor(canonical_rig(WIDTH_PX, HEIGHT_PX), BUDGETS[options.budget])
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
        if tick == WARM_UP_TICKS + 50:
            megabytes = sum(p.nbytes for f in ring[0] for p in (f.y_plane, f.u_plane, f.v_plane)) / 1e6
            least_ms = float(np.median(read_ms))
            print(f"reading {megabytes:.1f} MB once takes {least_ms:.3f} ms ({megabytes / least_ms:.1f} GB/s)")
    metrics = {
        "compressor_p50_ms": float(np.percentile(whole_ms, 50)),
        "compressor_p99_ms": float(np.percentile(whole_ms, 99)),
        "read_once_p50_ms": float(np.percentile(read_ms, 50)),
        "read_once_p99_ms": float(np.percentile(read_ms, 99)),
        "compressor_over_read_once": float(np.median(whole_ms) / np.median(read_ms)),
    }
    print(f"compressor {options.budget}: {spread(whole_ms)} ms; reading once: {spread(read_ms)} ms")
    measured_on = f"8 synthetic cameras {WIDTH_PX}x{HEIGHT_PX}, budget {options.budget}"
    finish("compressor_speed", {name: round(value, 4) for name, value in metrics.items()}, ticks, measured_on)


if __name__ == "__main__":
    main()
