"""Moments of simulated drives at which a fault hurts most, found with the expert and without images.

The expert drives to `LEAD_TICKS` before the moment, then the network: all cases of a moment begin in the same world.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

from fsd.data.frames import RATE_HZ
from fsd.data.simulator.environment import DrivingEnv
from fsd.data.simulator.seeds import EVALUATION_SEEDS
from fsd.data.simulator.traffic.dynamics import FRONT_M
from fsd.data.simulator.traffic.scripts import StepOut
from fsd.data.simulator.world import World

SECOND = int(RATE_HZ)
LEAD_TICKS = 3 * SECOND
"""The network, its memory and the camera monitor run for this long before the fault."""

SHORTEST_TICKS, LONGEST_TICKS = 5 * SECOND, 14 * SECOND
"""How long the expert drives on after a moment: long enough to see the harm, short enough for many cases."""

LONGEST_LANE_CHANGE_TICKS = 25 * SECOND
"""It has 200 m of road; whether it was done is judged at their end."""

BEFORE_JUNCTION_M = 12.0
SEEDS_TRIED = 200


@dataclass(frozen=True)
class Moment:
    """A tick of a route at which something happens.

    Attributes:
        name: of `EVENTS`; scenario, seed: of the route.
        tick: at which it happens; end_tick: when the expert has completed the route.
    """

    name: str
    scenario: str
    seed: int
    tick: int
    end_tick: int

    @property
    def takeover_tick(self) -> int:
        """From here on the network drives."""
        return self.tick - LEAD_TICKS


def _pedestrian(world: World) -> bool:
    """The last pedestrian of the route has just stepped onto the road."""
    steps = [script.done for script in world.scripts if isinstance(script, StepOut)]
    return bool(steps) and all(steps)


def _turn(world: World) -> bool:
    """The car is about to turn at a junction."""
    turns = [junction for junction in world.road.junctions if junction.turn in ("left", "right")]
    return any(junction.enter_m - BEFORE_JUNCTION_M < world.s + FRONT_M < junction.exit_m for junction in turns)


def _cross_traffic(world: World) -> bool:
    """The car reaches the line at which it must give way."""
    return any(junction.stop_m - BEFORE_JUNCTION_M < world.s + FRONT_M for junction in world.road.junctions)


def _lane_change(world: World) -> bool:
    """A lane change has just been commanded."""
    change = world.setting.lane_change
    return change is not None and world.s >= change.from_m


EVENTS: dict[str, tuple[str, Callable[[World], bool], int]] = {
    "pedestrian": ("S7", _pedestrian, LONGEST_TICKS),
    "turn": ("S4", _turn, LONGEST_TICKS),
    "cross_traffic": ("S6", _cross_traffic, LONGEST_TICKS),
    "lane_change": ("S5", _lane_change, LONGEST_LANE_CHANGE_TICKS),
}
"""Moment -> scenario, whether it has come, and how long the expert may drive on."""


def moments(name: str, routes: int) -> Iterator[Moment]:
    """The first routes, by seed, with this moment at a time that suits `LEAD_TICKS` and the limits above.

    How well the network drives a route plays no part in the choice.
    """
    scenario = EVENTS[name][0]
    found = 0
    for seed in range(EVALUATION_SEEDS.start, EVALUATION_SEEDS.start + SEEDS_TRIED):
        moment = find_moment(name, scenario, seed)
        if moment is not None:
            yield moment
            found += 1
            if found == routes:
                return
    raise ValueError(f"{found} of {routes} routes with the moment {name!r} in {SEEDS_TRIED} seeds. Ask for fewer.")


def find_moment(name: str, scenario: str, seed: int) -> Moment | None:
    """The moment of one route; None where it does not come, or too early, too late or the expert does not finish."""
    _, has_come, longest_ticks = EVENTS[name]
    env = DrivingEnv(scenario, seed)
    at: int | None = None
    for tick in count():
        if env.done:
            break
        if at is None and has_come(env.world):
            at = tick
            if at <= LEAD_TICKS:
                return None
        env.step(*env.expert_controls())
    if at is None or env.events.finish != "completed" or not SHORTEST_TICKS <= env.world.tick - at <= longest_ticks:
        return None
    return Moment(name, scenario, seed, at, env.world.tick)


def at_takeover(moment: Moment, renderer: object = None) -> DrivingEnv:
    """The environment of a moment's route, driven by the expert until the network takes over."""
    env = DrivingEnv(moment.scenario, moment.seed, renderer)  # type: ignore[arg-type]
    while env.world.tick < moment.takeover_tick:
        env.step(*env.expert_controls())
    return env
