"""One camera's pictures as the model sees them: cut, scaled or warped, in its colours.

rgb, bgr and gray span 0 … 255. yuv420 is as decoded, without a detour by RGB: luma from 16 (black) to 235 (white),
chroma around 128; recordings in full range are converted to that when they are decoded.
"""

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from fsd.data.frames import Frame
from fsd.data.rig import Camera
from fsd.third_party.images.fit import Placement, Rectangle, placement
from fsd.third_party.images.layout import image_size
from fsd.third_party.images.virtual_camera import WarpTable, picture_points
from fsd.third_party.input_fields import ImageInput

MID_GREY = 128
"""Of every channel, in every colour: neutral chroma, and within 2 levels the middle of limited-range luma."""

BLACK_LUMA, WHITE_LUMA = 16, 235

_SCALING = 0x2 | 0x2000 | 0x40000 | 0x80000
"""swscale's flags: bilinear (a mean where the image becomes smaller), chroma at every pixel, accurate rounding, and the
same on every processor. Largest error of RGB 0.5; without the flags 2.4, mean -1.2. PyAV 17 has no names for them."""

_PIXEL_FORMATS = {"rgb": "rgb24", "bgr": "bgr24", "gray": "gray"}


def uniform(colour: str, level: int) -> np.ndarray:
    """(channels, 1, 1) uint8: an image of one grey level, 0 black to 255 white."""
    if colour == "yuv420":
        return np.array([_luma(level)] * 4 + [MID_GREY] * 2, np.uint8)[:, None, None]
    return np.full((1 if colour == "gray" else 3, 1, 1), level, np.uint8)


def _luma(level: int) -> int:
    return BLACK_LUMA + round(level * (WHITE_LUMA - BLACK_LUMA) / 255)


