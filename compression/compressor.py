"""One tick of eight cameras to a fixed number of pixels: retina, gaze, and what goes into memory.

Causal and streaming: a tick depends on itself and on earlier ticks only. Everything is preallocated; the cost of a tick
does not depend on what the cameras show. Opens no file and does not know which network reads the result.
"""

import numpy as np

from fsd.compression.budget import PATCH_PX, Budget
from fsd.compression.gaze import Gaze, GazePolicy, Scene
from fsd.compression.gaze_baselines import FixedFoveation
from fsd.compression.memory import OdometerMemory
from fsd.compression.odometry import Odometer
from fsd.compression.sampling import ANALYSIS_COLUMNS, ANALYSIS_ROWS, PictureSampler
from fsd.compression.tick import META_SIZE, CompressedTick
from fsd.compression.token_geometry import AGE, BLOCKS, FILLED, TokenGeometry
from fsd.data.ego import EgoSample
from fsd.data.errors import ClipError, ClockError
from fsd.data.frames import CAMERAS, Frame, FrameSet
from fsd.data.rig import Rig

GREY = 128
"""What missing pictures and unused patches are filled with."""


class Compressor:
    """Compresses one drive, tick by tick.

    Args:
        rig: where the cameras look. A camera that the rig does not describe counts as missing.
        budget: the fixed size of a tick.
        policy: what is worth a patch; fixed foveation if not given.
    """

    def __init__(self, rig: Rig, budget: Budget, policy: GazePolicy | None = None) -> None:
        self.rig, self.budget = rig, budget
        self.geometry = TokenGeometry(rig)
        self.gaze = Gaze(budget, policy or FixedFoveation(self.geometry), int(self.geometry.has_camera.sum()))
        self._odometer = Odometer()
        self._memory = OdometerMemory()
        self._samplers: list[PictureSampler | None] = [None] * len(CAMERAS)
        self._analysis = np.empty((len(CAMERAS), ANALYSIS_ROWS, ANALYSIS_COLUMNS), np.uint8)
        self._retina = np.empty((len(CAMERAS), 6, budget.base_height_px // 2, budget.base_width_px // 2), np.uint8)
        self._retina_meta = self.geometry.retina_meta.copy()
        self._patches = np.empty((budget.patch_count, 6, PATCH_PX // 2, PATCH_PX // 2), np.uint8)
        self._patch_meta = np.zeros((budget.patch_count, META_SIZE), np.float32)
        self._patch_camera = np.empty(budget.patch_count, np.int16)
        self._patch_block = np.empty(budget.patch_count, np.int16)
        self._camera_valid = np.empty(len(CAMERAS), np.float32)
        self._camera_age_s = np.empty(len(CAMERAS), np.float32)
        self._block_meta = self.geometry.block_meta.reshape(-1, META_SIZE)
        self.reset()

    @property
    def odometry(self) -> str:
        """Where the last tick's motion came from: "ego", or "none" when there was no ego sample (no motion then)."""
        return self._odometer.source

    def reset(self) -> None:
        """Forget the drive."""
        self._odometer.reset()
        self._memory.reset()
        self.gaze.reset()
        self._count = 0
        self._last_timestamp_ns: int | None = None
        self._analysis[:] = GREY
        self._retina[:] = GREY

    def step(self, frame_set: FrameSet, ego: EgoSample | None, saliency: np.ndarray | None) -> CompressedTick:
        """Compress the next tick.

        Args:
            frame_set: the cameras at this tick; ticks come in order.
            ego: the newest ego sample not later than the tick, or None.
            saliency: (8, 15, 20) what the network fed back after the last tick, or None.

        Raises:
            ClockError: the tick is not later than the one before.
            ClipError: a picture is too large, or its planes do not fit each other.
        """
        now_ns = frame_set.timestamp_ns
        if self._last_timestamp_ns is not None and now_ns <= self._last_timestamp_ns:
            raise ClockError(
                f"Tick {frame_set.tick} at {now_ns} ns is not later than the tick before at {self._last_timestamp_ns} "
                "ns. Feed ticks in order, and call `reset` between drives."
            )
        self._last_timestamp_ns = now_ns
        is_valid = frame_set.is_valid & self.geometry.has_camera
        self._look_at_cameras(frame_set, is_valid)
        self._odometer.step(now_ns, ego)
        self._memory.look(self._odometer, now_ns)
        chosen = self.gaze.choose(Scene(self._count, self._analysis, is_valid, self.gaze.last_read, saliency))
        self._read_patches(frame_set, chosen)
        self._memory.commit(self._odometer, now_ns)
        self._count += 1
        return CompressedTick(
            tick=frame_set.tick,
            timestamp_ns=now_ns,
            retina=self._retina,
            retina_meta=self._retina_meta,
            patches=self._patches,
            patch_meta=self._patch_meta,
            patch_camera=self._patch_camera,
            patch_block=self._patch_block,
            camera_valid=self._camera_valid,
            camera_age_s=self._camera_age_s,
            memory_pose=self._memory.pose,
            memory_valid=self._memory.valid,
            commit_slots=self._memory.commits,
            is_keyframe=is_valid & bool((self._memory.commits >= 0).any()),
        )

    def _look_at_cameras(self, frame_set: FrameSet, is_valid: np.ndarray) -> None:
        self._camera_valid[:] = is_valid
        np.multiply(frame_set.age_ns, 1e-9, out=self._camera_age_s, casting="unsafe")
        self._camera_age_s *= self._camera_valid
        self._retina_meta[:, :, AGE] = self._camera_age_s[:, None]
        self._retina_meta[:, :, FILLED] = self._camera_valid[:, None]
        for index, frame in enumerate(frame_set.frames):
            if is_valid[index] and frame is not None:
                self._sampler(index, frame).read_whole(frame, self._analysis[index], self._retina[index])
            else:
                self._retina[index] = GREY

    def _sampler(self, index: int, frame: Frame) -> PictureSampler:
        sampler = self._samplers[index]
        if sampler is None or not sampler.fits(frame):
            _check_planes(CAMERAS[index], frame)
            sampler = self._samplers[index] = PictureSampler(
                frame.y_plane.shape[0], frame.y_plane.shape[1], self.budget
            )
        return sampler

    def _read_patches(self, frame_set: FrameSet, chosen: np.ndarray) -> None:
        count = len(chosen)
        np.floor_divide(chosen, BLOCKS, out=self._patch_camera[:count], casting="unsafe")
        np.remainder(chosen, BLOCKS, out=self._patch_block[:count], casting="unsafe")
        ends = np.searchsorted(chosen, np.arange(1, len(CAMERAS) + 1) * BLOCKS).tolist()
        first = 0
        for index, last in enumerate(ends):
            frame, sampler = frame_set.frames[index], self._samplers[index]
            if last > first and frame is not None and sampler is not None:
                sampler.read_blocks(frame, self._patch_block, first, last, self._patches)
            first = last
        self._patch_meta[:count] = self._block_meta[chosen]
        self._patch_meta[:count, AGE] = self._camera_age_s[self._patch_camera[:count]]
        self._patch_meta[:count, FILLED] = 1
        if count < self.budget.patch_count:
            self._patches[count:] = GREY
            self._patch_meta[count:] = 0
            self._patch_camera[count:] = -1
            self._patch_block[count:] = -1


def _check_planes(name: str, frame: Frame) -> None:
    height, width = frame.y_plane.shape
    chroma = ((height + 1) // 2, (width + 1) // 2)
    for plane_name, plane, shape in (
        ("y_plane", frame.y_plane, (height, width)),
        ("u_plane", frame.u_plane, chroma),
        ("v_plane", frame.v_plane, chroma),
    ):
        if plane.dtype != np.uint8 or plane.shape != shape or plane.strides[1] != 1:
            raise ClipError(
                f"{name}: `{plane_name}` is {plane.shape} {plane.dtype}, expected {shape} uint8 with pixels side by "
                "side (planar YUV 4:2:0, 8 bit). Decode to yuv420p."
            )
