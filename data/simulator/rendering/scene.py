"""The stationary world as triangles: ground, asphalt, paint, kerbs, houses, trees, posts, soft shadows; by material.

Turns a road and its scenery into one mesh per material of `MATERIALS`. No OpenGL here.
"""

import math

import numpy as np

from fsd.data.simulator.rendering import mesh
from fsd.data.simulator.rendering.scenery_mesh import GROUND_M, KERB_M, scenery_meshes
from fsd.data.simulator.roads.appearance import Colour, Light, Surfaces, scaled
from fsd.data.simulator.roads.road import CORNER_RADIUS_M, LANE_WIDTH_M, Junction, Road
from fsd.data.simulator.roads.scenery import Scenery

MATERIALS = ("asphalt", "paint", "plain", "wall", "props", "foliage", "ground", "shadow")
"""In drawing order: near and large objects first, so that hidden pixels are not shaded twice; shadows last.

`plain` has one colour (pavement, roofs); so has `props`, which is thin (posts, signs, trunks) and not drawn far away.
"""

PAVEMENT_M = 2.2


def build_scene(road: Road, scenery: Scenery, surfaces: Surfaces, light: Light, country: bool) -> dict[str, np.ndarray]:
    """Material -> (n, 12) mesh of all stationary objects."""
    builder = _SceneBuilder(road, surfaces, country)
    builder.add_roads()
    for junction in road.junctions:
        builder.add_junction(junction)
    builder.add_ground()
    beside = scenery_meshes(scenery, light)
    return {material: mesh.join([*builder.parts[material], *beside.get(material, [])]) for material in MATERIALS}


_NO_LINES_D = 100.0
"""Offset from the centre line that the shader leaves without lane lines."""


def _unmarked_m(junction: Junction) -> float:
    """Length of road before a junction without lane lines: from the stop line if pedestrians may cross."""
    return junction.stop_before_m if junction.control == "signal" else 0.0


def signal_heads(road: Road) -> list[tuple[int, bool, float, float, float, float]]:
    """Every signal head: (junction index, shows the route's phase, x, y, z of its middle, heading of its readers)."""
    heads = []
    for index, junction in enumerate(road.junctions):
        if junction.control != "signal":
            continue
        for quarter in range(4):
            heading = junction.heading_rad + quarter * math.pi / 2
            for forward, left, z in _head_places(road, junction):
                x, y = _in_junction(junction, quarter, np.array([[forward, left]]))[0]
                heads.append((index, quarter % 2 == 0, float(x), float(y), z, heading))
    return heads


def _head_places(road: Road, junction: Junction) -> tuple[tuple[float, float, float], ...]:
    """Signal head positions of one approach: beside the stop line, and over the lane on the far side."""
    near, far = -(junction.half_m + junction.stop_before_m - 0.6), junction.half_m + 1.0
    return ((near, -(road.half_width_m + 0.75), 3.0), (far, -(road.half_width_m - 2.2), 5.35))


def _in_junction(junction: Junction, quarter: int, points: np.ndarray) -> np.ndarray:
    """(n, 2) points of a junction's own frame, rotated by quarter turns, in the world frame."""
    angle = junction.heading_rad + quarter * math.pi / 2
    cos, sin = math.cos(angle), math.sin(angle)
    return points @ np.array([[cos, sin], [-sin, cos]]) + np.array(junction.centre_m)


