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
from fsd.data.simulator.instances import (
    INSTANCE_FLOATS,
    MAX_INSTANCES,
    VEHICLE_SHAPES,
    Actors,
    instance_tables,
    lamp_table,
)
from fsd.data.simulator.noise import tileable_noise
from fsd.data.simulator.opengl import open_context
from fsd.data.simulator.road import Road
from fsd.data.simulator.scene import MATERIALS, build_scene, signal_heads
from fsd.data.simulator.scenery import Scenery
from fsd.data.simulator.view import half_view, pose_matrix, projection

CHUNK_M = 50.0
DRAW_DISTANCE_M = 280.0
"""Chunks of the world beyond this are not drawn; the open ground always is."""

QUALITIES = ("fast", "fine")
"""fine: four samples a pixel, smooth textures, everything drawn. fast: a third of the time, to train and to drive."""

_LAYOUT = ("3f 3f 3f 3f", "position", "normal", "colour", "surface")
_INSTANCE_LAYOUT = ("4f 4f 4f /i", "at", "paint", "shape")


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
        lenses = self._pinholes(rig)
        self.width_px, self.height_px = rig.cameras[0].width_px, rig.cameras[0].height_px
        self._rgba = np.zeros((len(rig.cameras), self.height_px, self.width_px, 4), dtype=np.uint8)
        self._projections = [projection(lens, self.width_px, self.height_px) for lens in lenses]
        self._half_view = [half_view(lens, self.width_px) for lens in lenses]
        self._reach = [self._draw_distances(lens) for lens in lenses]
        self._nominal = [camera.ego_from_camera.matrix() for camera in rig.cameras]
        self._chunks: list[_Chunk] = []
        self._loaded: list[Any] = []
        self._ground: Any = None
        # OpenGL draws into whichever context is current, and another renderer of this process may have been at work:
        # whatever touches the graphics card says whose it is.
        self.context = open_context()
        with self.context:
            self._build_targets(samples)
            self._build_programs()

    @staticmethod
    def _pinholes(rig: Rig) -> list[Pinhole]:
        """The lenses, if this rig can be drawn."""
        sizes = {(camera.width_px, camera.height_px) for camera in rig.cameras}
        if tuple(camera.name for camera in rig.cameras) != CAMERAS or len(sizes) != 1:
            raise ValueError("The renderer draws the eight canonical cameras, in order and all of one size.")
        lenses = [camera.intrinsics for camera in rig.cameras if isinstance(camera.intrinsics, Pinhole)]
        if len(lenses) != len(CAMERAS) or any(lens.distortion for lens in lenses):
            raise ValueError("The renderer draws undistorted pinhole cameras only; take `canonical_rig()`.")
        return lenses

    def _draw_distances(self, lens: Pinhole) -> list[float]:
        """Per material, how far a camera has to see it: until it would be a pixel or two."""
        reach = dict.fromkeys(MATERIALS, DRAW_DISTANCE_M)
        if not self._fine:
            scale = lens.fx_px * 320.0 / self.width_px
            reach["props"] = min(max(0.45 * scale, 45.0), DRAW_DISTANCE_M)
            reach["foliage"] = reach["shadow"] = min(max(0.8 * scale, 90.0), DRAW_DISTANCE_M)
            reach["plain"] = reach["wall"] = min(max(1.1 * scale, 150.0), DRAW_DISTANCE_M)
        return [reach[material] for material in MATERIALS]

    # Set-up -----------------------------------------------------------------------------------------------------------

    def _build_targets(self, samples: int) -> None:
        context, size = self.context, (self.width_px, self.height_px * len(self.rig.cameras))
        self._target = context.framebuffer(
            [context.renderbuffer(size, 4, samples=samples)], context.depth_renderbuffer(size, samples=samples)
        )
        self._resolved = context.framebuffer([context.renderbuffer(size, 4)]) if samples else self._target

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
        instances = self.context.buffer(reserve=MAX_INSTANCES * INSTANCE_FLOATS * 4, dynamic=True)
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
        """The grain of asphalt, grass, leaves and clouds."""
        context, noise = self.context, tileable_noise()
        texture = context.texture(noise.shape, 1, noise.tobytes())
        texture.build_mipmaps()
        smooth = (context.LINEAR_MIPMAP_NEAREST, context.LINEAR)
        texture.filter = smooth if self._fine else (context.NEAREST_MIPMAP_NEAREST, context.NEAREST)
        return texture

    # One world --------------------------------------------------------------------------------------------------------

    def load(self, road: Road, scenery: Scenery, surfaces: Surfaces, light: Light, country: bool) -> None:
        """Upload a standing world; replaces the one before."""
        scene = build_scene(road, scenery, surfaces, light, country)
        self._light = light
        self._heads = signal_heads(road)
        with self.context:
            for held in self._loaded:
                held.release()
            self._loaded = []
            self._ground = self._vertex_array("ground", scene.pop("ground"))
            self._chunks = self._cut(scene)
            self._set_look(surfaces, light, road, country)

    def _vertex_array(self, material: str, vertices: np.ndarray) -> Any:
        buffer = self.context.buffer(np.ascontiguousarray(vertices, dtype=np.float32).tobytes())
        array = self.context.vertex_array(self._programs[material], [(buffer, *self._used(material, *_LAYOUT))])
        self._loaded += [array, buffer]  # moderngl frees nothing by itself
        return array

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

    def release(self) -> None:
        """Free everything on the graphics card; the renderer cannot be used afterwards."""
        self.context.release()

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
        with self.context:
            self._draw(ego_pose, actors, time_s, mounting_error)
        return self._rgba

    def _draw(
        self, ego_pose: tuple[float, float, float], actors: Actors, time_s: float, mounting_error: np.ndarray | None
    ) -> None:
        import moderngl

        context = self.context
        self._target.use()
        self._target.clear(0.5, 0.5, 0.5, 1.0, depth=1.0)
        context.enable(moderngl.DEPTH_TEST)
        self._set("exposure", self._light.exposure_at(time_s))
        counts = self._upload(actors, ego_pose)
        world_from_ego = pose_matrix(*ego_pose)
        for index in range(len(self.rig.cameras)):
            ego_from_camera = self._nominal[index]
            if mounting_error is not None:
                ego_from_camera = ego_from_camera.copy()
                ego_from_camera[:3, :3] = mounting_error[index] @ ego_from_camera[:3, :3]
            self._draw_camera(index, world_from_ego @ ego_from_camera, counts)
        if self._fine:
            context.copy_framebuffer(self._resolved, self._target)
        self._resolved.read_into(self._rgba, components=4)

    def _upload(self, actors: Actors, ego_pose: tuple[float, float, float]) -> dict[str, int]:
        tables = instance_tables(actors) | {"lamp": lamp_table(actors.signals, self._heads, ego_pose)}
        for name, table in tables.items():
            if len(table):
                self._instances[name][1].write(table[:MAX_INSTANCES].tobytes())
        return {name: min(len(table), MAX_INSTANCES) for name, table in tables.items()}

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
