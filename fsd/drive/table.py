"""Means per driver and scenario, and paired differences with bootstrap intervals."""

from collections.abc import Sequence

import msgspec
import numpy as np

from fsd.data.simulator.scoring.metrics import RouteScore
from fsd.outputs.drive_summary import DriverMetrics
from fsd.scoring.bootstrap import Interval, bootstrap, bootstrap_ratio

Routes = dict[tuple[str, int], RouteScore]


def paired_difference(one: Routes, other: Routes) -> Interval:
    """Driving score of one driver minus another's, route by route."""
    shared = sorted(one.keys() & other.keys())
    return bootstrap([one[route].driving_score - other[route].driving_score for route in shared])


def paired_ratio(one: Routes, other: Routes) -> Interval:
    """Mean driving score of one driver over another's, on the routes that both drove."""
    shared = sorted(one.keys() & other.keys())
    above, below = ([routes[route].driving_score for route in shared] for routes in (one, other))
    return bootstrap_ratio(above, below)


def route_metrics(routes: Routes) -> DriverMetrics:
    """Means over a driver's routes; those that no route supports are None."""
    scores = list(routes.values())
    if not scores:
        return DriverMetrics(routes=0)
    distance_km = sum(score.distance_m for score in scores) / 1000.0
    lines = sum(score.stop_lines_met for score in scores)
    return DriverMetrics(
        routes=len(scores),
        driving_score=float(np.mean([score.driving_score for score in scores])),
        route_completion=float(np.mean([score.route_completion for score in scores])),
        pdms=float(np.mean([score.pdms for score in scores])),
        collisions=float(np.mean([score.collided for score in scores])),
        lane_offset_m=float(np.mean([score.mean_lane_offset_m for score in scores])),
        offroad_per_10km=10.0 * sum(score.left_road for score in scores) / distance_km if distance_km > 0 else None,
        red_light_obeyed=1.0 - sum(score.red_lights for score in scores) / lines if lines else None,
    )


def of_scenario(routes: Routes, scenario: str) -> Routes:
    """The routes of one scenario."""
    return {route: score for route, score in routes.items() if route[0] == scenario}


def table(scores: dict[str, Routes], scenarios: Sequence[str]) -> str:
    """Driving scores by driver and scenario, and the other metrics, as text."""
    width = max(len(name) for name in scores) + 2
    lines = ["driving score".ljust(width) + "".join(name.rjust(7) for name in (*scenarios, "all"))]
    for driver, routes in scores.items():
        parts = [*(of_scenario(routes, name) for name in scenarios), routes]
        lines.append(driver.ljust(width) + "".join(f"{mean_score(part):7.2f}" for part in parts))
    names = ("route_completion", "pdms", "collisions", "offroad_per_10km", "red_light_obeyed", "lane_offset_m")
    lines += ["", " " * width + "".join(name.rjust(18) for name in names)]
    for driver, routes in scores.items():
        metrics = msgspec.structs.asdict(route_metrics(routes))
        cells = ["-".rjust(18) if metrics[name] is None else f"{metrics[name]:18.3f}" for name in names]
        lines.append(driver.ljust(width) + "".join(cells))
    return "\n".join(lines)


def mean_score(routes: Routes) -> float:
    """Mean driving score; NaN without a route."""
    score = route_metrics(routes).driving_score
    return float("nan") if score is None else score
