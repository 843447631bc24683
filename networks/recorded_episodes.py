"""At which rate recorded clips become rows, and where a clip is divided in time."""

from fsd.data.clock import SECOND_NS
from fsd.data.frames import RATE_HZ

EVERY_TICKS = 4
"""The recording rate of simulated episodes: nine ticks per second."""

TRAINING_SHARE = 2 / 3


def ticks_before(time_ns: int) -> int:
    """Number of ticks before a time from the clip's start; also the index of the first later tick."""
    return max(0, (time_ns - 1) * RATE_HZ.numerator // (RATE_HZ.denominator * SECOND_NS) + 1)
