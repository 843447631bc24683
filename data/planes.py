"""Make a `Frame` of a decoded picture: planes as views of the decoder's memory, upright, YUV 4:2:0 with 8 bits.

The common picture (yuv420p, limited range, upright) is not copied. Of the same as nv12, which hardware returns, the two
chroma planes are copied once, and the luma is not. Others are converted by swscale; rotation is applied
where the metadata has one. There is no RGB.
"""

import av
import numpy as np

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.picture_sample import SAMPLE_COLUMNS, SAMPLE_ROWS, PictureSample
from fsd.data.camera_health.sampler import BLACK_LUMA, sample_of
from fsd.data.errors import ClipError
from fsd.data.frame import Frame
from fsd.data.kernel import kernel

MAX_PICTURE_PX = 8192 * 8192
"""Larger pictures are refused from the header: one would take over 100 MB, and no camera in a car makes them."""

LEAST_SIDE_PX = 16
"""No lens can be described for narrower pictures, and no camera makes them: the header is damaged."""

_MAX_BRIGHT_PER_MILLE = 1
"""Share of a black picture that is brighter than black: a few hot pixels are not a picture."""

_FULL_RANGE = 2  # AVCOL_RANGE_JPEG


def limit_decoder(context: av.VideoCodecContext) -> None:
    """One thread, and no memory for a picture that a damaged header makes huge: it is then one that is damaged."""
    context.thread_type, context.thread_count = "SLICE", 1
    context.options = {"max_pixels": str(MAX_PICTURE_PX)}


def check_size(source: object, width_px: int, height_px: int) -> None:
    """Refuse pictures that no camera makes.

    Raises:
        ClipError: they are too small or too large; the message begins with `source`.
    """
    if min(width_px, height_px) < LEAST_SIDE_PX or width_px * height_px > MAX_PICTURE_PX:
        raise ClipError(
            f"{source} states {width_px}x{height_px} pixels; pictures from {LEAST_SIDE_PX} pixels a side up to "
            f"{MAX_PICTURE_PX // 10**6} million pixels are read. The header is damaged, or the pictures must be scaled."
        )


def frame_of(
    picture: av.VideoFrame, index: int, timestamp_ns: int, size_px: tuple[int, int], is_damaged: bool = False
) -> Frame:
    """Make the frame of a picture.

    Args:
        picture: as the decoder left it.
        index, timestamp_ns: of the frame in its recording.
        size_px: (width, height) of the upright picture; another one is scaled to it, which its faults say.
        is_damaged: whether the decoder lost a part of it, which its faults say.
    """
    faults: tuple[CameraFault, ...] = (CameraFault.CORRUPT,) if is_damaged or picture.is_corrupt else ()
    if upright_size_px(picture) != size_px:
        faults += (CameraFault.RESIZED,)
    quarter_turns = quarter_turns_of(picture)
    width_px, height_px = size_px if quarter_turns % 2 == 0 else size_px[::-1]
    picture = _as_420(picture, width_px, height_px)
    if quarter_turns:
        picture = _rotated(picture, quarter_turns)
    y_plane, u_plane, v_plane = _views(picture)
    sample = sample_of(y_plane, u_plane, v_plane)
    return Frame(y_plane, u_plane, v_plane, timestamp_ns, index, is_black(y_plane, sample), picture, sample, faults)


