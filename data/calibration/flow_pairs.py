"""Points followed through a recording: for every camera, pairs of images with matched pixels."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from fsd.data.calibration.optical_flow import LEVELS, corners, pyramid, track
from fsd.data.ego import EgoTrack
from fsd.data.frame_source import FrameSource
from fsd.data.frames import CAMERAS, Frame

STEP_NS = 45_000_000
"""Points are followed over steps of at least this; two ticks of a 36 Hz recording, one picture at 20 Hz."""

STEPS = (1, 3, 6)
"""Pairs end after these many steps: close points leave the image early, far ones need a long base."""

MIN_SPEED_MPS = 1.5
MIN_FLOW_PX = 0.5
"""Points that move less say nothing: far away, or part of the car itself."""

MIN_POINTS = 12
MIN_MOVING_SHARE = 0.25
"""Where fewer points move, the car stands and others drive past."""

MAX_RETURN_ERROR_PX = 0.5


@dataclass
class FlowPairs:
    """Matched pixels of one camera.

    Attributes:
        start_ns, end_ns: (K,) int64 times of the two images of each pair, in order of `start_ns`.
        pair: (N,) int64 pair of each match, rising.
        first_px, second_px: (N, 2) float64 pixels of the recorded images.
    """

    start_ns: np.ndarray
    end_ns: np.ndarray
    pair: np.ndarray
    first_px: np.ndarray
    second_px: np.ndarray

    def __len__(self) -> int:
        return len(self.start_ns)

    def chosen(self, keep: np.ndarray) -> "FlowPairs":
        """The pairs of a (K,) bool mask, with their matches."""
        matches = keep[self.pair]
        return FlowPairs(
            self.start_ns[keep],
            self.end_ns[keep],
            (np.cumsum(keep) - 1)[self.pair[matches]],
            self.first_px[matches],
            self.second_px[matches],
        )


@dataclass
class _Chain:
    """Points on their way through the images after an anchor image."""

    anchor: list[np.ndarray]
    newest: list[np.ndarray]
    factor: int
    anchor_ns: int
    newest_ns: int
    corners: int
    first: np.ndarray
    now: np.ndarray
    velocity: np.ndarray
    steps: int = 0


@dataclass
class CameraTracker:
    """Follows points in the images of one camera, which are given in order."""

    pause_ns: int = 0
    _chain: _Chain | None = None
    _next_anchor_ns: int = -(2**62)
    _times: list[tuple[int, int]] = field(default_factory=list)
    _matches: list[np.ndarray] = field(default_factory=list)

    def add(self, luma: np.ndarray, timestamp_ns: int) -> None:
        """Follow the points into the next image, or find new ones. The image may be reused after the call."""
        chain = self._chain
        if chain is None:
            if timestamp_ns >= self._next_anchor_ns:
                self._begin(luma, timestamp_ns)
        elif timestamp_ns - chain.newest_ns > 3 * STEP_NS:
            self._chain = None  # a gap
            self._begin(luma, timestamp_ns)
        elif timestamp_ns - chain.newest_ns >= STEP_NS:
            self._follow(chain, luma, timestamp_ns)

    def drop(self) -> None:
        """Forget the points on their way: an image is missing or unusable."""
        self._chain = None

    def pairs(self) -> FlowPairs:
        """All pairs so far."""
        times = np.array(self._times, np.int64).reshape(-1, 2)
        order = np.argsort(times[:, 0], kind="stable")
        matches = [self._matches[index] for index in order]
        counts = [len(each) for each in matches]
        stacked = np.concatenate(matches) if matches else np.zeros((0, 4))
        return FlowPairs(
            times[order, 0],
            times[order, 1],
            np.repeat(np.arange(len(matches)), counts),
            stacked[:, :2].copy(),
            stacked[:, 2:].copy(),
        )

    def _begin(self, luma: np.ndarray, timestamp_ns: int) -> None:
        levels, factor = pyramid(luma)
        points = corners(levels[0])
        self._next_anchor_ns = timestamp_ns + self.pause_ns
        if len(points) >= MIN_POINTS:
            self._chain = _Chain(
                levels,
                levels,
                factor,
                timestamp_ns,
                timestamp_ns,
                len(points),
                points,
                points.copy(),
                np.zeros_like(points),
            )

    def _follow(self, chain: _Chain, luma: np.ndarray, timestamp_ns: int) -> None:
        levels, _ = pyramid(luma)
        is_first = chain.steps == 0
        found, is_found = track(chain.newest, levels, chain.now, chain.now + chain.velocity, LEVELS if is_first else 2)
        chain.velocity = (found - chain.now)[is_found]
        chain.first, chain.now = chain.first[is_found], found[is_found]
        chain.newest, chain.newest_ns, chain.steps = levels, timestamp_ns, chain.steps + 1
        if chain.steps in STEPS:
            self._refine(chain)
            is_last = chain.steps == STEPS[-1] or len(chain.now) < MIN_POINTS
            # Of the shorter pairs, those points that soon leave the image; a point counts once.
            fast = np.hypot(*(chain.now - chain.first).T) > 12.0 * chain.steps if not is_last else None
            self._record(chain, fast)
            if is_last:
                self._chain = None

    def _refine(self, chain: _Chain) -> None:
        """Match every point with its anchor image once more, so that errors of the steps do not add up."""
        ends, is_found = track(chain.anchor, chain.newest, chain.first, chain.now, 1)
        back, is_back = track(chain.newest, chain.anchor, ends, chain.first, 1)
        strayed = np.hypot(*(ends - chain.now).T)
        keep = is_found & is_back & (np.hypot(*(back - chain.first).T) < MAX_RETURN_ERROR_PX) & (strayed < 3.0)
        chain.first, chain.now, chain.velocity = chain.first[keep], ends[keep], chain.velocity[keep]

    def _record(self, chain: _Chain, chosen: np.ndarray | None) -> None:
        is_moving = np.hypot(*(chain.now - chain.first).T) > MIN_FLOW_PX
        if is_moving.sum() < MIN_MOVING_SHARE * len(is_moving):
            return
        keep = is_moving if chosen is None else is_moving & chosen
        if keep.sum() >= MIN_POINTS:
            scaled = ((np.hstack([chain.first, chain.now])[keep] + 0.5) * chain.factor) - 0.5
            self._times.append((chain.anchor_ns, chain.newest_ns))
            self._matches.append(scaled)


def follow_points(
    source: FrameSource, ego: EgoTrack | None, pause_ns: int, progress: Callable[[], None] | None = None
) -> dict[str, FlowPairs]:
    """Follow points in all cameras while the car moves.

    Args:
        source: frame sets of the recording.
        ego: where recorded, standing is skipped without looking.
        pause_ns: least time from one anchor image to the next.
        progress: called after every tick.

    Returns:
        Camera that has pictures -> its pairs.
    """
    trackers: dict[str, CameraTracker] = {}
    for frame_set in source:
        is_standing = _is_standing(ego, frame_set.timestamp_ns)
        for index, name in enumerate(CAMERAS):
            frame: Frame | None = frame_set.frames[index]
            if frame is None or not frame_set.is_new[index]:
                continue
            tracker = trackers.setdefault(name, CameraTracker(pause_ns))
            if is_standing or not frame_set.is_valid[index]:
                tracker.drop()
            else:
                tracker.add(frame.y_plane, frame.timestamp_ns)
        if progress is not None:
            progress()
    return {name: tracker.pairs() for name, tracker in trackers.items()}


def _is_standing(ego: EgoTrack | None, timestamp_ns: int) -> bool:
    if ego is None:
        return False
    row = max(0, int(np.searchsorted(ego.timestamp_ns, timestamp_ns, side="right")) - 1)
    return bool(abs(ego.speed_mps[row]) < MIN_SPEED_MPS)
