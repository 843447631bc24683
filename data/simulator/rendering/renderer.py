"""Render the eight camera images into one atlas with one read-back.

Takes a stationary world once (`load`) and poses of moving objects per image (`render`). It does not know traffic rules
and does not change the world.
"""

import math
from typing import Any

import numpy as np

from fsd.data.frames import CAMERAS
from fsd.data.rig import Pinhole, Rig
from fsd.data.simulator.rendering import mesh, models
from fsd.data.simulator.rendering.chunks import Chunk, cut, draw_distances_m, visible
from fsd.data.simulator.rendering.instances import (
    MAX_INSTANCES,
    VEHICLE_SHAPES,
    Actors,
    in_view,
    instance_tables,
    lamp_table,
)
from fsd.data.simulator.rendering.opengl import open_context
from fsd.data.simulator.rendering.programs import Programs
from fsd.data.simulator.rendering.scene import MATERIALS, build_scene, signal_heads
from fsd.data.simulator.roads.appearance import Light, Surfaces
from fsd.data.simulator.roads.road import Road
from fsd.data.simulator.roads.scenery import Scenery

NEAR_M, FAR_M = 0.2, 1800.0

QUALITIES = ("fast", "fine")
"""fine: four samples per pixel, smooth textures, everything drawn. fast: a third of the time, for training."""


