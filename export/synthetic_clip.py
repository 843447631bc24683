"""Synthetic compressed ticks: smooth moving images, plausible metadata, and a memory that fills as on a drive.

For tests, benchmarks and calibrating untrained networks; it does not simulate a road.
"""

from collections.abc import Iterator

import numpy as np

from fsd.compression.budget import Budget
from fsd.compression.tick import (
    EVENT_SLOTS,
    FAR_SLOTS,
    MAX_COMMITS,
    MEMORY_SLOTS,
    META_SIZE,
    NEAR_SLOTS,
    RETINA_TOKENS,
    TIME_SLOTS,
    CompressedTick,
)
from fsd.data.clock import SECOND_NS
from fsd.data.ego import COMMANDS, EgoSample
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS, RATE_HZ, TICK_S
from fsd.networks.input_buffers import TickInput

QUEUES = ((4, 0, TIME_SLOTS), (6, TIME_SLOTS, NEAR_SLOTS), (24, TIME_SLOTS + NEAR_SLOTS, FAR_SLOTS))
"""(period in ticks, first slot, size) of the time, near and far queues; each is a ring of slots."""


def synthetic_steps(
    budget: Budget, count: int, seed: int = 0, missing_camera: int | None = None
) -> Iterator[TickInput]:
    """`count` ticks of a smooth drive; the same for the same seed."""
    rng = np.random.default_rng(seed)
    cameras = len(CAMERAS)
    packed = (6, budget.base_height_px // 2, budget.base_width_px // 2)
    retina_waves = _Waves(rng, (cameras - budget.outer_cameras, *packed))
    patch_waves = _Waves(rng, (budget.patch_slots, 6, 16, 16))
    of_fovea = _FoveaArrays(budget, seed) if budget.fovea is not None else None
    retina_meta = _meta(rng, np.repeat(np.arange(cameras), RETINA_TOKENS)).reshape(cameras, RETINA_TOKENS, META_SIZE)
    written_tick = np.full(MEMORY_SLOTS, -1)
    camera_valid = np.ones(cameras, np.float32)
    if missing_camera is not None:
        camera_valid[missing_camera] = 0
    heading, position, path = 0.0, np.zeros(2), []
    for tick in range(count):
        speed_mps = 8.0 + 6.0 * np.sin(tick / 90 + seed)
        yaw_rate_rps = 0.15 * np.sin(tick / 60)
        heading += yaw_rate_rps * TICK_S
        position = position + speed_mps * TICK_S * np.array([np.cos(heading), np.sin(heading)])
        path.append((*position, heading))

        patch_camera = rng.integers(0, cameras, budget.patch_slots)
        patch_meta = _meta(rng, patch_camera)
        used = budget.patch_count - int(rng.integers(0, budget.patch_count // 4 + 1))
        patch_meta[used:] = 0
        patch_meta[used:, 0] = -1
        patches, retina = patch_waves.at(tick), retina_waves.at(tick)
        patches[used:] = 128
        retina[camera_valid[: len(retina)] == 0] = 128
        retina_outer = patch_quarter = None
        if of_fovea is not None:
            retina_outer = of_fovea.retina_outer(tick, camera_valid[len(retina) :])
            patch_meta, patch_quarter = of_fovea.patches(patch_meta, used)

        memory_valid = (written_tick >= 0).astype(np.float32)
        commit_slots = np.full(MAX_COMMITS, -1, np.int16)
        for queue, (every, start, size) in enumerate(QUEUES):
            if tick % every == 0:
                commit_slots[queue] = start + (tick // every) % size
        if tick % 50 == 10:
            commit_slots[3] = MEMORY_SLOTS - EVENT_SLOTS + (tick // 50) % EVENT_SLOTS
        yield TickInput(
            CompressedTick(
                tick=tick,
                timestamp_ns=tick * SECOND_NS // RATE_HZ,
                retina=retina,
                retina_meta=retina_meta,
                patches=patches,
                patch_meta=patch_meta,
                patch_camera=np.where(patch_meta[:, 7] > 0, patch_camera, -1).astype(np.int16),
                patch_block=np.where(
                    patch_meta[:, 7] > 0, rng.integers(0, GRID_ROWS * GRID_COLUMNS, budget.patch_slots), -1
                ).astype(np.int16),
                camera_valid=camera_valid,
                camera_age_s=np.where(camera_valid > 0, 0.01, 0).astype(np.float32),
                memory_pose=_memory_pose(path, written_tick, tick),
                memory_valid=memory_valid,
                commit_slots=commit_slots,
                is_keyframe=np.arange(cameras) == tick % cameras,
                retina_outer=retina_outer,
                patch_quarter=patch_quarter,
            ),
            EgoSample(float(speed_mps), float(yaw_rate_rps)) if tick % 40 < 32 else None,
            COMMANDS[(tick // 72) % len(COMMANDS)],
        )
        written_tick[commit_slots[commit_slots >= 0]] = tick


class _FoveaArrays:
    """What only ticks of foveated budgets have."""

    def __init__(self, budget: Budget, seed: int) -> None:
        assert budget.fovea is not None
        self.rng = np.random.default_rng((seed, 1))
        height, width = budget.fovea.outer_height_px // 2, budget.fovea.outer_width_px // 2
        self.waves, self.fine = _Waves(self.rng, (budget.outer_cameras, 6, height, width)), budget.fovea.fine_patches

    def retina_outer(self, tick: int, is_valid: np.ndarray) -> np.ndarray:
        """Base images of the outer cameras; `is_valid` (n,)."""
        images = self.waves.at(tick)
        images[is_valid == 0] = 128
        return images

    def patches(self, meta: np.ndarray, used: int) -> tuple[np.ndarray, np.ndarray]:
        """Metadata rows with a surprise, half as large for fine patches, and the quarters of these."""
        fine = slice(max(used - self.fine, 0), used)
        surprise = np.zeros((len(meta), 1), np.float32)
        surprise[:used, 0] = self.rng.uniform(0, 0.5, used)
        meta[fine, 4:6] *= 0.5
        quarter = np.full(len(meta), -1, np.int16)
        quarter[fine] = self.rng.integers(0, 4, fine.stop - fine.start)
        return np.hstack([meta, surprise]), quarter


class _Waves:
    """Images of travelling waves: smooth in space and time, different in every channel."""

    def __init__(self, rng: np.random.Generator, shape: tuple[int, int, int, int]) -> None:
        count, channels, height, width = shape
        y = np.linspace(0, 2 * np.pi, height)[:, None]
        x = np.linspace(0, 2 * np.pi, width)[None, :]
        frequency = rng.uniform(0.3, 4.0, (count, channels, 2, 1, 1))
        self.phase = frequency[:, :, 0] * y + frequency[:, :, 1] * x
        self.speed = rng.uniform(0.02, 0.3, (count, channels, 1, 1))
        self.level = rng.uniform(60, 190, (count, channels, 1, 1))
        self.height = rng.uniform(10, 60, (count, channels, 1, 1))

    def at(self, tick: int) -> np.ndarray:
        return np.clip(self.level + self.height * np.sin(self.phase + self.speed * tick), 0, 255).astype(np.uint8)


def _meta(rng: np.random.Generator, camera: np.ndarray) -> np.ndarray:
    """Metadata rows for tokens of these cameras: random rays in view, typical sizes and ages."""
    rows = np.zeros((len(camera), META_SIZE), np.float32)
    azimuth = camera * (2 * np.pi / len(CAMERAS)) + rng.uniform(-0.4, 0.4, len(camera))
    elevation = rng.uniform(-0.4, 0.2, len(camera))
    rows[:, 0] = camera
    rows[:, 1] = np.cos(elevation) * np.cos(azimuth)
    rows[:, 2] = np.cos(elevation) * np.sin(azimuth)
    rows[:, 3] = np.sin(elevation)
    rows[:, 4:6] = rng.uniform(0.02, 0.4, (len(camera), 2))
    rows[:, 6] = 0.01
    rows[:, 7] = 1
    return rows


def _memory_pose(path: list[tuple[float, float, float]], written_tick: np.ndarray, tick: int) -> np.ndarray:
    """(112, 6): pose of the car at each slot's commit, relative to its present pose; zero for empty slots."""
    pose = np.zeros((MEMORY_SLOTS, 6), np.float32)
    x, y, heading = path[-1]
    queue = np.repeat([0, 1, 2, 3], [TIME_SLOTS, NEAR_SLOTS, FAR_SLOTS, EVENT_SLOTS])
    for slot in np.flatnonzero(written_tick >= 0):
        old_x, old_y, old_heading = path[written_tick[slot]]
        forward, left, turn = old_x - x, old_y - y, old_heading - heading
        pose[slot] = (
            np.cos(heading) * forward + np.sin(heading) * left,
            -np.sin(heading) * forward + np.cos(heading) * left,
            np.sin(turn),
            np.cos(turn),
            (tick - written_tick[slot]) * TICK_S,
            queue[slot],
        )
    return pose
