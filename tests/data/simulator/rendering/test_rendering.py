"""Pictures: the calibration holds, what should be seen is seen, and the same world looks the same."""

from typing import Any

import numpy as np
import pytest

from fsd.data.camera_model import project
from fsd.data.frames import CAMERAS
from fsd.data.simulator.environment import DrivingEnv
from fsd.data.simulator.rendering.camera_view import draw_world, load_world, sample_mounting_error, visible_actors
from fsd.data.simulator.rendering.scene import signal_heads
from fsd.data.simulator.scenarios import build_world
from fsd.data.standard_rigs import canonical_rig

pytestmark = pytest.mark.gl


def test_images_have_the_rigs_size_and_order(renderer: Any) -> None:
    pictures = DrivingEnv("S1", 1, renderer).observe()
    assert [picture.shape for picture in pictures] == [(120, 160, 3)] * len(CAMERAS)


def test_the_same_world_looks_the_same_twice(renderer: Any) -> None:
    first = np.array(DrivingEnv("S4", 2, renderer).observe())
    DrivingEnv("S1", 3, renderer).observe()
    assert np.array_equal(first, np.array(DrivingEnv("S4", 2, renderer).observe()))


def test_a_renderer_draws_on_after_another_of_another_size_was_made(renderer: Any) -> None:
    from fsd.data.simulator.rendering.renderer import Renderer

    first = Renderer(canonical_rig(320, 240))
    wanted = [np.array(DrivingEnv(scenario, seed, first).observe()) for scenario, seed in (("S4", 2), ("S1", 3))]
    second = Renderer(canonical_rig(96, 72))
    small = np.array(DrivingEnv("S4", 2, second).observe())
    drives = [DrivingEnv("S4", 2, first), DrivingEnv("S4", 2, second)]
    assert np.array_equal(drives[0].observe(), wanted[0])
    assert np.array_equal(drives[1].observe(), small)
    assert np.array_equal(DrivingEnv("S1", 3, first).observe(), wanted[1])
    second.release()
    assert np.array_equal(DrivingEnv("S4", 2, first).observe(), wanted[0])


def test_the_sky_is_above_and_the_road_below(renderer: Any) -> None:
    world = build_world("tour", 5)
    load_world(renderer, world)
    front = draw_world(renderer, world)[0].astype(int)
    assert front[5, :, 2].mean() > front[110, :, 2].mean() + 20


def test_a_lit_lamp_is_drawn_where_the_calibration_says(renderer: Any) -> None:
    world = build_world("demo", 15)
    world.traffic.vehicles.clear()
    junction = world.road.junctions[0]
    x, y, heading, _ = world.road.path.pose(junction.stop_m - 14.0, world.road.lane_offset(0))
    world.ego.x_m, world.ego.y_m, world.ego.heading_rad = x, y, heading
    load_world(renderer, world)
    picture = draw_world(renderer, world)[0]
    assert world.signals[0][0] == "red"
    _, _, lamp_x, lamp_y, lamp_z, _ = signal_heads(world.road)[1]
    camera = canonical_rig(160, 120).cameras[0]
    cos, sin = np.cos(heading), np.sin(heading)
    in_ego = [(lamp_x - x) * cos + (lamp_y - y) * sin, -(lamp_x - x) * sin + (lamp_y - y) * cos, lamp_z + 0.36, 1.0]
    in_camera = np.linalg.inv(camera.ego_from_camera.matrix()) @ in_ego
    pixels, in_image = project(camera, in_camera[:3])
    assert in_image
    column, row = np.round(pixels).astype(int)
    red, green, _ = picture[row - 1 : row + 2, column - 1 : column + 2, :3].reshape(-1, 3).max(axis=0).astype(int)
    assert red > 200
    assert picture[row, column, 1] < 120, green


def test_a_braking_car_shows_red_lamps(renderer: Any) -> None:
    world = build_world("S2", 3)
    lead = next(vehicle for vehicle in world.traffic.vehicles if vehicle.stream is None)
    lead.s = world.s + 14.0
    lead.colour, lead.shape = (0.3, 0.3, 0.3), "sedan"
    lead.update_pose()
    world.traffic.vehicles = [lead]
    load_world(renderer, world)
    reds = []
    for acceleration in (0.0, -3.0):
        lead.acceleration_mps2 = acceleration
        picture = draw_world(renderer, world)[2].astype(int)
        reds.append(int(((picture[..., 0] > 220) & (picture[..., 1] < 90)).sum()))
    assert reds[1] > reds[0] + 10


def test_a_mounting_error_rotates_the_image(renderer: Any) -> None:
    world = build_world("S1", 4)
    load_world(renderer, world)
    straight = draw_world(renderer, world).copy()
    errors = sample_mounting_error(np.random.default_rng(1), 1.0)
    assert np.linalg.det(errors) == pytest.approx(np.ones(8))
    assert not np.array_equal(straight, draw_world(renderer, world, errors))


def test_an_exposure_step_brightens_the_image(renderer: Any) -> None:
    world = build_world("S1", 4)
    load_world(renderer, world)
    actors, pose = visible_actors(world), (world.ego.x_m, world.ego.y_m, world.ego.heading_rad)
    dim = renderer.render(pose, actors, 0.0).astype(float).mean()
    object.__setattr__(renderer._light, "exposure_steps", ((0.0, 1.4),))
    assert renderer.render(pose, actors, 0.0).astype(float).mean() > dim * 1.05


def test_the_frame_set_is_the_image_in_yuv(renderer: Any) -> None:
    env = DrivingEnv("S3", 5, renderer)
    env.step(*env.expert_controls())
    frame_set, picture = env.frame_set(), env.observe()[0].astype(float)
    frame = frame_set.frames[0]
    assert frame is not None
    luma = 16 + (65.481 * picture[..., 0] + 128.553 * picture[..., 1] + 24.966 * picture[..., 2]) / 255
    assert np.abs(frame.y_plane - luma).max() < 1.5
    assert (frame_set.tick, frame_set.timestamp_ns, bool(frame_set.is_valid.all())) == (1, 27_777_778, True)


def test_a_rig_that_cannot_be_drawn_is_refused() -> None:
    from fsd.data.rig import Rig
    from fsd.data.simulator.rendering.renderer import Renderer

    with pytest.raises(ValueError, match="canonical_rig"):
        Renderer(Rig(name="one", cameras=canonical_rig(64, 48).cameras[:1]))
    with pytest.raises(ValueError, match="fast, fine"):
        Renderer(canonical_rig(64, 48), quality="best")
