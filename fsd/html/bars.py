"""Bars, strips and heat pictures: charts made of boxes and small pictures."""

import io
from collections.abc import Callable, Sequence

import numpy as np
from markupsafe import Markup
from PIL import Image

from fsd.html.axes import thinned
from fsd.html.charts import Colour, Key, legend
from fsd.html.page import data_uri, render

Rgb = tuple[int, int, int]
STRIP_POINTS = 240


def bars(rows: Sequence[tuple[str, float, str]], colour: Colour) -> Markup:
    """Horizontal bars: (name, value, printed value) each; the largest fills its row. A word where all are zero."""
    scale = max((value for _, value, _ in rows), default=0)
    if scale <= 0:
        return render("caption", text="All are zero." if rows else "None.")
    return render(
        "bars", rows=[(name, f"{value / scale * 100:.1f}", text) for name, value, text in rows], colour=colour
    )


def stacked_bar(parts: Sequence[tuple[str, float, Colour]], unit: str) -> Markup:
    """One bar divided into (name, value, colour) pieces, with a legend that gives each value."""
    whole = sum(value for _, value, _ in parts) or 1.0
    pieces = [(name, f"{value / whole * 100:.2f}", colour) for name, value, colour in parts]
    keys = [Key(name, colour, f"{value:.2f} {unit}", is_line=False) for name, value, colour in parts]
    return render("stack", pieces=pieces) + legend(keys)


def strips(
    rows: Sequence[tuple[str, np.ndarray]],
    rgb: Rgb,
    duration_s: float,
    describe_top: Callable[[float], str] = lambda top: "",
    keep_peaks: bool = False,
) -> Markup:
    """One strip per name along time: (name, (T,) values from 0); the largest of all strips has the full colour.

    A word where all are zero.

    Args:
        describe_top: text about the full colour, from its value.
        keep_peaks: thin long series by their peaks instead of their means.
    """
    thin = [(name, thinned(values, STRIP_POINTS, keep_peaks)) for name, values in rows]
    top = max((float(values.max()) for _, values in thin if len(values)), default=0.0)
    if top <= 0:
        return render("caption", text="None at any time.")
    pictures = [(name, heat_picture(values[None, :], rgb, top)) for name, values in thin]
    return render("strips", rows=pictures, note=describe_top(top), end=f"{duration_s:.1f} s")


def heat_picture(values: np.ndarray, rgb: Rgb, top: float) -> str:
    """Data URI of a (rows, columns) array as a picture, one pixel per value: the larger the value, the more opaque.

    Transparent where the value is zero, so that it can be laid over a picture or a page of any colour.
    """
    pixels = np.empty((*values.shape, 4), np.uint8)
    pixels[..., :3] = rgb
    pixels[..., 3] = np.clip(np.rint(np.asarray(values, np.float64) / top * 255), 0, 255)
    buffer = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(buffer, "png", optimize=True)
    return data_uri(buffer.getvalue(), "png")