class _SceneBuilder:
    def __init__(self, road: Road, surfaces: Surfaces, country: bool) -> None:
        self.road, self.surfaces, self.country = road, surfaces, country
        self.parts: dict[str, list[np.ndarray]] = {material: [] for material in MATERIALS}

    def add_roads(self) -> None:
        path, junctions = self.road.path, self.road.junctions
        begins = [0.0, *(junction.exit_m for junction in junctions)]
        ends = [*(junction.enter_m for junction in junctions), path.length_m]
        for index, (begin, end) in enumerate(zip(begins, ends, strict=True)):
            clear_begin = begin + (_unmarked_m(junctions[index - 1]) if index > 0 else 0.0)
            clear_end = end - (_unmarked_m(junctions[index]) if index < len(junctions) else 0.0)
            for first, last, marked in ((begin, clear_begin, 0), (clear_begin, clear_end, 1), (clear_end, end, 0)):
                if last - first > 0.01:
                    s = self._stations(first, last)
                    poses = path.poses(s)
                    self._ribbon(poses[:, :2], poses[:, 2], s, bool(marked))
        for junction in junctions:
            for name in ("ahead", "left", "right"):
                if name != junction.exit_arm:
                    self._side_road(junction, junction.arms[name])

    def _stations(self, first: float, last: float) -> np.ndarray:
        """Distances along the route at which its surface is divided: dense in bends only."""
        s = [first]
        while s[-1] < last:
            curvature = abs(self.road.path.pose(s[-1] + 2.0)[3])
            s.append(s[-1] + (2.0 if curvature > 0.002 else 8.0))
        return np.append(s[:-1], last) if len(s) > 2 else np.array([first, last])

    def _side_road(self, junction: Junction, arm: np.ndarray) -> None:
        direction = (arm[-1] - arm[0]) / np.hypot(*(arm[-1] - arm[0]))
        length, unmarked = float(np.hypot(*(arm[-1] - arm[0]))), _unmarked_m(junction)
        for first, last, marked in ((0.0, unmarked, False), (unmarked, length, True)):
            if last > first:
                s = np.append(np.arange(first, last - 0.5, 10.0), last)
                heading = np.full(len(s), math.atan2(direction[1], direction[0]))
                self._ribbon(arm[0] + s[:, None] * direction, heading, s, marked)

    def _strip(
        self, line: np.ndarray, normal: np.ndarray, left: tuple[float, float], right: tuple[float, float]
    ) -> np.ndarray:
        """(n, 4, 3) quads between two offsets (d, z) of a line."""
        a = np.column_stack([line + normal * left[0], np.full(len(line), left[1])])
        b = np.column_stack([line + normal * right[0], np.full(len(line), right[1])])
        return np.stack([b[:-1], b[1:], a[1:], a[:-1]], axis=1)

    def _ribbon(self, line: np.ndarray, heading: np.ndarray, s: np.ndarray, marked: bool) -> None:
        half, normal = self.road.half_width_m, np.stack([-np.sin(heading), np.cos(heading)], axis=1)
        surface = np.zeros((len(line) - 1, 4, 3), dtype=np.float32)
        surface[..., 0] = np.stack([s[:-1], s[1:], s[1:], s[:-1]], axis=1)
        surface[..., 1] = [-half, -half, half, half] if marked else _NO_LINES_D
        self.parts["asphalt"].append(mesh.quads(self._strip(line, normal, (half, 0), (-half, 0)), (1, 1, 1), surface))
        for side in (1, -1):
            if self.country:
                bands = [((half, 0.0), (half + 1.6, GROUND_M - 0.02), (0.20, 0.17, 0.12))]
            else:
                pavement = self.surfaces.pavement
                kerb, rim = scaled(pavement, 0.85), scaled(pavement, 1.25)
                bands = [
                    ((half, 0.0), (half, KERB_M), kerb),
                    ((half, KERB_M), (half + 0.16, KERB_M), rim),
                    ((half + 0.16, KERB_M), (half + PAVEMENT_M, KERB_M), pavement),
                    ((half + PAVEMENT_M, KERB_M), (half + PAVEMENT_M, GROUND_M), pavement),
                ]
            for inner, outer, colour in bands:
                first, second = (outer, inner) if side > 0 else ((-inner[0], inner[1]), (-outer[0], outer[1]))
                self.parts["plain"].append(mesh.quads(self._strip(line, normal, first, second), colour))

    def add_junction(self, junction: Junction) -> None:
        half, size = self.road.half_width_m, junction.half_m
        angle = np.linspace(-math.pi / 2, -math.pi, 9)
        arc = size + CORNER_RADIUS_M * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        bare = (0.0, _NO_LINES_D, 0.0)
        for quarter in range(4):
            edge = size + 0.06  # overlaps the roads' ends, so that no gap shows between them
            fan = np.concatenate([[[edge, 0.0], [edge, half]], arc, [[half, edge], [0.0, edge]]])
            fan = np.column_stack([_in_junction(junction, quarter, fan), np.zeros(len(fan))])
            middle = np.broadcast_to(np.array([*junction.centre_m, 0.0]), fan[:-1].shape)
            self.parts["asphalt"].append(mesh.triangles(np.stack([middle, fan[:-1], fan[1:]], 1), (1, 1, 1), bare))
            self._corner(junction, quarter, angle)
            if junction.control == "signal":
                self._zebra(junction, quarter)
            if junction.control == "signal" or quarter % 2 == (0 if junction.control == "yield" else 1):
                self._stop_line(junction, quarter)
        if junction.control == "signal":
            self._signal_posts(junction)

    def _corner(self, junction: Junction, quarter: int, angle: np.ndarray) -> None:
        pavement = self.surfaces.pavement
        if self.country:
            rings = [(CORNER_RADIUS_M, 0.0), (CORNER_RADIUS_M - 1.6, GROUND_M - 0.02)]
            colours: list[Colour] = [(0.20, 0.17, 0.12)]
        else:
            rings = [(CORNER_RADIUS_M, 0.0), (CORNER_RADIUS_M, KERB_M), (CORNER_RADIUS_M - 0.16, KERB_M)]
            rings += [(CORNER_RADIUS_M - PAVEMENT_M, KERB_M)]
            colours = [scaled(pavement, 0.85), scaled(pavement, 1.25), pavement]
        for (r0, z0), (r1, z1), colour in zip(rings[:-1], rings[1:], colours, strict=True):
            edge = []
            for radius, z in ((r0, z0), (r1, z1)):
                points = junction.half_m + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
                edge.append(np.column_stack([_in_junction(junction, quarter, points), np.full(len(angle), z)]))
            corners = np.stack([edge[0][1:], edge[0][:-1], edge[1][:-1], edge[1][1:]], axis=1)
            self.parts["plain"].append(mesh.quads(corners, colour))

    def _flat(self, junction: Junction, quarter: int, x0: float, x1: float, y0: float, y1: float) -> np.ndarray:
        corners = _in_junction(junction, quarter, np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]))
        return np.column_stack([corners, np.full(4, 0.012)])[None]

    def _zebra(self, junction: Junction, quarter: int) -> None:
        half, near = self.road.half_width_m, junction.half_m
        corners = self._flat(junction, quarter, -near - 3.6, -near - 0.9, -half + 0.3, half - 0.3)
        stripes = np.array([[[0, 0, 1.0], [0, 0, 1.0], [0, 2 * half - 0.6, 1.0], [0, 2 * half - 0.6, 1.0]]])
        self.parts["paint"].append(mesh.quads(corners, self.surfaces.paint, stripes))

    def _stop_line(self, junction: Junction, quarter: int) -> None:
        line = -(junction.half_m + junction.stop_before_m)
        width = self.road.lanes * LANE_WIDTH_M
        corners = self._flat(junction, quarter, line, line + 0.45, -width + 0.1, -0.15)
        dashed = 0.0 if junction.control == "signal" else 1.0
        stripes = np.array([[[0, 0, dashed], [0, 0, dashed], [0, width, dashed], [0, width, dashed]]])
        self.parts["paint"].append(mesh.quads(corners, self.surfaces.paint, stripes))

    def _signal_posts(self, junction: Junction) -> None:
        steel = (0.09, 0.095, 0.10)
        for quarter in range(4):
            heading = junction.heading_rad + quarter * math.pi / 2
            (near_x, near_y, _), (far_x, far_y, far_z) = _head_places(self.road, junction)
            edge = -(self.road.half_width_m + 0.75)
            x, y = _in_junction(junction, quarter, np.array([[near_x, near_y]]))[0]
            self.parts["props"].append(
                mesh.turned(mesh.box((0.02, -0.07, 0), (0.16, 0.07, 3.6), steel), x, y, 0, heading)
            )
            x, y = _in_junction(junction, quarter, np.array([[far_x, edge]]))[0]
            post = mesh.box((0.02, -0.09, 0), (0.2, 0.09, 5.75), steel)
            arm = mesh.box((0.04, -0.05, 5.6), (0.16, far_y - edge + 0.3, 5.72), steel, bottom=True)
            self.parts["props"] += [mesh.turned(part, x, y, 0, heading) for part in (post, arm)]
            for place_x, place_y, z in ((near_x, near_y, 3.0), (far_x, far_y, far_z)):
                x, y = _in_junction(junction, quarter, np.array([[place_x, place_y]]))[0]
                head = mesh.box((0.0, -0.2, -0.56), (0.16, 0.2, 0.56), (0.012, 0.012, 0.014), bottom=True)
                board = mesh.box((0.1, -0.33, -0.72), (0.12, 0.33, 0.72), (0.02, 0.02, 0.022), bottom=True)
                self.parts["props"] += [mesh.turned(part, x, y, z, heading) for part in (head, board)]

    def add_ground(self) -> None:
        low, high = self.road.path.points[:, :2].min(0) - 1500.0, self.road.path.points[:, :2].max(0) + 1500.0
        x, y = (np.linspace(low[axis], high[axis], 13) for axis in range(2))
        x0, y0 = (grid.ravel() for grid in np.meshgrid(x[:-1], y[:-1]))
        x1, y1 = (grid.ravel() for grid in np.meshgrid(x[1:], y[1:]))
        z = np.full(len(x0), GROUND_M)
        corners = np.stack([np.stack([a, b, z], 1) for a, b in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))], axis=1)
        self.parts["ground"].append(mesh.quads(corners, (1, 1, 1)))
