"""Meshes of vehicles, pedestrians and trees, built in code: no asset files.

Vehicles are centred on the ground under their middle, x forward. Surface numbers of vehicles and pedestrians:
(1 if the instance's colour applies, lamp, limb). Lamps: 1 brake, 2 head, 3 left indicator, 4 right indicator.
"""

import math

import numpy as np

from fsd.data.simulator.rendering import mesh

_PAINTED = (1.0, 0.0, 0.0)
_GLASS = (0.035, 0.045, 0.06)
_RUBBER = (0.018, 0.018, 0.02)
_TRIM = (0.03, 0.03, 0.033)
_WHITE = (1.0, 1.0, 1.0)


def _ring(x: float, bottom: float, middle: float, top: float, widths: tuple[float, float, float]) -> list:
    """Outline of a body across its length, counter-clockwise seen from the front."""
    low, mid, high = widths
    right = [(x, -low, bottom), (x, -mid, middle), (x, -high, top)]
    return [(x, y, z) for x, y, z in right] + [(x, -y, z) for x, y, z in reversed(right)]


def _body(stations: list) -> list[np.ndarray]:
    rings = np.array([_ring(*station) for station in stations])[:, ::-1]
    front, rear = rings[-1], rings[0]
    cap = [
        mesh.triangles(np.stack([np.broadcast_to(r.mean(0), r.shape), a, b], 1), _WHITE, _PAINTED)
        for r, a, b in ((front, np.roll(front, -1, 0), front), (rear, rear, np.roll(rear, -1, 0)))
    ]
    return [mesh.loft(rings, _WHITE, _PAINTED), *cap]


def _cabin(base: tuple, roof: tuple, base_width: float, roof_width: float, pillars: tuple[float, ...]) -> list:
    """Cabin windows: base and roof are (x rear, z rear, x front, z front); pillars are shares of the length."""
    parts = []
    corner = {}
    for name, (x_rear, z_rear, x_front, z_front), width in (("base", base, base_width), ("roof", roof, roof_width)):
        for side in (-1, 1):
            corner[name, side, 0] = np.array([x_rear, side * width, z_rear])
            corner[name, side, 1] = np.array([x_front, side * width, z_front])
    c = corner
    for side in (-1, 1):
        glass = [c["base", side, 0], c["base", side, 1], c["roof", side, 1], c["roof", side, 0]]
        parts.append(mesh.quads(np.array([glass if side < 0 else glass[::-1]]), _GLASS))
        out = np.array([0.0, side * 0.012, 0.004])
        for share, thick in [(0.0, 0.07), (0.955, 0.045), *((p, 0.035) for p in pillars)]:
            rim = []
            for level, part in (("base", share), ("base", share + thick), ("roof", share + thick), ("roof", share)):
                rim.append(c[level, side, 0] * (1 - part) + c[level, side, 1] * part + out)
            parts.append(mesh.quads(np.array([rim if side < 0 else rim[::-1]]), _WHITE, _PAINTED))
    parts.append(mesh.quads(np.array([[c["base", -1, 1], c["base", 1, 1], c["roof", 1, 1], c["roof", -1, 1]]]), _GLASS))
    parts.append(mesh.quads(np.array([[c["base", 1, 0], c["base", -1, 0], c["roof", -1, 0], c["roof", 1, 0]]]), _GLASS))
    lift, wide = np.array([0, 0, 0.035]), np.array([1.0, 1.04, 1.0])
    top = [c["roof", -1, 0], c["roof", -1, 1], c["roof", 1, 1], c["roof", 1, 0]]
    parts.append(mesh.quads(np.array([[point * wide + lift for point in top]]), _WHITE, _PAINTED))
    for first, second in ((0, 1), (1, 2), (2, 3), (3, 0)):
        low, high = [top[first] * wide, top[second] * wide], [top[second] * wide + lift, top[first] * wide + lift]
        parts.append(mesh.quads(np.array([low + high]), _WHITE, _PAINTED))
    return parts


def _wheels(front_x: float, rear_x: float, width: float, radius: float) -> list[np.ndarray]:
    parts = []
    angle = np.linspace(0, 2 * math.pi, 11)[:-1]
    for x in (front_x, rear_x):
        for side in (-1, 1):
            ring = [
                np.stack([x + radius * np.cos(angle), np.full(10, y), radius + radius * np.sin(angle)], 1)
                for y in (side * (width - 0.2), side * width)
            ]
            rings = np.array(ring if side > 0 else ring[::-1])
            parts.append(mesh.loft(rings, _RUBBER))
            face = "+y" if side > 0 else "-y"
            parts.append(mesh.disc((x, side * width, radius), radius, face, _RUBBER))
            parts.append(
                mesh.disc((x, side * (width + 0.006), radius), 0.62 * radius, face, (0.30, 0.31, 0.32), sides=7)
            )
    return parts


