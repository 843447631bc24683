"""The shader programs of an OpenGL context: compile them, set their uniforms, make their vertex arrays."""

from typing import Any

import numpy as np

from fsd.data.simulator.rendering import shaders
from fsd.data.simulator.rendering.instances import INSTANCE_FLOATS, MAX_INSTANCES
from fsd.data.simulator.roads.appearance import Light, Surfaces
from fsd.data.simulator.roads.road import Road

_LAYOUT = ("3f 3f 3f 3f", "position", "normal", "colour", "surface")
_INSTANCE_LAYOUT = ("4f 4f 4f /i", "at", "paint", "shape")
_SOURCES = {
    "asphalt": (shaders.STATIC_VERTEX, shaders.ASPHALT),
    "paint": (shaders.STATIC_VERTEX, shaders.PAINT),
    "wall": (shaders.STATIC_VERTEX, shaders.WALL),
    "foliage": (shaders.STATIC_VERTEX, shaders.FOLIAGE),
    "ground": (shaders.STATIC_VERTEX, shaders.GROUND),
    "shadow": (shaders.STATIC_VERTEX, shaders.SHADOW),
    "plain": (shaders.PLAIN_STATIC_VERTEX, shaders.PLAIN),
    "props": (shaders.PLAIN_STATIC_VERTEX, shaders.PLAIN),
    "actor": (shaders.INSTANCE_VERTEX, shaders.PLAIN),
    "lamp": (shaders.LAMP_VERTEX, shaders.PLAIN),
    "actor_shadow": (shaders.INSTANCE_SHADOW_VERTEX, shaders.SHADOW),
    "sky": (shaders.SKY_VERTEX, shaders.SKY),
    "glare": (shaders.SKY_VERTEX, shaders.GLARE),
}


class Programs:
    """All programs of one context. Call every method with that context current.

    Args:
        context: a moderngl context.
        smooth: interpolate textures within each mipmap level.
    """

    def __init__(self, context: Any, smooth: bool) -> None:
        import moderngl

        self._context = context
        self._programs = {
            name: context.program(vertex_shader=vertex, fragment_shader=fragment)
            for name, (vertex, fragment) in _SOURCES.items()
        }
        self._uniforms: dict[str, list[Any]] = {}
        for program in self._programs.values():
            for name in program:
                if isinstance(program[name], moderngl.Uniform):
                    self._uniforms.setdefault(name, []).append(program[name])
        noise = tileable_noise()
        self._noise = context.texture(noise.shape, 1, noise.tobytes())  # asphalt, grass, leaves and clouds
        self._noise.build_mipmaps()
        self._noise.filter = (
            (context.LINEAR_MIPMAP_NEAREST, context.LINEAR)
            if smooth
            else (context.NEAREST_MIPMAP_NEAREST, context.NEAREST)
        )
        self._noise.use(0)
        self._corners = context.buffer(np.array([-1, -1, 3, -1, -1, 3], dtype=np.float32).tobytes())

    def set(self, name: str, value: Any) -> None:
        """Set a uniform in every program that has it: a number, a tuple, or the bytes of a matrix."""
        for uniform in self._uniforms.get(name, ()):
            if isinstance(value, bytes):
                uniform.write(value)
            else:
                uniform.value = value

    def set_look(self, surfaces: Surfaces, light: Light, road: Road) -> None:
        for name in ("sun_direction", "sun", "ambient", "horizon", "zenith"):
            self.set(name, tuple(map(float, getattr(light, name))))
        self.set("fog_density", light.fog_density * 1.4427)  # exp2 in the shaders
        self.set("cloud", light.cloud)
        self.set("glare", light.glare)
        self.set("hills", 0.0 if light.weather == "fog" else 1.0)
        self.set("lamps", 1.0 if light.lamps_lit else 0.0)
        for name in ("asphalt", "ground", "paint", "centre_paint"):
            self.set(name, tuple(map(float, getattr(surfaces, name))))
        self.set("wear", surfaces.wear)
        self.set("edge", float(surfaces.has_edge_line))
        self.set("lines", (road.half_width_m, float(road.lanes), surfaces.line_width_m, surfaces.wear))
        apart = 0.15 if surfaces.centre_line == "double" else 0.0
        dashed = float(surfaces.centre_line == "dashed")
        self.set("centre", (apart, surfaces.dash_m, surfaces.dash_period_m, dashed))

    def whole_image(self, program: str) -> Any:
        """One triangle that covers the whole image."""
        return self._context.vertex_array(self._programs[program], [(self._corners, "2f", "corner")])

    def standing(self, program: str, vertices: np.ndarray) -> tuple[Any, Any]:
        """Stationary faces: their vertex array and its buffer."""
        buffer = self._context.buffer(np.ascontiguousarray(vertices, dtype=np.float32).tobytes())
        return self._context.vertex_array(self._programs[program], [(buffer, *self._used(program, *_LAYOUT))]), buffer

    def instanced(self, program: str, shape: np.ndarray) -> tuple[Any, Any]:
        """One shape drawn many times: its vertex array and the buffer of instances, written for every image."""
        vertices = self._context.buffer(np.ascontiguousarray(shape, dtype=np.float32).tobytes())
        instances = self._context.buffer(reserve=MAX_INSTANCES * INSTANCE_FLOATS * 4, dynamic=True)
        content = [(vertices, *self._used(program, *_LAYOUT)), (instances, *self._used(program, *_INSTANCE_LAYOUT))]
        return self._context.vertex_array(self._programs[program], content), instances

    def _used(self, program: str, layout: str, *names: str) -> tuple[str, ...]:
        """The layout without the attributes that the compiler removed from a program."""
        entries = layout.split()
        step = entries.pop() if entries[-1].startswith("/") else ""
        kept = [name for name in names if name in self._programs[program]]
        formats = [
            entry if name in self._programs[program] else f"{int(entry[0]) * 4}x"
            for entry, name in zip(entries, names, strict=True)
        ]
        return (" ".join(formats) + (f" {step}" if step else ""), *kept)


def tileable_noise(size: int = 256) -> np.ndarray:
    """(size, size) uint8: four octaves of blurred noise around 128. Tiles without a seam; fixed seed."""
    rng = np.random.default_rng(20)
    noise = np.zeros((size, size))
    for cells, weight in ((8, 0.30), (32, 0.28), (64, 0.22), (256, 0.20)):
        spread = np.kron(rng.uniform(0, 1, (cells, cells)), np.ones((size // cells, size // cells)))
        for axis in range(2):
            for _ in range(size // cells // 2):
                spread = 0.25 * (np.roll(spread, 1, axis) + np.roll(spread, -1, axis)) + 0.5 * spread
        noise += weight * (spread - spread.mean()) / max(spread.std(), 1e-6)
    return (np.clip(0.5 + 0.2 * noise / noise.std(), 0, 1) * 255).astype(np.uint8)
