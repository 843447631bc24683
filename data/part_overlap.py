"""Detect overlap of part files: the first picture of a part may be the last picture of the part before, coded again.

Compares pictures only. At a joint without overlap the two differ by one frame of motion, as neighbours within a part
do; with overlap they differ by coding noise alone. One camera may see no motion, so the joints of several cameras are
judged together. On real video the pooled ratio is 0.16 … 0.36 with overlap and about 1 without.
"""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from fsd.data.planes import luma_of
from fsd.data.video_probe import opened

_LIMIT = 0.7
_CLEAR = (0.5, 0.85)
_ENOUGH_JOINTS, _MOST_JOINTS = 3, 24
_STILL = 1.0  # mean luma difference of neighbours, in levels, under which motion cannot be told from coding noise


def overlap_frames(cameras: Sequence[Sequence[Path]]) -> tuple[int, str]:
    """Decide for a whole clip.

    Args:
        cameras: the part files of every camera, in order.

    Returns:
        1 if every part after the first begins with the last picture of the part before, else 0; and a sentence that
        states what was found.
    """
    joint_sum = neighbour_sum = 0.0
    judged = 0
    for before, after in _joints(cameras):
        difference = _joint_difference(before, after)
        if difference is None:
            continue
        joint_sum += difference[0]
        neighbour_sum += difference[1]
        judged += 1
        ratio = joint_sum / max(neighbour_sum, 1e-9)
        if judged >= _ENOUGH_JOINTS and not _CLEAR[0] < ratio < _CLEAR[1]:
            break
    if judged and joint_sum < _LIMIT * neighbour_sum:
        return 1, (
            "Part files overlap by one frame, which is used once "
            f"(pictures at the joints differ by {joint_sum / neighbour_sum:.2f} of the difference of neighbours)."
        )
    if neighbour_sum < _STILL * judged or not judged:
        return (0, "Part files: there is too little motion at the joints to detect an overlap; none is assumed.")
    return 0, "Part files follow each other without overlap."


def _joints(cameras: Sequence[Sequence[Path]]) -> list[tuple[Path, Path]]:
    """Joints to compare: the first one of every camera, then the second of every camera, and so on."""
    most = max((len(parts) for parts in cameras), default=0)
    joints = [(parts[k], parts[k + 1]) for k in range(most - 1) for parts in cameras if k + 1 < len(parts)]
    return joints[:_MOST_JOINTS]


def _joint_difference(before: Path, after: Path) -> tuple[float, float] | None:
    """Mean difference of the pictures at the joint, and of their neighbours in the same part."""
    last, first = _last_two(before), _first_two(after)
    if len(last) < 2 or len(first) < 2 or last[0].shape != first[0].shape:
        return None
    neighbours = (_difference(last[0], last[1]) + _difference(first[0], first[1])) / 2
    return _difference(last[1], first[0]), neighbours


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(np.int16) - b.astype(np.int16)).mean())


def _first_two(path: Path) -> list[np.ndarray]:
    pictures: list[np.ndarray] = []
    with opened(path) as (container, stream):
        for packet in container.demux(stream):
            pictures += _small_lumas(stream, packet)
            if len(pictures) >= 2:
                break
    return pictures[:2]


def _last_two(path: Path) -> list[np.ndarray]:
    with opened(path) as (container, stream):
        if stream.duration and stream.time_base and stream.duration * stream.time_base > 2:
            # Only the last group of pictures has to be decoded. Half a second before the end, at least two remain.
            end = (stream.start_time or 0) + stream.duration
            container.seek(end - int(Fraction(1, 2) / stream.time_base), stream=stream)
        pictures: list[np.ndarray] = []
        for packet in container.demux(stream):
            pictures = (pictures + _small_lumas(stream, packet))[-2:]
    return pictures


def _small_lumas(stream: av.VideoStream, packet: av.Packet) -> list[np.ndarray]:
    try:
        pictures = stream.codec_context.decode(packet if packet.size else None)
    except av.FFmpegError:
        return []  # damage is counted when the clip is read
    small = []
    for picture in pictures:
        luma = luma_of(picture)
        step = max(1, min(luma.shape) // 240)
        small.append(luma[::step, ::step].copy())
    return small
