"""Which seeds are for what, so that nobody ever trains on a world that is used to judge."""

from fsd.data.errors import SimulatorError

TRAINING_SEEDS = range(100_000)
EVALUATION_SEEDS = range(100_000, 200_000)
UNUSED_FROM = 900_000
"""Seeds from here on stay unused, for judges whom nobody has seen."""


def check_seed(seed: int) -> int:
    """The seed itself, if it may be used at all.

    Raises:
        SimulatorError: it is negative or set aside.
    """
    if not 0 <= seed < UNUSED_FROM:
        raise SimulatorError(
            f"Seed {seed} may not be used: seeds are 0 to {UNUSED_FROM - 1}, and those from {UNUSED_FROM} on are set "
            f"aside. Take 0-{TRAINING_SEEDS.stop - 1} to train, "
            f"{EVALUATION_SEEDS.start}-{EVALUATION_SEEDS.stop - 1} to evaluate."
        )
    return seed


def check_training_seed(seed: int) -> int:
    """The seed itself, if a network may learn from it.

    Raises:
        SimulatorError: it is not a training seed.
    """
    if seed not in TRAINING_SEEDS:
        raise SimulatorError(f"Seed {seed} is not for training; take 0-{TRAINING_SEEDS.stop - 1}.")
    return seed


def check_evaluation_seed(seed: int) -> int:
    """The seed itself, if results may be reported on it.

    Raises:
        SimulatorError: it is not an evaluation seed.
    """
    if seed not in EVALUATION_SEEDS:
        raise SimulatorError(
            f"Seed {seed} is not for evaluation; take {EVALUATION_SEEDS.start}-{EVALUATION_SEEDS.stop - 1}."
        )
    return seed
