"""Measure clips one by one, for calibration: what is measured of several is put together afterwards, in their order.

So clips may be measured at the same time, and the result is the same to the bit as in turn.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from fsd.export.onnx_runner import Clip

Measured = Mapping[str, np.ndarray]
"""What was measured of a clip, by name; only the measure knows what it means."""


class ClipMeasure(Protocol):
    """Measures one clip; can be sent to another process."""

    @property
    def content(self) -> Iterable[bytes]:
        """All that decides the result besides the clip."""
        ...

    def __call__(self, clip: Clip, /) -> Measured: ...


MeasureClips = Callable[[ClipMeasure, Sequence[Clip]], Iterable[Measured]]
"""Measures several clips; the results are in the order of the clips."""


def in_turn(measure: ClipMeasure, clips: Sequence[Clip]) -> Iterable[Measured]:
    """One clip after the other, in this process."""
    return map(measure, clips)