class Renderer:
    """Eight cameras of one size in one framebuffer.

    Args:
        rig: the cameras; all must be undistorted pinholes of one size, in canonical order.
        quality: one of `QUALITIES`.

    Raises:
        SimulatorError: OpenGL is not available; the message names the packages to install.
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
        # Half the horizontal field of view, with a margin for the camera's pitch.
        self._half_view = [math.atan(0.5 * self.width_px / lens.fx_px) + 0.08 for lens in lenses]
        self._reach = [draw_distances_m(lens.fx_px * 320.0 / self.width_px, self._fine) for lens in lenses]
        self._nominal = [camera.ego_from_camera.matrix() for camera in rig.cameras]
        self._chunks: list[Chunk] = []
        self._loaded: list[Any] = []
        self._ground: Any = None
        # OpenGL draws into the current context, and several renderers may exist in one process: every method that
        # uses OpenGL makes its own context current first.
        self.context = open_context()
        with self.context:
            self._build_targets(samples)
            self._build_programs()

    @staticmethod
    def _pinholes(rig: Rig) -> list[Pinhole]:
        """The pinhole intrinsics, if this rig can be rendered."""
        sizes = {(camera.width_px, camera.height_px) for camera in rig.cameras}
        if tuple(camera.name for camera in rig.cameras) != CAMERAS or len(sizes) != 1:
            raise ValueError("The renderer needs the eight canonical cameras, all of one size; use `canonical_rig()`.")
        lenses = [camera.intrinsics for camera in rig.cameras if isinstance(camera.intrinsics, Pinhole)]
        if len(lenses) != len(CAMERAS) or any(lens.distortion for lens in lenses):
            raise ValueError("The renderer needs undistorted pinhole cameras; use `canonical_rig()`.")
        return lenses

    def _build_targets(self, samples: int) -> None:
        context, size = self.context, (self.width_px, self.height_px * len(self.rig.cameras))
        self._target = context.framebuffer(
            [context.renderbuffer(size, 4, samples=samples)], context.depth_renderbuffer(size, samples=samples)
        )
        self._resolved = context.framebuffer([context.renderbuffer(size, 4)]) if samples else self._target

    def _build_programs(self) -> None:
        self._programs = Programs(self.context, self._fine)
        self._sky, self._glare = self._programs.whole_image("sky"), self._programs.whole_image("glare")
        shapes = {
            "sedan": models.sedan(),
            "van": models.van(),
            "truck": models.truck(),
            "pedestrian": models.pedestrian(),
        }
        self._instances = {name: self._programs.instanced("actor", shape) for name, shape in shapes.items()}
        self._instances["lamp"] = self._programs.instanced(
            "lamp", mesh.disc((-0.02, 0, 0), 0.13, "-x", (1, 1, 1), sides=9)
        )
        unit = [[(-1, -1, 0.035), (1, -1, 0.035), (1, 1, 0.035), (-1, 1, 0.035)]]
        uv = np.array([[[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]])
        self._instances["shadow"] = self._programs.instanced("actor_shadow", mesh.quads(np.array(unit), (0, 0, 0), uv))

    def load(self, road: Road, scenery: Scenery, surfaces: Surfaces, light: Light, country: bool) -> None:
        """Upload a stationary world; replaces the previous one."""
        scene = build_scene(road, scenery, surfaces, light, country)
        self._light = light
        self._heads = signal_heads(road)
        with self.context:
            for held in self._loaded:
                held.release()
            self._loaded = []
            self._ground = self._load_faces("ground", scene.pop("ground"))
            self._chunks = cut(scene, self._load_faces)
            self._programs.set_look(surfaces, light, road)

    def _load_faces(self, material: str, vertices: np.ndarray) -> Any:
        array, buffer = self._programs.standing(material, vertices)
        self._loaded += [array, buffer]  # moderngl does not free them by itself
        return array

    def release(self) -> None:
        """Free all GPU resources; the renderer cannot be used afterwards."""
        self.context.release()

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
            actors: moving objects.
            time_s: selects the exposure step.
            mounting_error: (8, 3, 3) small rotations of the cameras on their mounts, about the ego's axes, or None.

        Returns:
            (8, H, W, 4) uint8 RGBA, row 0 on top. The next call reuses the array.
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
        self._programs.set("exposure", self._light.exposure_at(time_s))
        tables = instance_tables(actors) | {"lamp": lamp_table(actors.signals, self._heads, ego_pose)}
        world_from_ego = pose_matrix(*ego_pose)
        for index in range(len(self.rig.cameras)):
            ego_from_camera = self._nominal[index]
            if mounting_error is not None:
                ego_from_camera = ego_from_camera.copy()
                ego_from_camera[:3, :3] = mounting_error[index] @ ego_from_camera[:3, :3]
            self._draw_camera(index, world_from_ego @ ego_from_camera, tables)
        if self._fine:
            context.copy_framebuffer(self._resolved, self._target)
        self._resolved.read_into(self._rgba, components=4)

    def _upload(self, tables: dict[str, np.ndarray], eye: np.ndarray, bearing_rad: float, index: int) -> dict[str, int]:
        """Upload the moving objects that may be in a camera's view; returns their numbers."""
        counts = {}
        for name, table in tables.items():
            seen = in_view(table, eye, bearing_rad, self._half_view[index])[:MAX_INSTANCES] if len(table) else table
            counts[name] = len(seen)
            if len(seen):
                self._instances[name][1].write(seen.tobytes())
        return counts

    def _draw_camera(self, index: int, world_from_camera: np.ndarray, tables: dict[str, np.ndarray]) -> None:
        import moderngl

        context = self.context
        clip_from_world = self._projections[index] @ np.linalg.inv(world_from_camera)
        eye = world_from_camera[:3, 3]
        self._target.viewport = (0, index * self.height_px, self.width_px, self.height_px)
        inverse = np.linalg.inv(clip_from_world)
        self._programs.set("clip_from_world", np.ascontiguousarray(clip_from_world.T, dtype=np.float32).tobytes())
        self._programs.set("world_from_clip", np.ascontiguousarray(inverse.T, dtype=np.float32).tobytes())
        self._programs.set("eye", tuple(map(float, eye)))
        forward = world_from_camera[:3, 2]
        bearing_rad = math.atan2(forward[1], forward[0])
        counts = self._upload(tables, eye, bearing_rad, index)
        seen = visible(self._chunks, eye, bearing_rad, self._half_view[index], self._reach[index])
        for name in (*VEHICLE_SHAPES, "pedestrian", "lamp"):
            if counts[name]:
                self._instances[name][0].render(instances=counts[name])
        last = MATERIALS.index("shadow")
        for order, array in seen:
            if order != last:
                array.render()
        self._ground.render()
        self._sky.render(vertices=3)
        context.enable(moderngl.BLEND)
        self._target.depth_mask = False
        for order, array in seen:
            if order == last:
                array.render()
        if counts["shadow"]:
            self._instances["shadow"][0].render(instances=counts["shadow"])
        if self._light.glare > 1.0:
            self._draw_glare(forward)
        self._target.depth_mask = True
        context.disable(moderngl.BLEND)

    def _draw_glare(self, forward: np.ndarray) -> None:
        import moderngl

        sunward = float(forward @ np.array(self._light.sun_direction))
        if sunward < 0.2:
            return
        self._programs.set("strength", 0.5 * (self._light.glare - 1.0))
        self.context.disable(moderngl.DEPTH_TEST)
        self.context.blend_func = moderngl.ONE, moderngl.ONE
        self._glare.render(vertices=3)
        self.context.blend_func = moderngl.DEFAULT_BLENDING
        self.context.enable(moderngl.DEPTH_TEST)


def projection(lens: Pinhole, width_px: int, height_px: int) -> np.ndarray:
    """(4, 4) clip_from_camera (optical frame). Image row 0 is drawn at the bottom, where read-back begins."""
    matrix = np.zeros((4, 4))
    matrix[0, 0], matrix[0, 2] = 2 * lens.fx_px / width_px, 2 * (lens.cx_px + 0.5) / width_px - 1
    matrix[1, 1], matrix[1, 2] = 2 * lens.fy_px / height_px, 2 * (lens.cy_px + 0.5) / height_px - 1
    matrix[2, 2], matrix[2, 3] = (FAR_M + NEAR_M) / (FAR_M - NEAR_M), -2 * FAR_M * NEAR_M / (FAR_M - NEAR_M)
    matrix[3, 2] = 1.0
    return matrix


def pose_matrix(x_m: float, y_m: float, heading_rad: float) -> np.ndarray:
    """(4, 4) world_from_ego."""
    cos, sin = math.cos(heading_rad), math.sin(heading_rad)
    return np.array([[cos, -sin, 0, x_m], [sin, cos, 0, y_m], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=np.float64)
