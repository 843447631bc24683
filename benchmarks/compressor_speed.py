"""How long the whole compressor takes for one tick of eight 1280x960 cameras on one core, patches included.

The ceiling is reading every byte of the planes once, measured in the same run between the ticks. Pictures are eight
moving views of large synthetic scenes with sensor noise, in a ring as large as what the decoders hold, so that every
tick reads its planes from memory. Ego motion is given, so references are warped at every tick.
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
"""Frame sets in the ring, 88 MB of planes: the present tick, four of look-ahead, and one being decoded."""

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
    """A (1216, 1536) uint8 picture of smooth blobs, edges and fine grain."""
    height, width = HEIGHT_PX + 256, WIDTH_PX + 256
    picture = np.full((height, width), 100.0, np.float32)
    for cell, strength in ((128, 60), (32, 40), (8, 20)):
        grains = rng.normal(0, strength, (height // cell + 1, width // cell + 1)).astype(np.float32)
        picture += np.kron(grains, np.ones((cell, cell), np.float32))[:height, :width]
    return np.clip(picture, 0, 255).astype(np.uint8)


def make_ring(seed: int = 0) -> list[tuple[Frame, ...]]:
    """Eight cameras that pan around a circle over their own scene and come back to where they began."""
    rng = np.random.default_rng(seed)
    scenes = [scene(rng) for _ in CAMERAS]
    ring = []
    for index in range(RING):
        angle = 2 * np.pi * index / RING
        top, left = (int(128 + 12 * part) & ~1 for part in (np.sin(angle), np.cos(angle)))
        ring.append(tuple(_view(picture, top, left, rng, index) for picture in scenes))
    return ring


def _view(picture: np.ndarray, top: int, left: int, rng: np.random.Generator, index: int) -> Frame:
    luma = picture[top : top + HEIGHT_PX, left : left + WIDTH_PX] // 2 + 32
    luma = luma + rng.integers(0, 6, luma.shape, dtype=np.uint8)
    chroma = np.ascontiguousarray(luma[::2, ::2])
    return Frame(luma, chroma, 255 - chroma, timestamp_ns=index, index=index)


def frame_set(tick: int, ring: list[tuple[Frame, ...]]) -> FrameSet:
    """Tick `tick` of the endless pan."""
    ages, everywhere = np.zeros(len(CAMERAS), np.int64), np.ones(len(CAMERAS), bool)
    return FrameSet(tick, tick_time_ns(tick), ring[tick % len(ring)], ages, everywhere, everywhere)


def read_all(frames: tuple[Frame, ...]) -> None:
    """Touch every byte of the planes once."""
    for frame in frames:
        for plane in (frame.y_plane, frame.u_plane, frame.v_plane):
            _read(plane.view(np.uint64))


def main() -> None:
    """Measure, print, finish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer ticks, for a first look")
    parser.add_argument("--budget", choices=sorted(BUDGETS), default="B100")
    options = parser.parse_args()
    ticks = 400 if options.quick else 5000
    ring = make_ring()
    compressor = Compressor(canonical_rig(WIDTH_PX, HEIGHT_PX), BUDGETS[options.budget])
    ego = EgoSample(speed_mps=12.0, yaw_rate_rps=0.05)
    saliency = np.zeros((len(CAMERAS), GRID_ROWS, GRID_COLUMNS), np.float32)
    ceiling_ms, whole_ms = [], []
    for tick in range(WARM_UP_TICKS + ticks):
        start = time.perf_counter_ns()
        read_all(ring[(tick + RING // 2) % RING])
        read = time.perf_counter_ns()
        shown = frame_set(tick, ring)
        begin = time.perf_counter_ns()
        compressor.step(shown, ego, saliency)
        end = time.perf_counter_ns()
        if tick >= WARM_UP_TICKS:
            ceiling_ms.append((read - start) / 1e6)
            whole_ms.append((end - begin) / 1e6)
        if tick == WARM_UP_TICKS + 50:
            megabytes = sum(p.nbytes for f in ring[0] for p in (f.y_plane, f.u_plane, f.v_plane)) / 1e6
            ceiling = float(np.median(ceiling_ms))
            print(f"ceiling: reading {megabytes:.1f} MB once takes {ceiling:.3f} ms ({megabytes / ceiling:.1f} GB/s)")
    figures = {
        "compressor_p50_ms": float(np.percentile(whole_ms, 50)),
        "compressor_p99_ms": float(np.percentile(whole_ms, 99)),
        "read_once_p50_ms": float(np.percentile(ceiling_ms, 50)),
        "read_once_p99_ms": float(np.percentile(ceiling_ms, 99)),
        "compressor_over_read_once": float(np.median(whole_ms) / np.median(ceiling_ms)),
    }
    print(f"compressor {options.budget}: {spread(whole_ms)} ms; only reading: {spread(ceiling_ms)} ms; {ticks} ticks")
    finish("compressor_speed", {name: round(value, 4) for name, value in figures.items()}, ticks)


if __name__ == "__main__":
    main()
