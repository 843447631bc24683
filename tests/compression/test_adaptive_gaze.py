"""The adaptive gaze: what draws it, how it is shared out, and that nothing can capture it."""

import numpy as np
import pytest

from fsd.compression.adaptive_gaze import AdaptiveGaze, GazeWeights
from fsd.compression.budget import BUDGETS
from fsd.compression.gaze import Gaze, Scene
from fsd.compression.overlap import better_views
from fsd.compression.token_rays import TokenRays
from fsd.data.frames import BLOCKS, CAMERAS
from fsd.data.standard_rigs import canonical_rig

RIG = canonical_rig()
GEOMETRY = TokenRays(RIG)
ALL = np.ones(8, bool)
REAR = CAMERAS.index("rear")


def look(
    gaze: Gaze,
    count: int = 0,
    surprise: np.ndarray | None = None,
    is_valid: np.ndarray = ALL,
    is_keyframe: np.ndarray | None = None,
    yaw_rate_rps: float = 0.0,
    saliency: np.ndarray | None = None,
) -> list[tuple[int, int]]:
    """(camera, block) of every patch that is read for its score, not for its age."""
    scene = Scene(
        count=count,
        analysis=np.zeros((8, 120, 160), np.uint8),
        is_valid=is_valid,
        surprise=np.zeros((8, BLOCKS), np.int64) if surprise is None else surprise,
        is_keyframe=np.zeros(8, bool) if is_keyframe is None else is_keyframe,
        last_read=gaze.last_read,
        yaw_rate_rps=yaw_rate_rps,
        saliency=saliency,
    )
    return [divmod(int(block), BLOCKS) for block in gaze.choose(scene) if not gaze.is_swept[block]]


def fresh(budget: str = "B100") -> Gaze:
    return Gaze(BUDGETS[budget], AdaptiveGaze(RIG, GEOMETRY))


def shares(chosen: list[tuple[int, int]]) -> np.ndarray:
    return np.bincount([camera for camera, _ in chosen], minlength=8)


def test_a_surprise_behind_the_car_is_looked_at() -> None:
    surprise = np.zeros((8, BLOCKS), np.int64)
    surprise[REAR, 42] = 320  # twenty usual deviations, high up in the picture
    assert (REAR, 42) in look(fresh(), surprise=surprise)
    assert (REAR, 42) not in look(fresh())


def test_what_the_network_asks_for_is_looked_at() -> None:
    saliency = np.zeros((8, 15, 20), np.float32)
    saliency[0, 9, 4] = 50.0
    assert (0, 9 * 20 + 4) in look(fresh(), saliency=saliency)
    assert (0, 9 * 20 + 4) not in look(fresh())


@pytest.mark.parametrize("wish", [np.nan, np.inf, -np.inf, 1e38])
def test_a_mad_network_cannot_capture_the_gaze(wish: float) -> None:
    calm = shares(look(fresh()))
    mad = shares(look(fresh(), saliency=np.full((8, 15, 20), wish, np.float32)))
    assert mad.sum() == calm.sum()
    assert (mad >= 2).all()


def test_every_camera_has_its_floor_and_none_takes_all() -> None:
    surprise = np.zeros((8, BLOCKS), np.int64)
    surprise[3] = 4095
    share = shares(look(fresh(), surprise=surprise))
    assert share.min() >= 2
    assert share[3] <= 0.4 * 48


def test_a_keyframe_is_a_grant_of_gaze() -> None:
    is_keyframe = np.arange(8) == 5
    assert shares(look(fresh(), is_keyframe=is_keyframe))[5] >= 4
    assert shares(look(fresh()))[5] < 4


def test_a_lone_camera_may_take_all() -> None:
    alone = np.arange(8) == 2
    assert shares(look(fresh(), is_valid=alone))[2] == 48


def test_the_fovea_follows_a_curve() -> None:
    def bearing(yaw_rate_rps: float) -> float:
        chosen = [block for camera, block in look(fresh(), yaw_rate_rps=yaw_rate_rps) if camera == 1]
        rays = GEOMETRY.block_meta[1, chosen, 1:4]
        return float(np.median(np.arctan2(rays[:, 1], rays[:, 0])))

    assert bearing(0.3) > 0.2
    assert abs(bearing(0.0)) < 0.05
    assert bearing(-0.3) < -0.2


def test_a_place_that_a_finer_camera_sees_counts_there() -> None:
    better = better_views(RIG, GEOMETRY.block_meta)
    middle = 7 * 20 + 10
    assert better[CAMERAS.index("front_main"), middle] == 1 << CAMERAS.index("front_narrow")
    assert better[CAMERAS.index("front_narrow"), middle] == 0


def test_overlapping_views_are_discounted_only_while_the_better_camera_works() -> None:
    narrow, main = CAMERAS.index("front_narrow"), CAMERAS.index("front_main")
    surprise = np.zeros((8, BLOCKS), np.int64)
    surprise[main, 7 * 20 + 10] = 200
    block = main * BLOCKS + 7 * 20 + 10
    with_narrow, without = fresh(), fresh()
    look(with_narrow, surprise=surprise)
    look(without, surprise=surprise, is_valid=np.arange(8) != narrow)
    assert with_narrow.scores[block] < without.scores[block]


def test_age_moves_the_gaze_around() -> None:
    gaze = fresh()
    seen = {place for count in range(60) for place in look(gaze, count)}
    assert len(seen) > 2 * 48


@pytest.mark.parametrize(("wrong", "name"), [({"age": -1}, "age"), ({"overlap": 300}, "overlap")])
def test_impossible_weights_are_refused(wrong: dict[str, int], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        GazeWeights(**wrong)
