"""How much data each size of the benchmark uses."""

from dataclasses import dataclass

from rate_distortion.hazard_worlds import KINDS, SPEEDS_MPS


@dataclass(frozen=True)
class Sizes:
    """Amounts per stage.

    Attributes:
        training_drives, training_s: number and length of the training drives.
        steps, clips: optimiser steps per network, and clips per batch.
        drives, drive_s: number and length of the held-out drives.
        foveated_drives, foveated_drive_s: of those with a foveated network, which has fewer variants to evaluate.
        hazard_repeats, hazard_kinds, hazard_speeds_mps, hazard_ticks: hazard worlds, and their most ticks (None: all).
        recording_ticks, recording_rates: ticks per recording, and indices of the measured rates.
    """

    training_drives: int = 160
    training_s: float = 4.5
    steps: int = 700
    drives: int = 96
    drive_s: float = 6.5
    hazard_repeats: int = 3
    hazard_kinds: tuple[str, ...] = KINDS
    hazard_speeds_mps: tuple[float, ...] = SPEEDS_MPS
    hazard_ticks: int | None = None
    recording_ticks: int = 1500
    recording_rates: tuple[int, ...] = (1, 2, 3)
    clips: int = 10
    foveated_drives: int = 320
    foveated_drive_s: float = 4.5


SIZES = {
    "full": Sizes(),
    "medium": Sizes(160, 4.5, 300, 96, 5.0, 2, recording_ticks=400, recording_rates=(2,)),
    "quick": Sizes(2, 0.5, 2, 2, 0.3, 1, ("cut_in", "hard_brake"), (15.0,), 66, 12, (2,), 2, 2, 0.3),
}
