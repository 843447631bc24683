"""`drive.html` of a closed-loop run: scores with intervals, routes as small maps, the filmed ones. All simulated."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup

from fsd.data.counted import counted
from fsd.data.simulator.roads.road import LANE_WIDTH_M
from fsd.data.simulator.scenarios import build_world
from fsd.drive.table import Interval, Routes, bootstrap, of_scenario, paired_difference
from fsd.html.charts import Colour, Key, legend
from fsd.html.page import Banner, Page, write_page
from fsd.html.parts import Figure, caption, figures, section, stat_tile, table, video_figures
from fsd.html.svg import element, line_path
from fsd.outputs.drive_summary import DriverMetrics, DriveSummary
from fsd.version import __version__

Paths = Mapping[tuple[str, int], np.ndarray]
"""(scenario, seed) -> (n, 2) driven x m, y m."""
MAX_MAPS = 24
MAP_HEIGHT_SHARE = 0.62
FINISH_COLOURS: dict[str, Colour] = {"collision": "red", "off": "orange", "stuck": "violet", "timeout": "violet"}


def write_drive_page(
    path: Path,
    summary: DriveSummary,
    scores: Mapping[str, Routes],
    paths: Mapping[str, Paths],
    main: str,
    films: Sequence[tuple[str, str]] = (),
) -> None:
    """Write the page; nothing without a finished route.

    Args:
        scores, paths: of every driver; main: the driver whose routes are drawn in colour and compared with the others.
        films: (file beside the page, caption) each.
    """
    if not any(scores.values()):
        return
    routes = scores.get(main, {})
    page = Page(
        command="fsd drive",
        heading=f"{main} in the simulator",
        facts=[
            f"{counted(len(routes), 'route')} in {', '.join(summary.scenarios)}",
            f"seeds from {summary.first_seed}",
            f"cameras drawn every {summary.draw_every_ticks} ticks"
            if summary.draw_every_ticks > 1
            else "cameras at 36 Hz",
            f"latency {summary.latency}",
            f"{summary.follow} followed",
        ],
        banners=_banners(summary),
        tiles=_tiles(routes, summary.drivers.get(main)),
        sections=[
            _drivers(summary, scores, main),
            _scenarios(summary, scores),
            section("Filmed", video_figures(films)) if films else Markup(),
            _maps(routes, paths, main),
        ],
        left_out=[] if films else ["No route was filmed: add --videos 1 for the worst and the best."],
        footer=[f"fsd {__version__}", "routes.json has every route, with all its scores."],
        videos="beside" if films else "",
    )
    write_page(path, page)


def _banners(summary: DriveSummary) -> list[Banner]:
    found = [Banner("Simulated.", "No result on this page is from a real road.", tone="")]
    if summary.status != "complete":
        found.append(Banner(f"Run {summary.status}.", f"The page shows the routes until then. {summary.error or ''}"))
    return found


def _tiles(routes: Routes, metrics: DriverMetrics | None) -> list[Markup]:
    if metrics is None or metrics.driving_score is None:
        return []
    own = bootstrap([score.driving_score for score in routes.values()])
    note = f"{_range(own)}, 95% bootstrap over {own.count} routes" if own.count > 1 else "one route: no interval"
    crashed = sum(score.collided for score in routes.values())
    tiles = [
        stat_tile("driving score", f"{own.mean:.2f}", "of 1", note),
        stat_tile(
            "collisions",
            str(crashed),
            f"of {counted(len(routes), 'route')}",
            f"{sum(score.left_road for score in routes.values())} left the road or the route",
            "bad" if crashed else "",
        ),
        stat_tile("route completion", f"{(metrics.route_completion or 0.0):.0%}"),
    ]
    if metrics.red_light_obeyed is not None:
        tiles.append(stat_tile("red lights obeyed", f"{metrics.red_light_obeyed:.0%}", note="of the stop lines met"))
    return tiles


def _drivers(summary: DriveSummary, scores: Mapping[str, Routes], main: str) -> Markup:
    rows = []
    for name, routes in scores.items():
        metrics = summary.drivers[name]
        own = bootstrap([score.driving_score for score in routes.values()])
        gap = None if name == main or main not in scores else paired_difference(routes, scores[main])
        rows.append(
            [
                name,
                _number(own.mean),
                _range(own),
                "" if gap is None or not gap.count else f"{gap.mean:+.2f} {_range(gap, '+.2f')}".strip(),
                _number(metrics.collisions),
                _number(metrics.route_completion),
                _number(metrics.pdms),
                _number(metrics.red_light_obeyed),
                _number(metrics.lane_offset_m),
            ]
        )
    head = [
        "driver",
        "driving score",
        "95% interval",
        f"minus {main}",
        "collided",
        "completed",
        "PDMS",
        "red lights",
        "m off lane",
    ]
    return section(
        "Drivers",
        table(head, rows),
        intro="Means over the same routes. Intervals are bootstrapped over routes; differences route by route.",
    )


def _scenarios(summary: DriveSummary, scores: Mapping[str, Routes]) -> Markup:
    if len(summary.scenarios) < 2:
        return Markup()
    rows = []
    for name, routes in scores.items():
        parts = [bootstrap([s.driving_score for s in of_scenario(routes, each).values()]) for each in summary.scenarios]
        rows.append([name, *(f"{part.mean:.2f} {_range(part)}".strip() if part.count else "" for part in parts)])
    return section("Driving score by scenario", table(["driver", *summary.scenarios], rows))


def _maps(routes: Routes, paths: Mapping[str, Paths], main: str) -> Markup:
    """The routes of one driver, the worst first."""
    ranked = sorted((score.driving_score, *route) for route, score in routes.items() if route in paths.get(main, {}))
    if not ranked:
        return Markup()
    shown = []
    for driving_score, scenario, seed in ranked[:MAX_MAPS]:
        finish = routes[scenario, seed].finish
        others = [
            of_driver[scenario, seed]
            for name, of_driver in paths.items()
            if name != main and (scenario, seed) in of_driver
        ]
        text = f"{scenario} {seed} · {driving_score:.2f} · {finish.replace('_', ' ')}"
        shown.append(Figure(_map(scenario, seed, paths[main][scenario, seed], others, finish), text))
    keys = [Key(main, "blue"), Key("other drivers", "grey"), Key("collision", "red", is_line=False)]
    keys += [Key("left the road", "orange", is_line=False), Key("stuck or too late", "violet", is_line=False)]
    left = len(ranked) - len(shown)
    more = caption(f"{left} better routes are not drawn.") if left else Markup()
    return section(
        "Routes",
        legend(keys),
        figures(shown),
        more,
        intro="Worst first. A dot is the end of a route that was not completed.",
    )


def _map(scenario: str, seed: int, path: np.ndarray, others: Sequence[np.ndarray], finish: str) -> Markup:
    """One route from above: the road, the driven paths (n, 2), and a dot where it ended early."""
    road = build_world(scenario, seed).road
    lines = [road.path.points[:, :2], path, *others]
    away = lines[0][-1] - lines[0][0]
    turn = np.array([[away[0], away[1]], [-away[1], away[0]]]) / max(1e-6, float(np.hypot(*away)))
    lines = [(line - lines[0][0]) @ turn.T for line in lines]
    every = np.concatenate(lines)
    low, high = every.min(axis=0) - 12.0, every.max(axis=0) + 12.0
    wide = float(max(high[0] - low[0], (high[1] - low[1]) / MAP_HEIGHT_SHARE))
    spare = np.array([wide, wide * MAP_HEIGHT_SHARE]) - (high - low)
    low, high = low - spare / 2, high + spare / 2

    def line(points: np.ndarray, css: str) -> Markup:
        return element("path", css=css, d=line_path(points[:, 0] - low[0], high[1] - points[:, 1]))

    width_m = 2 * road.lanes * LANE_WIDTH_M
    shapes = [Markup('<g style="stroke-width:{:.1f}">{}</g>').format(width_m, line(lines[0], "road"))]
    shapes += [line(other, "line grey thin") for other in lines[2:]]
    shapes.append(line(lines[1], "line blue"))
    colour = next((each for start, each in FINISH_COLOURS.items() if finish.startswith(start)), None)
    if colour is not None:
        x, y = lines[1][-1, 0] - low[0], high[1] - lines[1][-1, 1]
        shapes.append(element("circle", css=colour, cx=float(x), cy=float(y), r=wide / 38))
    view = f"0 0 {wide:.1f} {wide * MAP_HEIGHT_SHARE:.1f}"
    return element("svg", *shapes, css="map", viewBox=view, role="img", aria_label=f"route {scenario} {seed}")


def _range(interval: Interval, form: str = ".2f") -> str:
    """The interval; of one route there is none."""
    return f"[{interval.low:{form}}, {interval.high:{form}}]" if interval.count > 1 else ""


def _number(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.2f}"