def picture_of(frame: Frame) -> av.VideoFrame:
    """The decoder's picture of a frame (yuv420p), or a new one made of its planes, cut to an even size."""
    if isinstance(frame.picture, av.VideoFrame) and frame.picture.format.name == "yuv420p":
        return frame.picture
    height, width = frame.y_plane.shape[0] // 2 * 2, frame.y_plane.shape[1] // 2 * 2
    planes = (frame.y_plane[:height, :width], *(p[: height // 2, : width // 2] for p in (frame.u_plane, frame.v_plane)))
    packed = np.concatenate([plane.ravel() for plane in planes]).reshape(-1, width)
    return av.VideoFrame.from_ndarray(packed, format="yuv420p")


def quarter_turns_of(picture: av.VideoFrame) -> int:
    """How many quarter turns counterclockwise (0 … 3) the display matrix asks for."""
    return round(picture.rotation / 90) % 4


def upright_size_px(picture: av.VideoFrame) -> tuple[int, int]:
    """(width, height) of the picture after its rotation metadata is applied."""
    size = (picture.width, picture.height)
    return size if quarter_turns_of(picture) % 2 == 0 else size[::-1]


def luma_of(picture: av.VideoFrame) -> np.ndarray:
    """(H, W) uint8 luma of any picture, as it is stored (not rotated)."""
    return _views(_as_420(picture, picture.width, picture.height))[0]


def _as_420(picture: av.VideoFrame, width_px: int, height_px: int) -> av.VideoFrame:
    """The picture in limited range and yuv420p or nv12, of this size; itself where it is that already."""
    is_full_range = picture.color_range == _FULL_RANGE
    if picture.format.name == "gray" and not is_full_range:
        picture = _with_neutral_chroma(picture)  # swscale takes all gray for full range
    same_size = picture.width == width_px and picture.height == height_px
    if picture.format.name in ("yuv420p", "nv12") and same_size and not is_full_range:
        return picture
    ranges = {"src_color_range": "JPEG", "dst_color_range": "MPEG"} if is_full_range else {}
    return picture.reformat(width=width_px, height=height_px, format="yuv420p", threads=1, **ranges)  # type: ignore[arg-type]


def _with_neutral_chroma(gray: av.VideoFrame) -> av.VideoFrame:
    picture = av.VideoFrame(gray.width, gray.height, "yuv420p")
    luma, u_plane, v_plane = _views(picture)
    np.copyto(luma, _view(gray.planes[0], gray.height, gray.width))
    u_plane[:], v_plane[:] = 128, 128
    return picture


def _views(picture: av.VideoFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The planes of a picture in yuv420p or nv12."""
    height, width = picture.height, picture.width
    if picture.format.name == "nv12":
        luma, pairs = picture.planes
        u_plane, v_plane = np.empty((2, (height + 1) // 2, (width + 1) // 2), np.uint8)
        _split_pairs(_view(pairs, u_plane.shape[0], 2 * u_plane.shape[1]), u_plane, v_plane)
        return _view(luma, height, width), u_plane, v_plane
    luma, u, v = picture.planes
    return (
        _view(luma, height, width),
        _view(u, (height + 1) // 2, (width + 1) // 2),
        _view(v, (height + 1) // 2, (width + 1) // 2),
    )


@kernel
def _split_pairs(pairs: np.ndarray, u_plane: np.ndarray, v_plane: np.ndarray) -> None:
    """(H, 2W) pairs of chroma -> twice (H, W)."""
    for row in range(u_plane.shape[0]):
        for column in range(u_plane.shape[1]):
            u_plane[row, column] = pairs[row, 2 * column]
            v_plane[row, column] = pairs[row, 2 * column + 1]


def _view(plane: av.video.plane.VideoPlane, height: int, width: int) -> np.ndarray:
    # Rows are line_size apart, which is wider than the picture: decoders pad rows for alignment.
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:height, :width]  # type: ignore[call-overload]


def _rotated(picture: av.VideoFrame, quarter_turns: int) -> av.VideoFrame:
    size = (picture.width, picture.height) if quarter_turns % 2 == 0 else (picture.height, picture.width)
    upright = av.VideoFrame(*size, "yuv420p")
    for target, source in zip(_views(upright), _views(picture), strict=True):
        np.copyto(target, np.rot90(source, quarter_turns))
    return upright


def is_black(y_plane: np.ndarray, sample: PictureSample | None = None) -> bool:
    """Whether nothing in a luma plane is brighter than black; the plane's sample tells it faster of most pictures."""
    if sample is not None and _MAX_BRIGHT_PER_MILLE * y_plane.size < 1000 * _bright_pixels(sample, y_plane.shape):
        return False
    step = max(1, min(y_plane.shape) // 30)  # 1200 samples of a 4:3 picture are nearly always enough
    if _bright_per_mille(y_plane[::step, ::step]) > 10:
        return False
    return _bright_per_mille(y_plane) <= _MAX_BRIGHT_PER_MILLE


def _bright_pixels(sample: PictureSample, shape: tuple[int, ...]) -> int:
    """So many pixels of a picture are brighter than black at least; 0 where its sample repeats some."""
    is_distinct = shape[0] >= SAMPLE_ROWS and shape[1] >= SAMPLE_COLUMNS
    return round(sample.bright * sample.luma.size) if is_distinct else 0


def _bright_per_mille(luma: np.ndarray) -> float:
    return 1000 * int(np.count_nonzero(luma > BLACK_LUMA)) / luma.size
