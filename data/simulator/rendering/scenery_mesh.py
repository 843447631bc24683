"""Houses, trees, lamps and signs as triangles by material, with their shadows on the ground."""

import math
from collections import defaultdict

import numpy as np

from fsd.data.simulator.rendering import mesh, models
from fsd.data.simulator.roads.appearance import Light
from fsd.data.simulator.roads.scenery import Scenery

KERB_M = 0.13
GROUND_M = -0.10
"""Level of the open ground; the road lies above it, at 0, and the pavement at `KERB_M`."""

_SHADE_M = KERB_M + 0.015
"""Shadows are drawn just above the pavement, so that they appear on it and on the road."""

Parts = dict[str, list[np.ndarray]]


def scenery_meshes(scenery: Scenery, light: Light) -> Parts:
    """Material -> meshes of all objects beside the road."""
    parts: Parts = defaultdict(list)
    _add_buildings(parts, scenery.buildings, light)
    _add_trees(parts, scenery.trees, light)
    _add_posts(parts, scenery, light)
    return parts


def _add_buildings(parts: Parts, buildings: np.ndarray, light: Light) -> None:
    sun = np.array(light.sun_direction)
    reach = -sun[:2] / max(sun[2], 0.35)
    for x, y, heading, length, depth, height, roof, red, green, blue, style in buildings:
        cos, sin = math.cos(heading), math.sin(heading)
        outline = np.array([[-length, -depth], [length, -depth], [length, depth], [-length, depth]]) / 2
        outline = outline @ np.array([[cos, sin], [-sin, cos]]) + [x, y]
        colour = (red, green, blue)
        for side in range(4):
            a, b = outline[side], outline[(side + 1) % 4]
            width = float(np.hypot(*(b - a)))
            corners = [[*a, GROUND_M], [*b, GROUND_M], [*b, height], [*a, height]]
            uv = [[0, 0, style], [width, 0, style], [width, height, style], [0, height, style]]
            parts["wall"].append(mesh.quads(np.array([corners]), colour, np.array([uv])))
            outward = np.array([b[1] - a[1], a[0] - b[0]]) / width
            if outward @ reach > 0 and light.sun[0] > 0.3:
                far = min(height + 0.5 * roof, 14.0) * reach
                shadow = [[*corner, _SHADE_M] for corner in (a, b, b + far, a + far)]
                parts["shadow"].append(mesh.quads(np.array([shadow]), (0, 0, 0), (0, 0, 0.42)))
        _roof(parts, outline, height, roof, colour, style)


def _roof(parts: Parts, outline: np.ndarray, height: float, roof: float, colour: tuple, style: float) -> None:
    a, b, c, d = (np.array([*corner, height]) for corner in outline)
    if roof == 0.0:
        parts["plain"].append(mesh.quads(np.array([[a, b, c, d]]), tuple(0.5 * v for v in colour)))
        return
    tile = ((0.20, 0.075, 0.045), (0.10, 0.095, 0.095), (0.15, 0.10, 0.07))[int(style * 2.999)]
    ridge = [(a + d) / 2 + [0, 0, roof], (b + c) / 2 + [0, 0, roof]]
    over = 0.12
    low = [corner + over * (corner - other) / 8 for corner, other in ((a, d), (b, c), (c, b), (d, a))]
    slopes = np.array([[low[0], low[1], ridge[1], ridge[0]], [low[2], low[3], ridge[0], ridge[1]]])
    parts["plain"].append(mesh.quads(slopes, tile))
    gables = np.array([[b, c, ridge[1]], [d, a, ridge[0]]])
    parts["plain"].append(mesh.triangles(gables, tuple(0.8 * v for v in colour)))