def _lamps(front_x: float, rear_x: float, width: float, front_z: float, rear_z: float) -> list[np.ndarray]:
    parts = []
    for side in (-1, 1):
        y0, y1 = sorted((side * (width - 0.36), side * width))
        parts.append(
            mesh.box((front_x - 0.2, y0, front_z), (front_x, y1, front_z + 0.13), (0.62, 0.63, 0.64), (0, 2, 0))
        )
        parts.append(mesh.box((rear_x, y0, rear_z), (rear_x + 0.2, y1, rear_z + 0.15), (0.22, 0.008, 0.008), (0, 1, 0)))
        indicator = 3.0 if side > 0 else 4.0
        low, high = sorted((side * (width - 0.16), side * (width + 0.014)))
        for x, z in ((front_x - 0.015, front_z - 0.09), (rear_x - 0.015, rear_z - 0.1)):
            parts.append(mesh.box((x, low, z), (x + 0.12, high, z + 0.07), (0.40, 0.17, 0.02), (0, indicator, 0), True))
    plate = [(rear_x - 0.03, 0.26, 0.55), (rear_x - 0.03, -0.26, 0.55)]
    corners = [*plate, (rear_x - 0.03, -0.26, 0.66), (rear_x - 0.03, 0.26, 0.66)]
    parts.append(mesh.quads(np.array([corners]), (0.75, 0.75, 0.72)))
    parts.append(mesh.box((front_x - 0.1, -0.5, front_z - 0.13), (front_x + 0.015, 0.5, front_z + 0.03), _TRIM))
    return parts


def sedan() -> np.ndarray:
    """A four-door car, 4.56 x 1.84 m."""
    stations = [
        (-2.28, 0.36, 0.60, 0.84, (0.72, 0.80, 0.74)),
        (-2.14, 0.27, 0.60, 0.98, (0.82, 0.89, 0.80)),
        (-1.40, 0.25, 0.62, 1.00, (0.86, 0.92, 0.84)),
        (0.20, 0.24, 0.62, 0.97, (0.87, 0.92, 0.85)),
        (1.05, 0.24, 0.62, 0.93, (0.86, 0.91, 0.82)),
        (1.80, 0.26, 0.58, 0.82, (0.83, 0.88, 0.76)),
        (2.16, 0.28, 0.54, 0.72, (0.76, 0.82, 0.68)),
        (2.28, 0.36, 0.52, 0.62, (0.64, 0.72, 0.60)),
    ]
    parts = _body(stations)
    parts += _cabin((-1.72, 0.98, 1.02, 0.92), (-1.02, 1.42, 0.28, 1.43), 0.81, 0.60, (0.50,))
    parts += _wheels(1.40, -1.36, 0.93, 0.33)
    parts += _lamps(2.27, -2.29, 0.72, 0.58, 0.70)
    for side in (-1, 1):
        y0, y1 = sorted((side * 0.86, side * 1.04))
        parts.append(mesh.box((0.62, y0, 0.96), (0.76, y1, 1.08), _WHITE, _PAINTED))
    return mesh.join(parts)


def van() -> np.ndarray:
    """A delivery van or large SUV, 5.0 x 2.0 m and 2.05 m high."""
    stations = [
        (-2.50, 0.34, 0.80, 1.12, (0.86, 0.96, 0.94)),
        (-2.42, 0.28, 0.80, 1.14, (0.92, 0.99, 0.97)),
        (1.20, 0.28, 0.80, 1.12, (0.93, 0.99, 0.97)),
        (2.10, 0.30, 0.74, 1.00, (0.90, 0.95, 0.88)),
        (2.48, 0.36, 0.66, 0.84, (0.76, 0.84, 0.76)),
    ]
    parts = _body(stations)
    parts += _cabin((-2.46, 1.12, 1.62, 1.08), (-2.36, 2.00, 0.72, 2.02), 0.95, 0.84, (0.40, 0.43))
    for side in (-1, 1):  # closed panels behind the driver's door
        quad = [
            (-2.45, side * 0.965, 1.12),
            (-0.55, side * 0.965, 1.12),
            (-0.6, side * 0.86, 1.99),
            (-2.37, side * 0.86, 1.99),
        ]
        parts.append(mesh.quads(np.array([quad if side < 0 else quad[::-1]]), _WHITE, _PAINTED))
        y0, y1 = sorted((side * 0.98, side * 1.16))
        parts.append(mesh.box((1.22, y0, 1.15), (1.36, y1, 1.36), _TRIM))
    parts += _wheels(1.62, -1.56, 1.0, 0.36)
    parts += _lamps(2.47, -2.51, 0.84, 0.72, 0.86)
    return mesh.join(parts)


