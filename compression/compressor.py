"""One tick of eight cameras to a fixed number of pixels: retina, gaze, and what goes into memory.

Causal and streaming: a tick depends on itself and on earlier ticks only. Everything is preallocated; the cost of a tick
does not depend on what the cameras show. Opens no file and does not know which network reads the result.
"""

import numpy as np

from fsd.compression.budget import PATCH_PX, Budget
from fsd.compression.clocked_gaze import RequestAverage, adaptive_policy
from fsd.compression.ego_warp import EgoWarp
from fsd.compression.fine_patches import FinePatches, label_fine
from fsd.compression.foveal_prior import foveal_prior
from fsd.compression.gaze import Gaze, GazePolicy, Scene
from fsd.compression.history import History
from fsd.compression.image_odometry import ImageOdometer
from fsd.compression.keyframes import KeyframeConfig, KeyframeScheduler
from fsd.compression.memory import OdometerMemory
from fsd.compression.odometry import Odometer
from fsd.compression.picture_reader import GREY, PictureReader
from fsd.compression.residual import ResidualDetector
from fsd.compression.telemetry import TickTelemetry
from fsd.compression.tick import AGE, FILLED, META_SIZE, CompressedTick
from fsd.compression.token_rays import TokenRays
from fsd.data.ego import EgoSample
from fsd.data.errors import ClockError
from fsd.data.frames import BLOCKS, CAMERAS, GRID_COLUMNS, GRID_ROWS, FrameSet
from fsd.data.kernel import kernel
from fsd.data.rig import Rig


