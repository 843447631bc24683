"""Draw what the eight cameras see: one atlas, one read-back.

Takes a standing world once (`load`) and poses of moving things per picture (`render`). It knows nothing of traffic
rules and changes nothing in the world.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fsd.data.frames import CAMERAS
from fsd.data.rig import Pinhole, Rig
from fsd.data.simulator import mesh, models, shaders
from fsd.data.simulator.appearance import Light, Surfaces
from fsd.data.simulator.opengl import open_context
from fsd.data.simulator.road import Road
from fsd.data.simulator.scene import MATERIALS, build_scene, signal_heads
from fsd.data.simulator.scenery import Scenery

NEAR_M, FAR_M = 0.2, 1800.0
CHUNK_M = 50.0
DRAW_DISTANCE_M = 280.0
"""Chunks of the world beyond this are not drawn; the open ground always is."""

QUALITIES = ("fast", "fine")
"""fine: four samples a pixel, smooth textures, everything drawn. fast: a third of the time, to train and to drive."""

VEHICLE_SHAPES = ("sedan", "van", "truck")
BRAKE_LAMP, HEADLAMP, LEFT_INDICATOR, RIGHT_INDICATOR = 1, 2, 4, 8

_LAMP_COLOURS = {"red": (1.5, 0.04, 0.03), "yellow": (1.4, 0.75, 0.03), "green": (0.06, 1.25, 0.45)}
_LAMP_HEIGHT_M = {"red": 0.36, "yellow": 0.0, "green": -0.36}
_LAYOUT = ("3f 3f 3f 3f", "position", "normal", "colour", "surface")
_INSTANCE_LAYOUT = ("4f 4f 4f /i", "at", "paint", "shape")


@dataclass(frozen=True)
class Actors:
    """Everything that moves, for one picture.

    Attributes:
        vehicles: (n, 9) x, y, heading, shape (index of `VEHICLE_SHAPES`), r, g, b, lamps (bits), scale.
        pedestrians: (n, 7) x, y, heading, r, g, b, phase of walking in radians.
        signals: per junction the colours of (the route's phase, the crossing road's phase).
    """

    vehicles: np.ndarray
    pedestrians: np.ndarray
    signals: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Chunk:
    arrays: list[tuple[int, Any]]
    centre: np.ndarray
    radius: float


class Renderer:
    """Eight cameras of one size in one framebuffer.

    Args:
        rig: the cameras; all must be undistorted pinholes of one size, in canonical order.
        quality: one of `QUALITIES`.

    Raises:
        SimulatorError: no OpenGL here; the message names the packages to install.
    """

    def __init__(self, rig: Rig, quality: str = "fast") -> None:
        if quality not in QUALITIES:
            raise ValueError(f"quality must be one of {', '.join(QUALITIES)}, got {quality!r}.")
        self.rig = rig
        self._fine = quality == "fine"
        samples = 4 if self._fine else 0
        self._check_rig(rig)
        self.width_px, self.height_px = rig.cameras[0].width_px, rig.cameras[0].height_px
        self.context = open_context()
        size = (self.width_px, self.height_px * len(rig.cameras))
        self._target = self.context.framebuffer(
            [self.context.renderbuffer(size, 4, samples=samples)],
            self.context.depth_renderbuffer(size, samples=samples),
        )
        self._resolved = self.context.framebuffer([self.context.renderbuffer(size, 4)]) if samples else self._target
        self._rgba = np.zeros((len(rig.cameras), self.height_px, self.width_px, 4), dtype=np.uint8)
        self._projections = [_projection(camera.intrinsics, self.width_px, self.height_px) for camera in rig.cameras]
        self._nominal = [camera.ego_from_camera.matrix() for camera in rig.cameras]
        self._half_view = [_half_view(camera.intrinsics, self.width_px, self.height_px) for camera in rig.cameras]
        self._reach = [self._draw_distances(camera.intrinsics) for camera in rig.cameras]
        self._build_programs()
        self._chunks: list[_Chunk] = []
        self._ground: Any = None

    @staticmethod
    def _check_rig(rig: Rig) -> None:
        sizes = {(camera.width_px, camera.height_px) for camera in rig.cameras}
        if tuple(camera.name for camera in rig.cameras) != CAMERAS or len(sizes) != 1:
            raise ValueError("The renderer draws the eight canonical cameras, in order and all of one size.")
        if any(not isinstance(camera.intrinsics, Pinhole) or camera.intrinsics.distortion for camera in rig.cameras):
            raise ValueError("The renderer draws undistorted pinhole cameras only; take `canonical_rig()`.")

    def _draw_distances(self, lens: Any) -> list[float]:
        """Per material, how far a camera has to see it: until it would be a pixel or two."""
        reach = dict.fromkeys(MATERIALS, DRAW_DISTANCE_M)
        if not self._fine:
            scale = lens.fx_px * 320.0 / self.width_px
            reach["props"] = min(max(0.45 * scale, 45.0), DRAW_DISTANCE_M)
            reach["foliage"] = reach["shadow"] = min(max(0.8 * scale, 90.0), DRAW_DISTANCE_M)
            reach["plain"] = reach["wall"] = min(max(1.1 * scale, 150.0), DRAW_DISTANCE_M)
        return [reach[material] for material in MATERIALS]

    # Set-up -----------------------------------------------------------------------------------------------------------

    def _build_programs(self) -> None:
        program = self.context.program
        fragments = {
            "asphalt": shaders.ASPHALT,
            "paint": shaders.PAINT,
            "wall": shaders.WALL,
            "foliage": shaders.FOLIAGE,
            "ground": shaders.GROUND,
            "shadow": shaders.SHADOW,
        }
        self._programs = {
            name: program(vertex_shader=shaders.STATIC_VERTEX, fragment_shader=source)
            for name, source in fragments.items()
        }
        for name in ("plain", "props"):
            self._programs[name] = program(vertex_shader=shaders.PLAIN_STATIC_VERTEX, fragment_shader=shaders.PLAIN)
        self._programs["actor"] = program(vertex_shader=shaders.INSTANCE_VERTEX, fragment_shader=shaders.PLAIN)
        self._programs["lamp"] = program(vertex_shader=shaders.LAMP_VERTEX, fragment_shader=shaders.PLAIN)
        self._programs["actor_shadow"] = program(
            vertex_shader=shaders.INSTANCE_SHADOW_VERTEX, fragment_shader=shaders.SHADOW
        )
        self._programs["sky"] = program(vertex_shader=shaders.SKY_VERTEX, fragment_shader=shaders.SKY)
        self._programs["glare"] = program(vertex_shader=shaders.SKY_VERTEX, fragment_shader=shaders.GLARE)
        self._noise = self._noise_texture()
        self._noise.use(0)
        corners = self.context.buffer(np.array([-1, -1, 3, -1, -1, 3], dtype=np.float32).tobytes())
        self._sky = self.context.vertex_array(self._programs["sky"], [(corners, "2f", "corner")])
        self._glare = self.context.vertex_array(self._programs["glare"], [(corners, "2f", "corner")])
        shapes = {
            "sedan": models.sedan(),
            "van": models.van(),
            "truck": models.truck(),
            "pedestrian": models.pedestrian(),
        }
        self._instances = {name: self._instanced("actor", shape) for name, shape in shapes.items()}
        self._instances["lamp"] = self._instanced("lamp", mesh.disc((-0.02, 0, 0), 0.13, "-x", (1, 1, 1), sides=9))
        unit = [[(-1, -1, 0.035), (1, -1, 0.035), (1, 1, 0.035), (-1, 1, 0.035)]]
        uv = np.array([[[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]])
        self._instances["shadow"] = self._instanced("actor_shadow", mesh.quads(np.array(unit), (0, 0, 0), uv))

    def _instanced(self, program: str, shape: np.ndarray) -> tuple[Any, Any]:
        vertices = self.context.buffer(np.ascontiguousarray(shape, dtype=np.float32).tobytes())
        instances = self.context.buffer(reserve=256 * 12 * 4, dynamic=True)
        content = [(vertices, *self._used(program, *_LAYOUT)), (instances, *self._used(program, *_INSTANCE_LAYOUT))]
        return self.context.vertex_array(self._programs[program], content), instances

    def _used(self, program: str, layout: str, *names: str) -> tuple[str, ...]:
        """The layout with attributes skipped that the compiler removed from a program."""
        entries = layout.split()
        step = entries.pop() if entries[-1].startswith("/") else ""
        kept = [name for name in names if name in self._programs[program]]
        formats = [
            entry if name in self._programs[program] else f"{int(entry[0]) * 4}x"
            for entry, name in zip(entries, names, strict=True)
        ]
        return (" ".join(formats) + (f" {step}" if step else ""), *kept)

    def _noise_texture(self) -> Any:
        """Tileable smooth noise with four octaves: the grain of asphalt, grass, leaves and clouds."""
        rng = np.random.default_rng(20)
        noise = np.zeros((256, 256))
        for cells, weight in ((8, 0.30), (32, 0.28), (64, 0.22), (256, 0.20)):
            coarse = rng.uniform(0, 1, (cells, cells))
            spread = np.kron(coarse, np.ones((256 // cells, 256 // cells)))
            for axis in range(2):
                for _ in range(256 // cells // 2):
                    spread = 0.25 * (np.roll(spread, 1, axis) + np.roll(spread, -1, axis)) + 0.5 * spread
            noise += weight * (spread - spread.mean()) / max(spread.std(), 1e-6)
        noise = np.clip(0.5 + 0.36 * noise / noise.std() * 0.55, 0, 1)
        texture = self.context.texture((256, 256), 1, (noise * 255).astype(np.uint8).tobytes())
        texture.build_mipmaps()
        context = self.context
        smooth = (context.LINEAR_MIPMAP_NEAREST, context.LINEAR)
        texture.filter = smooth if self._fine else (context.NEAREST_MIPMAP_NEAREST, context.NEAREST)
        return texture

    # One world --------------------------------------------------------------------------------------------------------

    def load(self, road: Road, scenery: Scenery, surfaces: Surfaces, light: Light, country: bool) -> None:
        """Upload a standing world; replaces the one before."""
        for chunk in self._chunks:
            for _, array in chunk.arrays:
                array.release()
        scene = build_scene(road, scenery, surfaces, light, country)
        self._light = light
        self._ground = self._vertex_array("ground", scene.pop("ground"))
        self._chunks = self._cut(scene)
        self._heads = signal_heads(road)
        self._set_look(surfaces, light, road, country)

    def _vertex_array(self, material: str, vertices: np.ndarray) -> Any:
        buffer = self.context.buffer(np.ascontiguousarray(vertices, dtype=np.float32).tobytes())
        return self.context.vertex_array(self._programs[material], [(buffer, *self._used(material, *_LAYOUT))])

    def _cut(self, scene: dict[str, np.ndarray]) -> list[_Chunk]:
        """Sort all triangles into squares of the map, so that a camera draws only the squares that it can see."""
        squares: dict[tuple[int, int], dict[int, np.ndarray]] = {}
        for order, material in enumerate(MATERIALS):
            faces = scene.get(material, np.zeros((0, mesh.FLOATS), np.float32)).reshape(-1, 3, mesh.FLOATS)
            if not len(faces):
                continue
            square = np.floor(faces[:, :, :2].mean(axis=1) / CHUNK_M).astype(np.int64)
            key = square[:, 0] * 100_003 + square[:, 1]
            for value in np.unique(key):
                chosen = key == value
                squares.setdefault(tuple(square[chosen][0]), {})[order] = faces[chosen]
        chunks = []
        for materials in squares.values():
            points = np.concatenate([faces.reshape(-1, mesh.FLOATS)[:, :2] for faces in materials.values()])
            centre = 0.5 * (points.min(0) + points.max(0))
            radius = float(np.hypot(*(points - centre).T).max())
            arrays = [
                (order, self._vertex_array(MATERIALS[order], faces.reshape(-1, mesh.FLOATS)))
                for order, faces in materials.items()
            ]
            chunks.append(_Chunk(arrays, centre, radius))
        return chunks

    def _set(self, name: str, value: Any, programs: tuple[str, ...] | None = None) -> None:
        for program in self._programs.values():
            if name in program:
                program[name].value = value

    def _set_look(self, surfaces: Surfaces, light: Light, road: Road, country: bool) -> None:
        for name in ("sun_direction", "sun", "ambient", "horizon", "zenith"):
            self._set(name, tuple(map(float, getattr(light, name))))
        self._set("fog_density", light.fog_density * 1.4427)  # exp2 in the shaders
        self._set("cloud", light.cloud)
        self._set("glare", light.glare)
        self._set("hills", 0.0 if light.weather == "fog" else 1.0)
        self._set("lamps", 1.0 if light.lamps_lit else 0.0)
        for name in ("asphalt", "ground", "paint", "centre_paint"):
            if name != "paint" or "paint" in self._programs["asphalt"]:
                self._set(name, tuple(map(float, getattr(surfaces, name))))
        self._set("wear", surfaces.wear)
        self._set("edge", float(surfaces.has_edge_line))
        self._set("lines", (road.half_width_m, float(road.lanes), surfaces.line_width_m, surfaces.wear))
        apart = 0.15 if surfaces.centre_line == "double" else 0.0
        dashed = float(surfaces.centre_line == "dashed")
        self._set("centre", (apart, surfaces.dash_m, surfaces.dash_period_m, dashed))

    # One picture ------------------------------------------------------------------------------------------------------

    def render(
        self,
        ego_pose: tuple[float, float, float],
        actors: Actors,
        time_s: float = 0.0,
        mounting_error: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw all cameras.

        Args:
            ego_pose: x, y, heading of the ego frame in the world.
            actors: what moves, where it is now.
            time_s: chooses the exposure step.
            mounting_error: (8, 3, 3) small rotations of the cameras on their mounts, about the ego's axes, or None.

        Returns:
            (8, H, W, 4) uint8 RGBA, row 0 on top. The array is reused by the next call.
        """
        import moderngl

        context = self.context
        self._target.use()
        self._target.clear(0.5, 0.5, 0.5, 1.0, depth=1.0)
        context.enable(moderngl.DEPTH_TEST)
        self._set("exposure", self._light.exposure_at(time_s))
        counts = self._upload(actors, ego_pose)
        world_from_ego = _pose_matrix(*ego_pose)
        for index in range(len(self.rig.cameras)):
            ego_from_camera = self._nominal[index]
            if mounting_error is not None:
                ego_from_camera = ego_from_camera.copy()
                ego_from_camera[:3, :3] = mounting_error[index] @ ego_from_camera[:3, :3]
            self._draw_camera(index, world_from_ego @ ego_from_camera, counts)
        if self._fine:
            context.copy_framebuffer(self._resolved, self._target)
        self._resolved.read_into(self._rgba, components=4)
        return self._rgba

    def _upload(self, actors: Actors, ego_pose: tuple[float, float, float]) -> dict[str, int]:
        vehicles, pedestrians = actors.vehicles, actors.pedestrians
        tables: dict[str, np.ndarray] = {}
        for index, name in enumerate(VEHICLE_SHAPES):
            rows = vehicles[vehicles[:, 3] == index] if len(vehicles) else vehicles
            table = np.zeros((len(rows), 12), dtype=np.float32)
            if len(rows):
                table[:, [0, 1, 3]] = rows[:, :3]
                table[:, 4:8] = rows[:, 4:8]
                table[:, 8:11] = rows[:, 8:9]
            tables[name] = table
        walkers = np.zeros((len(pedestrians), 12), dtype=np.float32)
        shade = np.zeros((len(vehicles) + len(pedestrians), 12), dtype=np.float32)
        if len(pedestrians):
            walkers[:, [0, 1, 3]] = pedestrians[:, :3]
            walkers[:, 4:7] = pedestrians[:, 3:6]
            walkers[:, 8:11] = 1.0
            walkers[:, 11] = pedestrians[:, 6]
            shade[len(vehicles) :, [0, 1, 3]] = pedestrians[:, :3]
            shade[len(vehicles) :, 8:11] = (0.45, 0.45, 1.0)
        if len(vehicles):
            half = np.array([(2.85, 1.3), (3.1, 1.4), (4.5, 1.7)])[vehicles[:, 3].astype(int)]
            shade[: len(vehicles), [0, 1, 3]] = vehicles[:, :3]
            shade[: len(vehicles), 8:10] = half
            shade[: len(vehicles), 10] = 1.0
        tables |= {"pedestrian": walkers, "shadow": shade, "lamp": self._lamp_table(actors, ego_pose)}
        for name, table in tables.items():
            if len(table):
                self._instances[name][1].write(np.ascontiguousarray(table[:256]).tobytes())
        return {name: min(len(table), 256) for name, table in tables.items()}

    def _lamp_table(self, actors: Actors, ego_pose: tuple[float, float, float]) -> np.ndarray:
        rows = []
        for junction, along, x, y, z, heading in self._heads:
            if math.hypot(x - ego_pose[0], y - ego_pose[1]) > 160.0:
                continue
            lit = actors.signals[junction][0 if along else 1]
            for colour, height in _LAMP_HEIGHT_M.items():
                paint = _LAMP_COLOURS[colour] if colour == lit else (0.025, 0.025, 0.025)
                size = 1.25 if colour == lit else 1.0
                rows.append((x, y, z + height, heading, *paint, 0.0, 1.0, size, size, 0.0))
        return np.array(rows, dtype=np.float32).reshape(-1, 12)

    def _draw_camera(self, index: int, world_from_camera: np.ndarray, counts: dict[str, int]) -> None:
        import moderngl

        context = self.context
        clip_from_world = self._projections[index] @ np.linalg.inv(world_from_camera)
        eye = world_from_camera[:3, 3]
        self._target.viewport = (0, index * self.height_px, self.width_px, self.height_px)
        matrix = np.ascontiguousarray(clip_from_world.T, dtype=np.float32).tobytes()
        position = tuple(map(float, eye))
        for program in self._programs.values():
            if "clip_from_world" in program:
                program["clip_from_world"].write(matrix)
            if "eye" in program:
                program["eye"].value = position
        inverse = np.ascontiguousarray(np.linalg.inv(clip_from_world).T, dtype=np.float32).tobytes()
        self._programs["sky"]["world_from_clip"].write(inverse)
        visible = self._visible(eye, world_from_camera[:3, 2], index)
        for name in (*VEHICLE_SHAPES, "pedestrian", "lamp"):
            if counts[name]:
                self._instances[name][0].render(instances=counts[name])
        last = MATERIALS.index("shadow")
        for order, array in visible:
            if order != last:
                array.render()
        self._ground.render()
        self._sky.render(vertices=3)
        context.enable(moderngl.BLEND)
        self._target.depth_mask = False
        for order, array in visible:
            if order == last:
                array.render()
        if counts["shadow"]:
            self._instances["shadow"][0].render(instances=counts["shadow"])
        if self._light.glare > 1.0:
            self._draw_glare(inverse, world_from_camera)
        self._target.depth_mask = True
        context.disable(moderngl.BLEND)

    def _draw_glare(self, inverse: bytes, world_from_camera: np.ndarray) -> None:
        import moderngl

        sunward = float(world_from_camera[:3, 2] @ np.array(self._light.sun_direction))
        if sunward < 0.2:
            return
        self._programs["glare"]["world_from_clip"].write(inverse)
        self._programs["glare"]["strength"].value = 0.5 * (self._light.glare - 1.0)
        self.context.disable(moderngl.DEPTH_TEST)
        self.context.blend_func = moderngl.ONE, moderngl.ONE
        self._glare.render(vertices=3)
        self.context.blend_func = moderngl.DEFAULT_BLENDING
        self.context.enable(moderngl.DEPTH_TEST)

    def _visible(self, eye: np.ndarray, forward: np.ndarray, index: int) -> list[tuple[int, Any]]:
        """Vertex arrays of the chunks inside a camera's field of view, by material, near ones first."""
        bearing, half_view, reach = math.atan2(forward[1], forward[0]), self._half_view[index], self._reach[index]
        # Inward normals of the view's left and right edge, in plan.
        left = np.array([math.sin(bearing + half_view), -math.cos(bearing + half_view)])
        right = np.array([-math.sin(bearing - half_view), math.cos(bearing - half_view)])
        drawn = []
        for chunk in self._chunks:
            away = chunk.centre - eye[:2]
            distance = math.hypot(*away)
            if distance - chunk.radius > DRAW_DISTANCE_M or min(away @ left, away @ right) < -chunk.radius:
                continue
            near = distance - chunk.radius
            drawn += [(order, distance, array) for order, array in chunk.arrays if near < reach[order]]
        drawn.sort(key=lambda entry: entry[:2])
        return [(order, array) for order, _, array in drawn]


