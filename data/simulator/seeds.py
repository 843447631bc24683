"""Ranges of seeds for training and evaluation, so that no network trains on a world that it is evaluated on."""

from fsd.data.errors import SimulatorError

TRAINING_SEEDS = range(100_000)
EVALUATION_SEEDS = range(100_000, 200_000)
UNUSED_FROM = 900_000
"""Seeds from here on are reserved for future evaluations."""


def check_seed(seed: int) -> int:
    """Return the seed if it may be used.

    Raises:
        SimulatorError: it is negative or reserved.
    """
    if not 0 <= seed < UNUSED_FROM:
        raise SimulatorError(
            f"Seed {seed} may not be used: seeds are 0 to {UNUSED_FROM - 1}, later ones are reserved. Use "
            f"0-{TRAINING_SEEDS.stop - 1} to train, {EVALUATION_SEEDS.start}-{EVALUATION_SEEDS.stop - 1} to evaluate."
        )
    return seed


def check_training_seed(seed: int) -> int:
    """Return the seed if a network may train on it, else raise `SimulatorError`."""
    return _check_range(seed, TRAINING_SEEDS, "training")


def check_evaluation_seed(seed: int) -> int:
    """Return the seed if results may be reported on it, else raise `SimulatorError`."""
    return _check_range(seed, EVALUATION_SEEDS, "evaluation")


def _check_range(seed: int, allowed: range, purpose: str) -> int:
    if seed not in allowed:
        raise SimulatorError(f"Seed {seed} is not for {purpose}; use {allowed.start}-{allowed.stop - 1}.")
    return seed
