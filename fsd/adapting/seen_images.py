"""What a network sees: the pictures in its image inputs, back in pixels, and a contact sheet of them.

Works on the tensors alone, so it shows what really entered the network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import av
import numpy as np
from PIL import Image, ImageDraw

from fsd.data.camera_names import canonical_name
from fsd.overlay.drawing import DIM, INK, PANEL
from fsd.overlay.gauges import Fonts, fitted_text
from fsd.third_party.images.layout import image_size, image_views
from fsd.third_party.input_fields import ImageInput

SHEET_WIDTH_PX, MARGIN_PX, CAPTION_PX, HEADING_PX = 1280, 12, 34, 34
TILE_WIDTHS_PX = (150, 410)
"""Narrowest and widest tile of a sheet."""
LEAST_TILE_HEIGHT_PX = 24


@dataclass(frozen=True)
class SeenImage:
    """One picture in an input: how old it was when the model ran, (h, w, 3) uint8 RGB, and the range of its numbers.

    `age_ms` is NaN where the camera had no picture.
    """

    camera: str
    age_ms: float
    pixels: np.ndarray
    lowest: float
    highest: float

    @property
    def age_text(self) -> str:
        return "no picture" if np.isnan(self.age_ms) else f"{self.age_ms:.0f} ms old"


def pixel_scale(image: ImageInput, dtype: str) -> float:
    """The adapter's `scale`, or its default for the input's type."""
    return image.scale if image.scale is not None else 1 / 255 if dtype.startswith("float") else 1.0


def seen_images(image: ImageInput, tensor: np.ndarray, age_ms: Mapping[str, float], step_ms: float) -> list[SeenImage]:
    """Every picture in an image input: camera by camera, in each frame by frame.

    Args:
        age_ms: camera -> age of its newest picture; step_ms: time of one step of the model.
    """
    views = image_views(image, np.ascontiguousarray(tensor))
    channels = image_size(image)[0]
    mean, std = (np.broadcast_to(np.asarray(given), channels)[:, None, None] for given in (image.mean, image.std))
    scale = pixel_scale(image, str(tensor.dtype))
    found = []
    for source, frames in zip(image.sources, views, strict=True):
        for steps_ago, values in zip(image.history, frames, strict=True):
            numbers = values.astype(np.float64)
            pixels = np.nan_to_num((numbers * std + mean) / scale)
            planes = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
            known = numbers[np.isfinite(numbers)]
            limits = (float(known.min()), float(known.max())) if known.size else (np.nan, np.nan)
            camera = canonical_name(source) or source
            age = age_ms.get(camera, 0.0) + steps_ago * step_ms
            found.append(SeenImage(camera, age, _rgb(image, planes), *limits))
    return found


def _rgb(image: ImageInput, planes: np.ndarray) -> np.ndarray:
    """(h, w, 3) RGB of the planes (C, rows, columns) of one picture."""
    if image.colour == "gray":
        return np.repeat(planes[0][..., None], 3, axis=-1)
    if image.colour != "yuv420":
        return np.ascontiguousarray(planes.transpose(1, 2, 0)[..., :: -1 if image.colour == "bgr" else 1])
    rows, columns = planes.shape[1:]
    packed = np.empty((3 * rows, 2 * columns), np.uint8)
    for place, plane in zip(image.luma_order, planes, strict=False):  # the last two planes are chroma
        packed[int(place[0]) : 2 * rows : 2, int(place[1]) :: 2] = plane
    packed[2 * rows :] = planes[4:].reshape(rows, 2 * columns)
    return av.VideoFrame.from_ndarray(packed, format="yuv420p").to_ndarray(format="rgb24")


def contact_sheet(images: Sequence[tuple[ImageInput, str, Sequence[SeenImage]]]) -> Image.Image:
    """All pictures of all image inputs, with name, camera, age and range.

    Args:
        images: the input, its type and shape as text, and its pictures.
    """
    fonts, rows = Fonts(1.0), []
    for image, text, seen in images:
        rows.append((image, text, seen, *_grid(image, len(seen))))
    height = MARGIN_PX + sum(
        HEADING_PX + -(-len(seen) // across) * (tall + CAPTION_PX) + MARGIN_PX for _, _, seen, across, _, tall in rows
    )
    sheet = Image.new("RGB", (SHEET_WIDTH_PX, height), PANEL)
    draw, y = ImageDraw.Draw(sheet), MARGIN_PX
    for image, text, seen, across, wide, tall in rows:
        heading = fitted_text(draw, f"{image.name}   {text}", fonts[18], SHEET_WIDTH_PX - 2 * MARGIN_PX)
        draw.text((MARGIN_PX, y + 4), heading, fill=INK, font=fonts[18])
        y += HEADING_PX
        for place, each in enumerate(seen):
            x = MARGIN_PX + place % across * (wide + MARGIN_PX)
            top = y + place // across * (tall + CAPTION_PX)
            shown = Image.fromarray(each.pixels)
            is_larger = wide > shown.width
            method = Image.Resampling.NEAREST if is_larger else Image.Resampling.BOX
            sheet.paste(shown.resize((wide, tall), method), (x, top))
            lines = (f"{each.camera}, {each.age_text}", f"{each.lowest:.4g} … {each.highest:.4g}")
            for line, (label, colour) in enumerate(zip(lines, (INK, DIM), strict=True)):
                label = fitted_text(draw, label, fonts[12], wide)
                draw.text((x, top + tall + 2 + 15 * line), label, fill=colour, font=fonts[12])
        y += -(-len(seen) // across) * (tall + CAPTION_PX) + MARGIN_PX
    return sheet


def _grid(image: ImageInput, count: int) -> tuple[int, int, int]:
    """Tiles in a row, and width and height of one; frames of one camera stay beside each other where they fit."""
    narrow, wide = TILE_WIDTHS_PX
    room = SHEET_WIDTH_PX - MARGIN_PX
    most = room // (narrow + MARGIN_PX)
    frames = len(image.history)
    across = count if count <= most else frames if 1 < frames <= most else most
    width = min(wide, room // across - MARGIN_PX)
    return across, width, max(LEAST_TILE_HEIGHT_PX, round(width * image.height_px / image.width_px))
