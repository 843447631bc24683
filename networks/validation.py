"""Held-out episodes: which they are, the score on them, and the best weights by that score."""

import hashlib
from collections.abc import Sequence

import msgspec
import numpy as np

from fsd.networks.dataset import Episode
from fsd.networks.evaluation import ImitationMetrics

CONTROL_SPEED_MPS = 10.0
"""Speed at which errors of the controls are turned into metres."""


class Best(msgspec.Struct, frozen=True):
    """The best weights so far: score, step, and a digest of the episodes on which they were scored."""

    score_m: float
    step: int
    episodes: str


def held_out_score_m(metrics: ImitationMetrics) -> float:
    """Error in metres, lower is better: ADE until 3 s, and what the errors of both controls make after 1 s.

    A constant error of the acceleration moves the car by half of it in 1 s; one of the curvature by half of it times
    the square of the speed, of which `CONTROL_SPEED_MPS` is taken. What has no labels does not count.
    """
    controls_m = 0.5 * np.array(
        [metrics.acceleration_mae_mps2, metrics.curvature_mae_per_m * CONTROL_SPEED_MPS**2], np.float64
    )
    return metrics.ade_3s_m + float(np.nansum(controls_m))


def split(episodes: Sequence[Episode], share: float) -> tuple[list[Episode], list[Episode]]:
    """Episodes for training and for validation.

    Only the name of the world decides (the folder's, without the collection round), so that a held-out world is held
    out in all rounds and processes, independent of the other episodes.
    """

    def is_held_out(episode: Episode) -> bool:
        world = episode.folder.name.rpartition("-r")[0] or episode.folder.name
        digest = hashlib.sha256(world.encode()).digest()
        return int.from_bytes(digest[:4], "big") < share * 2**32

    return (
        [episode for episode in episodes if not is_held_out(episode)],
        [episode for episode in episodes if is_held_out(episode)],
    )


def spread(episodes: Sequence[Episode], count: int) -> list[Episode]:
    """At most `count` of the episodes, evenly from first to last."""
    places = np.unique(np.linspace(0, len(episodes) - 1, min(count, len(episodes))).round().astype(int))
    return [episodes[place] for place in places]


def digest_of(episodes: Sequence[Episode]) -> str:
    """Digest of the names of episodes: scores compare only on the same ones."""
    return hashlib.sha256("\n".join(episode.folder.name for episode in episodes).encode()).hexdigest()[:16]
