"""The scenarios S1 to S8; an integer seed selects the world.

Every scenario can be completed using what the cameras show; S5 and S6 cannot be completed reliably with the front
cameras alone. Drives take 20 to 40 seconds.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fsd.data.errors import SimulatorError
from fsd.data.simulator.roads.layouts import RoadLayout, bend, gentle, lay_out, straight_on, through_junctions, winding
from fsd.data.simulator.roads.road import LANE_WIDTH_M, Crossing, Curve, Piece, Straight
from fsd.data.simulator.roads.signals import SignalPlan
from fsd.data.simulator.seeds import check_seed
from fsd.data.simulator.traffic.actors import Pedestrian, random_paint
from fsd.data.simulator.traffic.scripts import CutIn, HardStop, StepOut
from fsd.data.simulator.traffic.traffic import Gaps
from fsd.data.simulator.world import Conditions, LaneChange, Setting, World

QUIET = Gaps((4.0, 9.0), (12.0, 20.0), 0.5)
SPARSE = Gaps((6.0, 10.0), (14.0, 24.0), 0.6)
LIVELY = Gaps((2.8, 5.5), (8.0, 13.0), 0.35)
WAVES = Gaps((1.8, 3.0), (1.8, 3.0), 0.0, busy_s=16.0, quiet_s=12.0)
"""Cross traffic for which the ego car must wait; a large enough gap always follows."""


NORMAL = Conditions()
STEADY = Conditions(exposure_steps=False)


def _generator(seed: int, scenario: int) -> np.random.Generator:
    return np.random.default_rng([seed, 1, scenario])


def _settle(layout: RoadLayout, lane: int, conditions: Conditions, change: LaneChange | None = None) -> Setting:
    return Setting(layout.road, layout.country, layout.start_m, layout.goal_m, lane, change, conditions)


def _start(rng: np.random.Generator, seed: int, setting: Setting) -> World:
    world = World(seed, setting, start_speed_mps=0.0)
    at = int(2 * setting.start_m)
    world.ego.speed_mps = float(rng.uniform(0.4, 1.0) * world.profiles[setting.lane][at])
    return world


def _add_company(world: World, rng: np.random.Generator) -> None:
    """Add vehicles that do not affect the route: in the next lane, slower or overtaking, and sometimes close behind."""
    lane, speed = world.setting.lane, world.ego.speed_mps
    if world.road.lanes == 2:
        at = world.s - 45.0
        for _ in range(int(rng.integers(0, 4))):
            at += rng.uniform(14, 45)
            pace = float(rng.uniform(0.6, 1.1)) * world.limit_mps
            world.traffic.add_on_road(max(at, 1.0), 1 - lane, min(pace, speed + 2.0), pace)
            at = max(at, 1.0)
    if rng.uniform() < 0.3 and world.s > 14.0:
        world.traffic.add_on_road(world.s - rng.uniform(10.0, 13.0), lane, speed, world.limit_mps, "sedan")


def curves(seed: int, conditions: Conditions = NORMAL) -> World:
    """S1: bends of all radii, town or country, one or two lanes; sometimes a slower vehicle ahead."""
    rng = _generator(seed, 1)
    lanes = int(rng.choice((1, 1, 2)))
    layout = lay_out(rng, winding, lanes, country=bool(rng.uniform() < 0.5))
    world = _start(rng, seed, _settle(layout, int(rng.integers(lanes)), conditions))
    world.add_oncoming(QUIET)
    _add_company(world, rng)
    if rng.uniform() < 0.3:
        lane = world.setting.lane
        world.traffic.add_on_road(layout.start_m + rng.uniform(18, 40), lane, world.ego.speed_mps, rng.uniform(5, 9))
    return world


def hard_stops(seed: int, conditions: Conditions = NORMAL) -> World:
    """S2: a car ahead that brakes hard to a stop or nearly so, once or twice, without warning."""
    rng = _generator(seed, 2)
    lanes = int(rng.choice((1, 1, 2)))
    layout = lay_out(rng, gentle, lanes, country=bool(rng.uniform() < 0.4))
    world = _start(rng, seed, _settle(layout, int(rng.integers(lanes)), conditions))
    world.add_oncoming(QUIET)
    lane, speed = world.setting.lane, world.ego.speed_mps
    ahead = layout.start_m + 6.5 + 1.2 * speed + rng.uniform(0, 10)
    lead = world.traffic.add_on_road(ahead, lane, speed, rng.uniform(0.7, 1.05) * world.limit_mps)
    at = layout.start_m
    for _ in range(int(rng.integers(1, 3))):
        at += rng.uniform(45, 85)
        to = 0.0 if rng.uniform() < 0.7 else rng.uniform(1.5, 3.0)
        world.scripts.append(HardStop(lead, at, rng.uniform(4.5, 7.5), to, rng.uniform(1.5, 4.0)))
    _add_company(world, rng)
    return world


def lights(seed: int, conditions: Conditions = NORMAL) -> World:
    """S3: one or two junctions with lights, straight on, with cross traffic and sometimes a vehicle ahead."""
    rng = _generator(seed, 3)
    lanes = int(rng.choice((1, 1, 2)))
    turns = ["straight"] * int(rng.integers(1, 3))
    layout = lay_out(rng, through_junctions(turns, "signal"), lanes, country=False)
    world = _start(rng, seed, _settle(layout, int(rng.integers(lanes)), conditions))
    world.add_oncoming(LIVELY)
    for index in range(len(turns)):
        world.add_crossing(index, LIVELY)
    _add_company(world, rng)
    if rng.uniform() < 0.35:
        lane = world.setting.lane
        world.traffic.add_on_road(layout.start_m + rng.uniform(14, 30), lane, world.ego.speed_mps, rng.uniform(6, 9))
    return world


def turns(seed: int, conditions: Conditions = NORMAL) -> World:
    """S4: commanded turns, with lights or with right of way; oncoming traffic with right of way goes first."""
    rng = _generator(seed, 4)
    lanes = int(rng.choice((1, 1, 2)))
    count = 1 if lanes == 2 else int(rng.integers(1, 3))
    chosen = [str(turn) for turn in rng.choice(["left", "right", "straight"], count, p=[0.42, 0.42, 0.16])]
    control = str(rng.choice(["signal", "priority"]))
    country = control == "priority" and bool(rng.uniform() < 0.5)
    layout = lay_out(rng, through_junctions(chosen, control), lanes, country)
    lane = {"left": 0, "right": lanes - 1, "straight": int(rng.integers(lanes))}[chosen[0]]
    world = _start(rng, seed, _settle(layout, lane, conditions))
    world.add_oncoming(SPARSE if lanes == 2 or control == "signal" else LIVELY)
    for index in range(count):
        world.add_crossing(index, QUIET)
    return world


def lane_change(seed: int, conditions: Conditions = NORMAL) -> World:
    """S5: a commanded lane change, with a vehicle in the blind spot or approaching fast from behind."""
    rng = _generator(seed, 5)
    layout = lay_out(rng, straight_on, lanes=2, country=bool(rng.uniform() < 0.4))
    start_lane = int(rng.integers(2))
    from_m = layout.start_m + rng.uniform(15, 40)
    change = LaneChange(from_m, from_m + 200.0, start_lane, 1 - start_lane)
    world = _start(rng, seed, _settle(layout, start_lane, conditions, change))
    world.ego.speed_mps = speed = float(rng.uniform(0.75, 0.95) * world.limit_mps)
    world.add_oncoming(QUIET)
    _other_lane(world, rng, change, speed)
    if rng.uniform() < 0.5:
        world.traffic.add_on_road(
            layout.start_m + rng.uniform(25, 45), start_lane, speed, rng.uniform(0.75, 0.95) * speed
        )
    return world


def _other_lane(world: World, rng: np.random.Generator, change: LaneChange, speed: float) -> None:
    """Vehicles in the lane to change into, placed for where they will be when the command comes."""
    kind = str(rng.choice(["beside", "behind", "both", "free"], p=[0.35, 0.3, 0.23, 0.12]))
    to_command_s = (change.from_m - world.s) / speed
    places: list[tuple[float, float]] = []
    if kind in ("beside", "both"):
        places.append((rng.uniform(-5.5, 4.5), rng.uniform(0.5, 2.0)))
    if kind in ("behind", "both"):
        # Approaches from behind, two to seven seconds after the command.
        faster = rng.uniform(3.0, 5.5)
        places.append((-faster * rng.uniform(2.0, 7.0) - (8.0 if kind == "both" else 0.0), faster))
    for ahead, faster in places:
        s = world.s + ahead - faster * to_command_s
        vehicle = world.traffic.add_on_road(max(s, 1.0), change.to_lane, speed + faster, speed + faster)
        vehicle.profile = np.maximum(vehicle.profile, min(speed + faster, 1.35 * world.limit_mps))


def cross_traffic(seed: int, conditions: Conditions = NORMAL) -> World:
    """S6: give way to cross traffic at a junction without lights; a gap must be seen to the left and right."""
    rng = _generator(seed, 6)
    turn = str(rng.choice(["straight", "left", "right"], p=[0.5, 0.2, 0.3]))
    lanes = int(rng.choice((1, 2)))
    layout = lay_out(rng, through_junctions([turn], "yield"), lanes, country=bool(rng.uniform() < 0.5))
    lane = {"left": 0, "right": lanes - 1, "straight": int(rng.integers(lanes))}[turn]
    world = _start(rng, seed, _settle(layout, lane, conditions))
    world.add_crossing(0, replace(WAVES, phase_s=float(rng.uniform(0.0, 28.0))), speeds=(9.0, 11.5))
    return world


def people_and_cut_ins(seed: int, conditions: Conditions = NORMAL) -> World:
    """S7: pedestrians who step onto the road, cars that cut in, and pedestrians who stay on the pavement."""
    rng = _generator(seed, 7)
    cuts_in = rng.uniform() < 0.45
    lanes = 2 if cuts_in else int(rng.choice((1, 1, 2)))
    layout = lay_out(rng, gentle, lanes, country=False)
    world = _start(rng, seed, _settle(layout, int(rng.integers(lanes)), conditions))
    world.add_oncoming(QUIET)
    if cuts_in:
        speed = world.ego.speed_mps = float(rng.uniform(0.7, 0.95) * world.limit_mps)
        gap, other = rng.uniform(5.0, 10.0), 1 - world.setting.lane
        s = layout.start_m + 3.75 + gap + 2.4
        vehicle = world.traffic.add_on_road(s, other, speed, world.limit_mps, "sedan")
        at = layout.start_m + rng.uniform(25, 90)
        world.scripts.append(CutIn(vehicle, at, gap, rng.uniform(0.55, 0.9) * speed, rng.uniform(1.0, 1.6)))
    walkers = int(rng.integers(1, 4)) if not cuts_in else int(rng.integers(0, 2))
    for at in layout.start_m + np.cumsum(rng.uniform(40, 75, walkers)):
        _step_out(world, rng, float(at))
    for _ in range(int(rng.integers(1, 5))):
        _bystander(world, rng, float(rng.uniform(layout.start_m + 10, layout.goal_m)))
    return world


def _person(world: World, s: float, side: int, beyond_kerb_m: float, rng: np.random.Generator) -> Pedestrian:
    """Add a pedestrian on the pavement who faces the road; side 1 is left, -1 right."""
    d = side * (world.road.half_width_m + beyond_kerb_m)
    x, y, heading, _ = world.road.path.pose(s, d)
    person = Pedestrian(x, y, heading - side * np.pi / 2, 0.0, 0.0, random_paint(rng))
    world.pedestrians.append(person)
    return person


def _step_out(world: World, rng: np.random.Generator, s: float) -> None:
    side = int(rng.choice((-1, -1, 1)))
    person = _person(world, s, side, float(rng.uniform(0.4, 1.0)), rng)
    walk_m = 2 * world.road.half_width_m + 2.0
    ahead_s = rng.uniform(2.5, 4.5) + (0.0 if side < 0 else 0.6 * (world.road.lanes * LANE_WIDTH_M))
    world.scripts.append(StepOut(person, s, float(ahead_s), float(rng.uniform(1.1, 1.7)), walk_m))


def _bystander(world: World, rng: np.random.Generator, s: float) -> None:
    if world.road.junction_at(s):
        return
    person = _person(world, s, int(rng.choice((-1, 1))), float(rng.uniform(0.7, 1.8)), rng)
    if rng.uniform() < 0.6:
        person.heading_rad = world.road.path.pose(s)[2] + (0.0 if rng.uniform() < 0.5 else np.pi)
        person.speed_mps, person.remaining_m = float(rng.uniform(0.8, 1.5)), 12.0


def out_of_range(seed: int) -> World:
    """S8: one of S1 to S4 out of the training range: dense fog or glare, almost no paint, misaligned cameras."""
    rng = _generator(seed, 8)
    base = (curves, hard_stops, lights, turns)[int(rng.integers(4))]
    weather, wear = str(rng.choice(["fog", "low_sun"])), float(rng.uniform(0.75, 1.0))
    return base(seed, Conditions(weather, wear, mounting_error_deg=1.0, severe=True))


def tour(seed: int) -> World:
    """A long, mixed drive through town; not scored."""
    rng = _generator(seed, 0)

    def pieces(rng: np.random.Generator) -> list[Piece]:
        chosen: list[Piece] = [Straight(rng.uniform(40, 55))]
        while sum(getattr(piece, "length_m", 60.0) for piece in chosen) < 800.0:
            chosen += [bend(rng), Straight(rng.uniform(45, 65))]
            chosen += [Crossing(str(rng.choice(["left", "straight", "right"]))), Straight(rng.uniform(40, 60))]
        return chosen

    layout = lay_out(rng, pieces, lanes=1, country=False)
    world = _start(rng, seed, _settle(layout, 0, STEADY))
    world.add_oncoming(LIVELY)
    for index in range(len(layout.road.junctions)):
        world.add_crossing(index, LIVELY)
    ahead = layout.start_m
    for _ in range(2):
        ahead += rng.uniform(18, 26)
        world.traffic.add_on_road(ahead, 0, world.ego.speed_mps, rng.uniform(7.5, 9.5))
    return world


def demo(seed: int) -> World:
    """Eleven seconds for the demo: a bend, a light that turns green, a turn with crossing traffic."""
    rng = np.random.default_rng([seed, 1])
    turn = str(rng.choice(["left", "right"]))
    side = float(rng.choice((-1, 1)))

    def pieces(rng: np.random.Generator) -> list[Piece]:
        way: list[Piece] = [Straight(24.0), Curve(42.0, 0.9 * side), Straight(30.0), Crossing(turn), Straight(40.0)]
        return [*way, bend(rng), Straight(60.0)]

    layout = lay_out(rng, pieces, lanes=1, country=False, start_m=36.0)
    world = World(seed, _settle(layout, 0, STEADY), start_speed_mps=7.5)
    plan = SignalPlan(green_s=9.0, cross_green_s=8.0)
    red_left_s = float(rng.uniform(2.6, 3.6))
    world.signal_plans = [replace(plan, offset_s=plan.cycle_s - red_left_s)]
    world.add_oncoming(LIVELY)
    world.add_crossing(0, LIVELY)
    world.traffic.add_on_road(36.0 + float(rng.uniform(17, 21)), 0, 7.5, 9.5, "sedan")
    world.traffic.add_on_road(36.0 - float(rng.uniform(11, 15)), 0, 7.5, 9.0)
    return world


SCENARIOS: dict[str, Callable[[int], World]] = {
    "S1": curves,
    "S2": hard_stops,
    "S3": lights,
    "S4": turns,
    "S5": lane_change,
    "S6": cross_traffic,
    "S7": people_and_cut_ins,
    "S8": out_of_range,
    "tour": tour,
    "demo": demo,
}

SCORED_SCENARIOS = ("S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8")


def build_world(scenario: str, seed: int) -> World:
    """The world of a scenario and a seed, before its first tick.

    Raises:
        SimulatorError: there is no such scenario, the seed is reserved, or no road fits it.
    """
    if scenario not in SCENARIOS:
        raise SimulatorError(f"There is no scenario {scenario!r}. Choose one of {', '.join(SCENARIOS)}.")
    return SCENARIOS[scenario](check_seed(seed))