class CameraImage:
    """Makes the images of one camera; tables and contexts are made at the first picture of a size and kept."""

    def __init__(self, image: ImageInput, camera: Camera | None) -> None:
        """`camera` is needed for a virtual camera only."""
        self.image = image
        self._camera = camera
        self._shape: tuple[int, ...] = ()
        self._reformatter = VideoReformatter()

    def write(self, frame: Frame, target: np.ndarray) -> None:
        """Write a picture's (channels, rows, columns) uint8 image."""
        if frame.y_plane.shape != self._shape:
            self._prepare(frame)
        if self.image.virtual_camera is not None:
            self._write_warped(frame, target)
        else:
            self._write_fitted(frame, target)

    def _prepare(self, frame: Frame) -> None:
        self._shape = frame.y_plane.shape
        height_px, width_px = self._shape
        self._placement: Placement = placement(self.image, width_px, height_px)
        self._cut: av.VideoFrame | None = None
        self._warped: av.VideoFrame | None = None
        if self.image.virtual_camera is None:
            return
        rows, columns = np.mgrid[: self.image.height_px, : self.image.width_px].astype(np.float64)
        points = self._points(np.stack([columns, rows], axis=-1))
        self._luma_table = WarpTable(points, False, self._shape)
        if self.image.colour == "yuv420":
            halves = np.stack([columns[::2, ::2], rows[::2, ::2]], axis=-1) + 0.5
            points = self._points(halves)
        self._chroma_table = WarpTable(points, True, frame.u_plane.shape)

    def _points(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels of the picture as it is, which may have another size than in the rig."""
        assert self.image.virtual_camera is not None
        assert self._camera is not None
        points = picture_points(self.image.virtual_camera, self._camera, pixels)
        ratio = np.array([self._shape[1] / self._camera.width_px, self._shape[0] / self._camera.height_px])
        return (points + 0.5) * ratio - 0.5

    def _write_warped(self, frame: Frame, target: np.ndarray) -> None:
        image, fill = self.image, uniform(self.image.colour, self.image.fill)
        if image.colour == "yuv420":
            luma = np.empty((image.height_px, image.width_px), np.uint8)
            self._luma_table.warp(frame.y_plane, int(fill[0, 0, 0]), luma)
            self._pack_luma(luma, target)
            self._chroma_table.warp(frame.u_plane, MID_GREY, target[4])
            self._chroma_table.warp(frame.v_plane, MID_GREY, target[5])
            return
        if self._warped is None:
            self._warped = av.VideoFrame(image.width_px, image.height_px, "yuv444p")
            for view in plane_views(self._warped):
                view[:] = MID_GREY
        luma, u_plane, v_plane = plane_views(self._warped)
        self._luma_table.warp(frame.y_plane, MID_GREY, luma)
        if image.colour != "gray":
            self._chroma_table.warp(frame.u_plane, MID_GREY, u_plane)
            self._chroma_table.warp(frame.v_plane, MID_GREY, v_plane)
        target[:] = self._converted(self._warped, frame, image.width_px, image.height_px)
        np.copyto(target, fill, where=self._luma_table.is_outside)

    def _write_fitted(self, frame: Frame, target: np.ndarray) -> None:
        source, place = self._placement
        if (place.width, place.height) != (self.image.width_px, self.image.height_px):
            target[:] = uniform(self.image.colour, self.image.fill)
        if self.image.colour != "yuv420":
            target[:, place.rows, place.columns] = self._converted(
                self._source(frame), frame, place.width, place.height
            )
            return
        inner = target[:, place.halved().rows, place.halved().columns]
        if (source.width, source.height) == (place.width, place.height):
            luma, u_plane, v_plane = _cut_planes(frame, source)
        else:
            scaled = self._scaled(self._source(frame), place.width, place.height, "yuv420p")
            luma, u_plane, v_plane = plane_views(scaled)
        self._pack_luma(luma, inner)
        inner[4], inner[5] = u_plane, v_plane

    def _pack_luma(self, luma: np.ndarray, target: np.ndarray) -> None:
        for channel, place in enumerate(self.image.luma_order):
            target[channel] = luma[int(place[0]) :: 2, int(place[1]) :: 2]

    def _source(self, frame: Frame) -> av.VideoFrame:
        """The part of the picture that is used; the decoder's own picture where that is all of it."""
        source, picture = self._placement.source, frame.picture
        is_whole = (source.height, source.width) == self._shape
        if is_whole and isinstance(picture, av.VideoFrame) and picture.format.name == "yuv420p":
            return picture
        if self._cut is None:
            self._cut = av.VideoFrame(source.width, source.height, "yuv420p")
        for view, plane in zip(plane_views(self._cut), _cut_planes(frame, source), strict=True):
            view[:] = plane
        return self._cut

    def _converted(self, source: av.VideoFrame, frame: Frame, width_px: int, height_px: int) -> np.ndarray:
        """(channels, rows, columns) uint8 of a picture in YUV, scaled, by the colour matrix that the video states."""
        matrix = frame.picture.colorspace if isinstance(frame.picture, av.VideoFrame) else None
        shown = self._scaled(source, width_px, height_px, _PIXEL_FORMATS[self.image.colour], matrix).to_ndarray()
        return shown[None] if shown.ndim == 2 else shown.transpose(2, 0, 1)

    def _scaled(
        self, source: av.VideoFrame, width_px: int, height_px: int, pixel_format: str, matrix: int | None = None
    ) -> av.VideoFrame:
        return self._reformatter.reformat(
            source, width_px, height_px, pixel_format, src_colorspace=matrix, interpolation=_SCALING, threads=1
        )


def _cut_planes(frame: Frame, source: Rectangle) -> tuple[np.ndarray, ...]:
    half = source.halved()
    return (
        frame.y_plane[source.rows, source.columns],
        frame.u_plane[half.rows, half.columns],
        frame.v_plane[half.rows, half.columns],
    )


def plane_views(picture: av.VideoFrame) -> list[np.ndarray]:
    """The three planes of a picture in YUV, without the padding of their rows; views of its memory."""
    return [
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]  # type: ignore[call-overload]
        for plane in picture.planes
    ]


def blank(image: ImageInput) -> np.ndarray:
    """(channels, rows, columns) uint8: what stands for a camera without a picture."""
    if image.missing == "black":
        return np.broadcast_to(uniform(image.colour, 0), image_size(image))
    return np.full(image_size(image), MID_GREY, np.uint8)