def _projection(lens: Any, width_px: int, height_px: int) -> np.ndarray:
    """(4, 4) clip from optical camera frame. Row 0 of the picture is drawn at the bottom, where read-back begins."""
    matrix = np.zeros((4, 4))
    matrix[0, 0], matrix[0, 2] = 2 * lens.fx_px / width_px, 2 * (lens.cx_px + 0.5) / width_px - 1
    matrix[1, 1], matrix[1, 2] = 2 * lens.fy_px / height_px, 2 * (lens.cy_px + 0.5) / height_px - 1
    matrix[2, 2], matrix[2, 3] = (FAR_M + NEAR_M) / (FAR_M - NEAR_M), -2 * FAR_M * NEAR_M / (FAR_M - NEAR_M)
    matrix[3, 2] = 1.0
    return matrix


def _half_view(lens: Any, width_px: int, height_px: int) -> float:
    """Half the widest horizontal angle of view, with room for the camera's pitch."""
    return math.atan(0.5 * width_px / lens.fx_px) + 0.08


def _pose_matrix(x_m: float, y_m: float, heading_rad: float) -> np.ndarray:
    cos, sin = math.cos(heading_rad), math.sin(heading_rad)
    return np.array([[cos, -sin, 0, x_m], [sin, cos, 0, y_m], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=np.float64)
