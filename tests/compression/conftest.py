"""Frame sets made in memory for the compressor's tests: the fixture `made`."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from fsd.data.frames import CAMERAS, Frame, FrameSet


class Made:
    """Pictures, ticks and drives."""

    TICK_NS = 27_777_778

    @staticmethod
    def picture(luma: np.ndarray, tick: int = 0, chroma: int = 128) -> Frame:
        """A frame whose luma is (H, W) uint8 and whose chroma is flat."""
        shape = ((luma.shape[0] + 1) // 2, (luma.shape[1] + 1) // 2)
        plane = np.full(shape, chroma, np.uint8)
        return Frame(luma, plane, plane, timestamp_ns=tick * Made.TICK_NS, index=tick)

    @staticmethod
    def noise_picture(height: int, width: int, seed: int = 0, stride: int = 0) -> Frame:
        """White noise in all planes; `stride` bytes of padding follow every row, as decoders leave them."""
        rng = np.random.default_rng(seed)
        half = ((height + 1) // 2, (width + 1) // 2)
        y, u, v = (
            rng.integers(0, 256, (h, w + stride), dtype=np.uint8)[:, :w] for h, w in ((height, width), half, half)
        )
        return Frame(y, u, v, timestamp_ns=0, index=0)

    @staticmethod
    def frame_set(tick: int, frames: Sequence[Frame | None]) -> FrameSet:
        """A tick at exact 36 Hz; cameras are valid where there is a frame that is not black."""
        there = np.array([frame is not None for frame in frames])
        is_valid = np.array([frame is not None and not frame.is_black for frame in frames])
        return FrameSet(
            tick, tick * Made.TICK_NS, tuple(frames), np.where(there, 0, -1).astype(np.int64), is_valid, is_valid.copy()
        )

    @staticmethod
    def drive(ticks: int, make: Callable[[int, int], Frame | None]) -> list[FrameSet]:
        """`ticks` frame sets; `make(tick, camera)` gives every picture, None where the camera is missing."""
        return [Made.frame_set(tick, [make(tick, camera) for camera in range(len(CAMERAS))]) for tick in range(ticks)]


@pytest.fixture(scope="session")
def made() -> type[Made]:
    """The builders, for tests that cannot import each other."""
    return Made
