"""Frame sets made in memory for the compressor's tests: fixtures `made` (pictures) and `street` (a drive)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from fsd.compression.token_rays import cell_pixels, ego_rays
from fsd.data.frames import CAMERAS, Frame, FrameSet
from fsd.data.standard_rigs import canonical_rig


class Made:
    """Pictures, ticks and drives."""

    TICK_NS = 27_777_778

    @staticmethod
    def picture(luma: np.ndarray, tick: int = 0, chroma: int = 128) -> Frame:
        """A frame whose luma is (H, W) uint8 and whose chroma is flat."""
        shape = ((luma.shape[0] + 1) // 2, (luma.shape[1] + 1) // 2)
        plane = np.full(shape, chroma, np.uint8)
        return Frame(luma, plane, plane, timestamp_ns=tick * Made.TICK_NS, index=tick)

    @staticmethod
    def noise_picture(height: int, width: int, seed: int = 0, stride: int = 0) -> Frame:
        """White noise in all planes; `stride` bytes of padding follow every row, as decoders leave them."""
        rng = np.random.default_rng(seed)
        half = ((height + 1) // 2, (width + 1) // 2)
        y, u, v = (
            rng.integers(0, 256, (h, w + stride), dtype=np.uint8)[:, :w] for h, w in ((height, width), half, half)
        )
        return Frame(y, u, v, timestamp_ns=0, index=0)

    @staticmethod
    def frame_set(tick: int, frames: Sequence[Frame | None]) -> FrameSet:
        """A tick at exact 36 Hz; cameras are valid where there is a frame that is not black."""
        there = np.array([frame is not None for frame in frames])
        is_valid = np.array([frame is not None and not frame.is_black for frame in frames])
        return FrameSet(
            tick, tick * Made.TICK_NS, tuple(frames), np.where(there, 0, -1).astype(np.int64), is_valid, is_valid.copy()
        )

    @staticmethod
    def drive(ticks: int, make: Callable[[int, int], Frame | None]) -> list[FrameSet]:
        """`ticks` frame sets; `make(tick, camera)` gives every picture, None where the camera is missing."""
        return [Made.frame_set(tick, [make(tick, camera) for camera in range(len(CAMERAS))]) for tick in range(ticks)]


@pytest.fixture(scope="session")
def made() -> type[Made]:
    """The builders, for tests that cannot import each other."""
    return Made


@dataclass(frozen=True)
class Hazard:
    """An upright grey board across the street; metres in the world, `shade` 0 … 1."""

    x_m: float
    y_m: float
    width_m: float = 0.6
    height_m: float = 1.7
    shade: float = 0.05


class Street:
    """A textured street between two walls, seen by the canonical rig: what the ego-warp has to explain.

    Its walls stand 8 m away where the compressor's prior assumes 6, so that the prior is not the truth.
    """

    WIDTH, HEIGHT, WALL_M = 160, 120, 8.0

    def __init__(self) -> None:
        self.rig = canonical_rig(self.WIDTH, self.HEIGHT)
        cameras = [self.rig.camera(name) for name in CAMERAS]
        self._rays = [ego_rays(c, cell_pixels(c, self.HEIGHT, self.WIDTH)).astype(np.float32) for c in cameras if c]
        self._positions = [c.ego_from_camera.matrix()[:3, 3] for c in cameras if c]

    def frame_set(
        self,
        tick: int,
        pose: tuple[float, float, float] = (0.0, 0.0, 0.0),
        hazards: Sequence[Hazard] = (),
        gain: float = 1.0,
        cameras: Sequence[int] = range(8),
        noise_seed: int | None = None,
    ) -> FrameSet:
        """The street from `pose` (x m, y m, yaw rad) under an exposure; other cameras are missing."""
        rng = None if noise_seed is None else np.random.default_rng(noise_seed)
        frames: list[Frame | None] = [None] * len(CAMERAS)
        for camera in cameras:
            light = self._light(camera, pose, hazards) * gain + 16
            if rng is not None:
                light = light + rng.normal(0, 1.5, light.shape)
            luma = np.clip(light, 0, 255).astype(np.uint8).reshape(self.HEIGHT, self.WIDTH)
            frames[camera] = Made.picture(luma, tick)
        return Made.frame_set(tick, frames)

    def _light(self, camera: int, pose: tuple[float, float, float], hazards: Sequence[Hazard]) -> np.ndarray:
        x, y, yaw = pose
        cos, sin = np.cos(yaw), np.sin(yaw)
        turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
        ray = self._rays[camera] @ turn.astype(np.float32)
        start = self._positions[camera] @ turn + (x, y, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            ground = np.where(ray[:, 2] < -1e-4, -start[2] / ray[:, 2], 1e9)
            wall = np.where(np.abs(ray[:, 1]) > 1e-4, (np.sign(ray[:, 1]) * self.WALL_M - start[1]) / ray[:, 1], 1e9)
        distance = np.minimum(ground, wall)
        place = start + distance[:, None] * ray
        is_ground, blur = ground < wall, distance * 2 / self.WIDTH
        up = np.where(is_ground, place[:, 1], place[:, 2])
        light = _texture(place[:, 0], up, blur, np.where(is_ground, 0, 10))
        light = np.where((~is_ground & (place[:, 2] > 7)) | (distance > 300), 0.85, light)
        for hazard in hazards:
            along = (hazard.x_m - start[0]) / np.where(np.abs(ray[:, 0]) < 1e-6, 1e-6, ray[:, 0])
            at = start + along[:, None] * ray
            is_board = (along > 0.3) & (along < distance) & (np.abs(at[:, 1] - hazard.y_m) < hazard.width_m / 2)
            light = np.where(is_board & (at[:, 2] > 0) & (at[:, 2] < hazard.height_m), hazard.shade, light)
        return light * 200


def _texture(u: np.ndarray, v: np.ndarray, blur: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """Smooth noise of three grain sizes; grains finer than the footprint of a pixel fade out."""
    light = np.full(u.shape, 0.45, np.float32)
    for layer, (cell, strength) in enumerate(((4.0, 0.35), (1.2, 0.25), (0.35, 0.2))):
        fade = np.clip(1.5 - 3 * blur / cell, 0, 1)
        light += strength * fade * (_value_noise(u / cell, v / cell, seed + layer) - 0.5)
    return light


def _value_noise(u: np.ndarray, v: np.ndarray, seed: np.ndarray) -> np.ndarray:
    i, j = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
    s, t = (u - i).astype(np.float32), (v - j).astype(np.float32)
    upper = _hashed(i, j, seed) * (1 - s) + _hashed(i + 1, j, seed) * s
    lower = _hashed(i, j + 1, seed) * (1 - s) + _hashed(i + 1, j + 1, seed) * s
    return upper * (1 - t) + lower * t


def _hashed(i: np.ndarray, j: np.ndarray, seed: np.ndarray) -> np.ndarray:
    mixed = (i * 0x9E3779B1 ^ j * 0x85EBCA77 ^ seed * 0x27D4EB2F).astype(np.uint32)
    mixed ^= mixed >> np.uint32(15)
    mixed *= np.uint32(0x2C1B3C6D)
    return ((mixed ^ (mixed >> np.uint32(12))) & np.uint32(0xFFFF)).astype(np.float32) / 65535


@pytest.fixture(scope="session")
def street() -> Street:
    """The street, built once."""
    return Street()


@pytest.fixture(scope="session")
def hazard() -> type[Hazard]:
    """The class, for tests that cannot import it."""
    return Hazard