def truck() -> np.ndarray:
    """A box truck, 7.6 x 2.4 m and 3.1 m high."""
    parts = [
        mesh.box((-3.8, -1.18, 0.85), (1.75, 1.18, 3.1), (0.92, 0.92, 0.90), _PAINTED, bottom=True),
        mesh.box((-3.75, -0.5, 0.5), (3.3, 0.5, 0.86), _TRIM, bottom=True),
        mesh.box((1.9, -1.12, 0.45), (3.8, 1.12, 1.55), _WHITE, _PAINTED, bottom=True),
    ]
    parts += _cabin((1.92, 1.55, 3.76, 1.55), (1.95, 2.42, 3.5, 2.42), 1.10, 1.04, (0.5,))
    parts += _wheels(2.75, -2.2, 1.18, 0.48)
    parts += _lamps(3.82, -3.82, 1.08, 0.72, 0.72)
    return mesh.join(parts)


def pedestrian() -> np.ndarray:
    """A walking person, 1.75 m; limbs +1 and -1 swing in opposite phase."""
    skin, trousers = (0.50, 0.33, 0.24), (0.05, 0.06, 0.10)
    parts = []
    for side in (-1, 1):
        y = side * 0.10
        parts.append(mesh.box((-0.09, y - 0.085, 0.0), (0.10, y + 0.085, 0.86), trousers, (0, 0, side)))
        arm = side * 0.27
        parts.append(mesh.box((-0.06, arm - 0.055, 0.78), (0.07, arm + 0.055, 1.42), _WHITE, (1, 0, 0)))
    angle = np.linspace(0, 2 * math.pi, 9)[:-1]
    rings = [
        np.stack([x * np.cos(angle), y * np.sin(angle), np.full(8, z)], 1)
        for x, y, z in ((0.13, 0.19, 0.80), (0.15, 0.21, 1.10), (0.14, 0.23, 1.40), (0.06, 0.08, 1.50))
    ]
    parts.append(mesh.loft(np.array(rings), _WHITE, (1, 0, 0)))
    head = [
        np.stack([r * np.cos(angle), r * np.sin(angle), np.full(8, z)], 1)
        for r, z in ((0.05, 1.49), (0.105, 1.56), (0.115, 1.66), (0.07, 1.75), (0.0, 1.77))
    ]
    parts.append(mesh.loft(np.array(head[:3]), skin))
    parts.append(mesh.loft(np.array(head[2:]), (0.06, 0.04, 0.03)))
    return mesh.join(parts)


def round_tree() -> np.ndarray:
    """A broad-leaved tree, about 6 m; surface (1, 0, 0) marks foliage."""
    rng = np.random.default_rng(1)
    angle = np.linspace(0, 2 * math.pi, 8)[:-1]
    trunk = np.array(
        [np.stack([r * np.cos(angle), r * np.sin(angle), np.full(7, z)], 1) for r, z in ((0.2, 0), (0.14, 2.3))]
    )
    rings = []
    for z, radius in ((1.7, 0.45), (2.3, 1.55), (3.4, 2.0), (4.6, 1.65), (5.5, 0.8), (5.9, 0.05)):
        ragged = radius * rng.uniform(0.82, 1.15, 7)
        rings.append(np.stack([ragged * np.cos(angle), ragged * np.sin(angle), z + rng.uniform(-0.15, 0.15, 7)], 1))
    return mesh.join([mesh.loft(trunk, (0.09, 0.06, 0.035)), mesh.loft(np.array(rings), _WHITE, (1, 0, 0))])


def conifer() -> np.ndarray:
    """A spruce, about 7 m."""
    angle = np.linspace(0, 2 * math.pi, 8)[:-1]

    def ring(radius: float, z: float) -> np.ndarray:
        return np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full(7, z)], 1)

    parts = [mesh.loft(np.array([ring(0.16, 0), ring(0.14, 1.2)]), (0.07, 0.045, 0.03))]
    for low, high, wide, narrow in ((0.9, 3.2, 1.75, 0.55), (2.6, 5.0, 1.35, 0.35), (4.4, 7.0, 0.95, 0.02)):
        parts.append(mesh.loft(np.array([ring(wide, low), ring(narrow, high)]), _WHITE, (1, 0, 0)))
    return mesh.join(parts)
