"""Notice a camera that sends the same picture over and over.

Sensors never give the same picture twice, but an encoder at standstill may, and a 30 Hz film at 60 Hz shows each twice:
only a long run is a fault.
"""

import numpy as np

from fsd.data.frames import Frame

STRIDE_PX = 32
"""One pixel in a thousand is compared: 2 µs a frame, and a moving picture differs in one of them at once."""

RUN_FRAMES = 9
"""A quarter of a second at 36 Hz."""


class FrozenCamera:
    """Watches the new frames of one camera."""

    def __init__(self) -> None:
        self._sample: np.ndarray | None = None
        self._same = 0

    def watch(self, frame: Frame) -> int:
        """Look at the next new frame; returns how many frames to add to the count of frozen ones."""
        sample = frame.y_plane[::STRIDE_PX, ::STRIDE_PX].copy()
        is_same = self._sample is not None and np.array_equal(sample, self._sample)
        self._sample = sample
        self._same = self._same + 1 if is_same else 0
        if self._same < RUN_FRAMES:
            return 0
        return RUN_FRAMES if self._same == RUN_FRAMES else 1