class Compressor:
    """Compresses one drive, tick by tick.

    Args:
        rig: where the cameras look. A camera that the rig does not describe counts as missing.
        budget: the fixed size of a tick.
        policy: which blocks become patches; the adaptive gaze if not given.
        keyframes: when a camera has a keyframe.
        tracks_images: also estimate the yaw rate from the images, whether ego data are given or not.

    Attributes:
        image_yaw_rate_rps: what `tracks_images` found at the last tick; NaN without a reference.
        image_motion_delay_s: how long before the last tick the moment lies that it is of.
    """

    def __init__(
        self,
        rig: Rig,
        budget: Budget,
        policy: GazePolicy | None = None,
        keyframes: KeyframeConfig | None = None,
        tracks_images: bool = False,
    ) -> None:
        self.rig, self.budget = rig, budget
        self._tracks_images = tracks_images
        self._image_motion: EgoSample | None = None
        self.image_yaw_rate_rps = float("nan")
        self.image_motion_delay_s = 0.0
        self.token_rays = token_rays = TokenRays(rig)
        policy = policy or adaptive_policy(rig, token_rays, budget)
        self.gaze = Gaze(budget, policy)
        warp = EgoWarp(rig)
        self._history = History()
        self._odometer, self._image_odometer = Odometer(), ImageOdometer(warp)
        self._residual = ResidualDetector(warp)
        self._keyframes = KeyframeScheduler(foveal_prior(token_rays.block_meta, token_rays.has_camera), keyframes)
        self._memory = OdometerMemory()
        self._reader = PictureReader(budget)
        inner, slots = len(CAMERAS) - budget.outer_cameras, budget.patch_slots
        self._retina = np.empty((inner, 6, budget.base_height_px // 2, budget.base_width_px // 2), np.uint8)
        self._retina_meta = token_rays.retina_meta.copy()
        self._patches = np.empty((slots, 6, PATCH_PX // 2, PATCH_PX // 2), np.uint8)
        self._patch_meta = np.zeros((slots, budget.patch_meta_size), np.float32)
        self._patch_camera = np.empty(slots, np.int16)
        self._patch_block = np.empty(slots, np.int16)
        self._retina_outer: np.ndarray | None = None
        self._patch_quarter: np.ndarray | None = None
        self._fine: FinePatches | None = None
        self._requests: RequestAverage | None = None
        if budget.fovea is not None:
            outer_px = budget.fovea.outer_height_px // 2, budget.fovea.outer_width_px // 2
            self._retina_outer = np.empty((budget.outer_cameras, 6, *outer_px), np.uint8)
            self._patch_quarter = np.empty(slots, np.int16)
            self._requests = RequestAverage()
            self._fine = FinePatches(rig, token_rays, budget.fovea.fine_patches if policy.uses_fine else 0)
        self._patch_ends = np.empty(len(CAMERAS), np.int64)
        self._camera_valid = np.empty(len(CAMERAS), np.float32)
        self._camera_age_s = np.empty(len(CAMERAS), np.float32)
        self._block_meta = token_rays.block_meta.reshape(-1, META_SIZE)
        self.reset()

    @property
    def odometry(self) -> str:
        """Source of the last tick's motion: "ego", "image" (estimated, without ego data), or "none"."""
        return self._odometer.source

    def reset(self) -> None:
        for part in (
            self._history,
            self._odometer,
            self._image_odometer,
            self._residual,
            self._keyframes,
            self._reader,
        ):
            part.reset()
        self._memory.reset()
        self.gaze.reset()
        if self._requests is not None:
            self._requests.reset()
        self._count = 0
        self._last_timestamp_ns: int | None = None
        self._run: int | None = None
        self._retina[:] = GREY
        if self._retina_outer is not None:
            self._retina_outer[:] = GREY

    def step(
        self, frame_set: FrameSet, ego: EgoSample | None, saliency: np.ndarray | None, reads_patches: bool = True
    ) -> CompressedTick:
        """Compress the next tick; the first one of a new run of the recording starts anew.

        Args:
            frame_set: the cameras at this tick; ticks come in order.
            ego: the newest ego sample not later than the tick, or None.
            saliency: (8, 15, 20) saliency request of the network after the last tick, or None.
            reads_patches: False leaves the pixels of `patches` as they were, for a tick of which they are not used.

        Returns:
            the tick; the next call overwrites its arrays.

        Raises:
            ClockError: the tick is not later than the one before.
            ClipError: a picture is too large, or the sizes of its planes do not match.
        """
        if frame_set.run != self._run:
            self.reset()
            self._run = frame_set.run
        now_ns = frame_set.timestamp_ns
        if self._last_timestamp_ns is not None and now_ns <= self._last_timestamp_ns:
            raise ClockError(
                f"Tick {frame_set.tick} at {now_ns} ns is not later than the tick before at {self._last_timestamp_ns} "
                "ns. Feed ticks in order, and call `reset` between drives."
            )
        self._last_timestamp_ns = now_ns
        is_valid = frame_set.is_valid & self.token_rays.has_camera
        is_valid &= [frame is not None for frame in frame_set.frames]
        analysis = self._history.advance(now_ns, is_valid)
        self._look_at_cameras(frame_set, is_valid, analysis)
        self._move(now_ns, ego)
        self._residual.measure(self._history)
        odometer, keyframes = self._odometer, self._keyframes
        surprise = self._residual.surprise
        keyframes.step(self._count, is_valid, surprise, self._residual.rise, odometer.travelled_m, odometer.turned_rad)
        self._memory.recall_poses(odometer, now_ns)
        scene = Scene(
            count=self._count,
            analysis=analysis,
            is_valid=is_valid,
            surprise=surprise,
            is_keyframe=keyframes.is_keyframe,
            last_read=self.gaze.last_read,
            yaw_rate_rps=odometer.yaw_rate_rps,
            saliency=saliency if self._requests is None else self._requests.step(saliency),
        )
        if self._fine is None:
            self._read_patches(self.gaze.choose(scene), reads_patches)
        else:
            fine = self._fine.choose(scene, frame_set.frames)
            self._read_patches(self.gaze.choose(scene, reserved=len(fine)), reads_patches)
            self._read_fine(self._fine, fine, reads_patches)
        self._memory.commit(odometer, now_ns, keyframes.event)
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
            is_keyframe=keyframes.is_keyframe,
            retina_outer=self._retina_outer,
            patch_quarter=self._patch_quarter,
        )

    def telemetry(self) -> TickTelemetry:
        """Copies of the values that the decisions of the last tick were based on."""
        grid = (len(CAMERAS), GRID_ROWS, GRID_COLUMNS)
        residual, gaze = self._residual, self.gaze
        age_ticks = np.where(gaze.last_read < 0, -1, self._count - 1 - gaze.last_read)
        patch_is_swept = np.zeros(self.budget.patch_slots, bool)
        patch_is_swept[: gaze.count] = gaze.is_swept[gaze.picked[: gaze.count]]
        return TickTelemetry(
            odometry=self._odometer.source,
            speed_mps=self._odometer.speed_mps,
            yaw_rate_rps=self._odometer.yaw_rate_rps,
            block_surprise=residual.surprise.reshape(grid).copy(),
            block_score=gaze.scores.reshape(grid).copy(),
            block_age_ticks=age_ticks.reshape(grid),
            patch_is_swept=patch_is_swept,
            camera_surprise=self._keyframes.surprise.copy(),
            keyframe_reasons=self._keyframes.reasons.copy(),
            rise=residual.rise / 256,
            gain=residual.gain / 256,
            offset=residual.offset / 256,
            reference_age_ticks=residual.reference_age.copy(),
        )

    def _move(self, now_ns: int, ego: EgoSample | None) -> None:
        if ego is None or self._tracks_images:
            self._image_motion = self._image_odometer.estimate(self._history)
        if self._tracks_images:
            self._refine_image_motion()
        if ego is None:
            self._odometer.step(now_ns, self._image_motion, source="image")
        else:
            self._odometer.step(now_ns, ego)
        odometer = self._odometer
        self._history.pose[self._history.slot] = odometer.x_m, odometer.y_m, odometer.yaw_rad

    def _refine_image_motion(self) -> None:
        self.image_yaw_rate_rps = float("nan")
        if self._image_motion is not None:
            self.image_yaw_rate_rps = self._image_odometer.refined_yaw_rate(self._history)
            self.image_motion_delay_s = self._image_odometer.delay_s

    def _look_at_cameras(self, frame_set: FrameSet, is_valid: np.ndarray, analysis: np.ndarray) -> None:
        _label_cameras(frame_set.age_ns, is_valid, self._camera_valid, self._camera_age_s, self._retina_meta)
        before = self._history.analysis[self._history.slot_of_age(1)]
        self._reader.read(frame_set.frames, is_valid, analysis, before, self._retina, self._retina_outer)

    def _read_patches(self, chosen: np.ndarray, reads_pixels: bool) -> None:
        _label_patches(
            chosen,
            self._block_meta,
            self._camera_age_s,
            self._patches,
            self._patch_meta,
            self._patch_camera,
            self._patch_block,
            self._patch_ends,
        )
        if reads_pixels:
            self._reader.read_blocks(self._patch_block, self._patch_ends, self._patches)

    def _read_fine(self, patches: FinePatches, fine: np.ndarray, reads_pixels: bool) -> None:
        """Add the fine patches after those of whole blocks."""
        assert self._patch_quarter is not None
        whole = self.gaze.picked[: self.gaze.count]
        label_fine(
            whole,
            fine,
            patches.places,
            patches.place_meta,
            self._residual.surprise,
            self._camera_age_s,
            self._patch_meta,
            self._patch_camera,
            self._patch_block,
            self._patch_quarter,
            patches.ends,
        )
        if reads_pixels:
            self._reader.read_quarters(self._patch_block, self._patch_quarter, len(whole), patches.ends, self._patches)


@kernel
def _label_cameras(
    age_ns: np.ndarray,
    is_valid: np.ndarray,
    camera_valid: np.ndarray,
    camera_age_s: np.ndarray,
    retina_meta: np.ndarray,
) -> None:
    """Write which cameras are valid and how old their pictures are, for cameras and for the tokens of their retina."""
    for camera in range(is_valid.shape[0]):
        camera_valid[camera] = is_valid[camera]
        camera_age_s[camera] = np.float32(age_ns[camera] * 1e-9) * camera_valid[camera]
        for token in range(retina_meta.shape[1]):
            retina_meta[camera, token, AGE] = camera_age_s[camera]
            retina_meta[camera, token, FILLED] = camera_valid[camera]


@kernel
def _label_patches(
    chosen: np.ndarray,
    block_meta: np.ndarray,
    camera_age_s: np.ndarray,
    patches: np.ndarray,
    patch_meta: np.ndarray,
    patch_camera: np.ndarray,
    patch_block: np.ndarray,
    ends: np.ndarray,
) -> None:
    """Write all fields of the patches except their pixels, and where the patches of each camera end."""
    count, total = chosen.shape[0], patches.shape[0]
    for i in range(count):
        camera = chosen[i] // BLOCKS
        patch_camera[i], patch_block[i] = camera, chosen[i] % BLOCKS
        for j in range(META_SIZE):
            patch_meta[i, j] = block_meta[chosen[i], j]
        patch_meta[i, AGE], patch_meta[i, FILLED] = camera_age_s[camera], 1
    for i in range(count, total):
        patch_camera[i], patch_block[i] = -1, -1
        patch_meta[i] = 0
        patches[i] = GREY
    end = 0
    for camera in range(ends.shape[0]):
        while end < count and patch_camera[end] == camera:
            end += 1
        ends[camera] = end
