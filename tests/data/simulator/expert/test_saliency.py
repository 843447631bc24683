import numpy as np

from fsd.data.frames import CAMERAS
from fsd.data.simulator.environment import DrivingEnv
from fsd.data.simulator.expert import saliency
from fsd.data.standard_rigs import canonical_rig


def test_a_lead_car_is_marked_in_the_front_cameras() -> None:
    env = DrivingEnv("S2", 1)
    label = saliency.saliency_label(env.world, canonical_rig(320, 240))
    assert label.shape == (8, 15, 20)
    assert label[CAMERAS.index("front_main")].any()
    assert set(np.unique(label)) <= {0, 1}


def test_an_empty_road_marks_nothing() -> None:
    env = DrivingEnv("S1", 1)
    env.world.traffic.vehicles.clear()
    env.world.pedestrians.clear()
    assert not env.world.road.junctions
    assert not saliency.saliency_label(env.world, canonical_rig(320, 240)).any()
