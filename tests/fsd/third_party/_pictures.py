"""Pictures of known planes, as cameras would give them, and adapters around single inputs."""

from typing import Any

import numpy as np

from fsd.data.frames import CAMERAS, Frame, FrameSet
from fsd.data.rig import Rig
from fsd.data.standard_rigs import canonical_rig
from fsd.third_party.adapter import Adapter
from fsd.third_party.input_fields import ImageInput
from fsd.third_party.observation import Observer
from fsd.third_party.output_fields import Outputs


def frame_of_planes(luma: np.ndarray, u: np.ndarray | int = 128, v: np.ndarray | int = 128) -> Frame:
    """A frame of a luma plane; chroma planes may be one number."""
    half = ((luma.shape[0] + 1) // 2, (luma.shape[1] + 1) // 2)
    u_plane, v_plane = (np.broadcast_to(np.asarray(plane, np.uint8), half).copy() for plane in (u, v))
    return Frame(luma.astype(np.uint8), u_plane, v_plane, timestamp_ns=0, index=0)


def flat(luma: int, u: int = 128, v: int = 128, height: int = 48, width: int = 64) -> Frame:
    return frame_of_planes(np.full((height, width), luma), u, v)


def ramp(height: int, width: int, axis: int) -> Frame:
    """Luma is 40 plus the column (axis 1) or the row (axis 0)."""
    return frame_of_planes(40 + np.indices((height, width))[axis])


def frame_set(tick: int = 0, run: int = 0, timestamp_ns: int = 0, **frames: Frame) -> FrameSet:
    """These cameras have pictures, and no others."""
    by_camera = tuple(frames.get(name) for name in CAMERAS)
    has = np.array([frame is not None for frame in by_camera])
    return FrameSet(tick, timestamp_ns, by_camera, np.where(has, 0, -1), has, has, run)


def image_adapter(*images: ImageInput, **fields: Any) -> Adapter:
    return Adapter("a", Outputs(), images=images, **fields)


def observer_of(image: ImageInput, shape: tuple[int, ...], dtype: str, rig: Rig | None = None) -> Observer:
    """An observer of one image input; pictures of 64 x 48 pixels where no rig is given."""
    return Observer(image_adapter(image), {image.name: (shape, dtype)}, rig or canonical_rig(64, 48))


def observed(image: ImageInput, shape: tuple[int, ...], dtype: str, pictures: FrameSet) -> np.ndarray:
    """The tensor of one step."""
    return observer_of(image, shape, dtype).observe(pictures, None, "none")[image.name]