def _soft_shadow(parts: Parts, x: float, y: float, radius: float, stretch: np.ndarray, depth: float) -> None:
    along = np.hypot(*stretch)
    direction = stretch / along if along > 1e-6 else np.array([1.0, 0.0])
    side = np.array([-direction[1], direction[0]])
    middle = np.array([x, y]) + 0.5 * stretch
    u, v = direction * (radius + 0.5 * along), side * radius
    corners = [
        [*(middle - u - v), _SHADE_M],
        [*(middle + u - v), _SHADE_M],
        [*(middle + u + v), _SHADE_M],
        [*(middle - u + v), _SHADE_M],
    ]
    uv = [[-1, -1, depth], [1, -1, depth], [1, 1, depth], [-1, 1, depth]]
    parts["shadow"].append(mesh.quads(np.array([corners]), (0, 0, 0), np.array([uv])))


def _add_trees(parts: Parts, trees: np.ndarray, light: Light) -> None:
    shapes = {0: models.round_tree(), 1: models.conifer()}
    sunny = light.sun[0] > 0.3
    stretch = -np.array(light.sun_direction[:2]) / max(light.sun_direction[2], 0.35) if sunny else np.zeros(2)
    for x, y, scale, kind, shade in trees:
        tree = mesh.turned(shapes[int(kind)], x, y, GROUND_M, 2.4 * x + y, scale)
        leaf = np.array((0.035, 0.085, 0.03) if kind else (0.075, 0.145, 0.035)) * shade
        leaves = tree[:, 9] > 0.5
        tree[leaves, 6:9] *= leaf.astype(np.float32)
        parts["foliage"].append(tree[leaves])
        parts["props"].append(tree[~leaves])
        _soft_shadow(parts, x, y, (1.6 if kind else 2.1) * scale, stretch * 3.2 * scale, 0.6 if sunny else 0.35)


def _add_posts(parts: Parts, scenery: Scenery, light: Light) -> None:
    steel, glow = (0.16, 0.165, 0.17), (0, 0, 1.0 if light.lamps_lit else 0.0)
    lamp = mesh.join(
        [
            mesh.box((-0.06, -0.06, 0), (0.06, 0.06, 6.6), steel),
            mesh.box((0.0, -0.04, 6.5), (1.9, 0.04, 6.6), steel, bottom=True),
            mesh.box((1.3, -0.12, 6.42), (2.0, 0.12, 6.5), (0.9, 0.78, 0.5), glow, bottom=True),
        ]
    )
    parts["props"] += [mesh.turned(lamp, x, y, 0, heading) for x, y, heading in scenery.lamps]
    boards = [_sign(kind) for kind in range(4)]
    parts["props"] += [mesh.turned(boards[int(k)], x, y, 0, heading) for x, y, heading, k in scenery.signs]


def _sign(kind: int) -> np.ndarray:
    """A traffic sign on its post, facing -x: give way, direction, speed or warning."""
    post = mesh.box((0.0, -0.03, 0), (0.06, 0.03, 2.5), (0.3, 0.3, 0.31))
    red, white, blue, yellow = (0.55, 0.02, 0.02), (0.8, 0.8, 0.8), (0.02, 0.10, 0.40), (0.75, 0.5, 0.03)

    def triangle(size: float, x: float, colour: tuple, down: bool) -> np.ndarray:
        up = -1.0 if down else 1.0
        corners = [
            [x, size, 2.2 - up * 0.58 * size],
            [x, -size, 2.2 - up * 0.58 * size],
            [x, 0, 2.2 + up * 1.15 * size],
        ]
        return mesh.triangles(np.array([corners if up > 0 else corners[::-1]]), colour)

    if kind == 1:
        return mesh.join([post, mesh.box((-0.04, -0.75, 1.9), (0.0, 0.75, 2.5), blue, bottom=True)])
    if kind == 2:
        outer, inner = (
            mesh.disc((-0.02, 0, 2.25), 0.36, "-x", red, sides=14),
            mesh.disc((-0.03, 0, 2.25), 0.27, "-x", white),
        )
        return mesh.join([post, outer, inner])
    inner_colour = white if kind == 0 else yellow
    return mesh.join([post, triangle(0.46, -0.02, red, kind == 0), triangle(0.31, -0.03, inner_colour, kind == 0)])
