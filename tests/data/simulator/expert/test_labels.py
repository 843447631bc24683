"""Labels: as the contract says, cheap to ask for, and with nothing in them that no camera could show."""

import math
from dataclasses import replace

import numpy as np
import pytest

from fsd.data.simulator.environment import DrivingEnv
from fsd.data.simulator.expert import expert, labels
from fsd.data.simulator.expert.labels import expert_label
from fsd.data.simulator.expert.visibility import visible
from fsd.networks import contract
from tests.data.simulator._drives import fingerprint


def env_at(scenario: str, seed: int, ticks: int) -> DrivingEnv:
    env = DrivingEnv(scenario, seed)
    for _ in range(ticks):
        env.step(*env.expert_controls())
    return env


def test_labels_have_the_shapes_of_the_networks_outputs() -> None:
    label, shapes = env_at("S3", 1, 100).expert_label(), contract.output_shapes()
    for name in ("trajectory", "curvature", "acceleration", "lead", "occupancy"):
        assert (label[name].shape, str(label[name].dtype)) == shapes[name]
        assert np.isfinite(label[name]).all()
    assert 0 <= int(label["light"]) < len(contract.LIGHTS)


def test_the_constants_agree_with_the_contract() -> None:
    assert (expert.WAYPOINTS, expert.WAYPOINT_STEP_S) == (contract.WAYPOINTS, contract.WAYPOINT_STEP_S)
    assert labels.LIGHTS == contract.LIGHTS
    assert (labels.GRID_ROWS, labels.GRID_COLUMNS) == (contract.OCCUPANCY_ROWS, contract.OCCUPANCY_COLUMNS)
    assert (labels.GRID_BEHIND_M, labels.GRID_LEFT_M) == (contract.OCCUPANCY_BEHIND_M, contract.OCCUPANCY_LEFT_M)
    assert labels.CELL_M == contract.OCCUPANCY_CELL_M


def test_the_expert_drives_what_it_plans() -> None:
    env = env_at("S1", 5, 120)
    world, plan = env.world, env.expert_label()["trajectory"]
    x, y, heading = world.ego.x_m, world.ego.y_m, world.ego.heading_rad
    for _ in range(36):
        env.step(*env.expert_controls())
    dx, dy = world.ego.x_m - x, world.ego.y_m - y
    reached = (dx * math.cos(heading) + dy * math.sin(heading), -dx * math.sin(heading) + dy * math.cos(heading))
    assert reached == pytest.approx(tuple(plan[3, :2]), abs=0.35)


def test_asking_for_a_label_changes_nothing() -> None:
    env = env_at("S7", 2, 150)
    before = fingerprint(env.world)
    env.expert_label()
    assert fingerprint(env.world) == before


def test_the_label_does_not_know_what_a_script_will_do() -> None:
    env = env_at("S2", 3, 200)
    knowing = env.expert_label()
    env.world.scripts.clear()
    ignorant = env.expert_label()
    assert all(np.array_equal(knowing[name], ignorant[name]) for name in knowing)


def test_the_label_does_not_know_when_a_light_will_change() -> None:
    env = env_at("S3", 4, 60)
    before = env.expert_label()
    plan = env.world.signal_plans[0]
    same_colours = [
        shifted
        for shift in (0.5, 1.0, -0.5, -1.0)
        if (shifted := replace(plan, offset_s=plan.offset_s + shift)).colours(env.world.time_s) == env.world.signals[0]
    ]
    assert same_colours
    env.world.signal_plans[0] = same_colours[0]
    after = env.expert_label()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_car_ahead_is_the_lead_and_fills_its_cells() -> None:
    env = env_at("S2", 6, 1)
    lead, distance = env.world.traffic.vehicles[-1], 15.0
    for vehicle in list(env.world.traffic.vehicles):
        if vehicle.stream is None:
            lead = vehicle
            break
    lead.s, lead.d = env.world.s + 3.75 + distance + 0.5 * lead.length_m, env.world.d
    lead.update_pose()
    label = expert_label(env.world)
    assert label["lead"] == pytest.approx([distance, 1.0], abs=0.05)
    row = int((3.75 + distance + 2.0 + labels.GRID_BEHIND_M) / labels.CELL_M)
    assert label["occupancy"][row, 7:9].max() == 1.0


def test_an_empty_road_has_no_lead_and_no_occupancy() -> None:
    env = env_at("S1", 8, 1)
    env.world.traffic.vehicles.clear()
    label = env.expert_label()
    assert label["lead"].tolist() == [0.0, 0.0]
    assert label["occupancy"].sum() == 0.0


def test_a_house_hides_only_what_is_behind_it() -> None:
    house = np.array([[20.0, 0.0, 0.0, 3.0, 6.0]])
    targets = np.array([[40.0, 0.0, 0.0, 2.3, 0.9], [40.0, 30.0, 0.0, 2.3, 0.9], [10.0, 0.0, 0.0, 2.3, 0.9]])
    assert visible(0.0, 0.0, targets, house, 95.0).tolist() == [False, True, True]
    assert not visible(0.0, 0.0, targets[1:2], house, 45.0)[0]
