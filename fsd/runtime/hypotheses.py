"""The ways to go on that a network considers, in four groups by their acceleration now.

For people: the plan is made of them inside the network, and nothing reads them to drive.
"""

from collections.abc import Sequence

import numpy as np

GROUPS_MPS2 = {"hard_braking": -2.0, "braking": -0.5, "holding": 0.5, "accelerating": np.inf}
"""Group -> the acceleration below which its hypotheses lie, m/s², each from the end of the group before."""


def group_probabilities(probability: np.ndarray, acceleration_mps2: Sequence[float]) -> dict[str, np.ndarray]:
    """Group -> probability (…) of all its hypotheses.

    Args:
        probability: (…, M); NaN stays NaN.
        acceleration_mps2: (M,) acceleration now of each.
    """
    group = np.searchsorted(list(GROUPS_MPS2.values()), np.asarray(acceleration_mps2), side="right")
    return {name: probability[..., group == index].sum(axis=-1) for index, name in enumerate(GROUPS_MPS2)}


def describe_groups() -> str:
    """The groups and their limits as text."""
    limits = [f"{limit:g}" for limit in GROUPS_MPS2.values()]
    names = [name.replace("_", " ") for name in GROUPS_MPS2]
    between = [f"{name} below {limit}" for name, limit in zip(names[:-1], limits[:-1], strict=True)]
    return f"{', '.join(between)}, {names[-1]} above, in m/s²"
