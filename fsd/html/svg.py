"""SVG elements and paths, with attributes escaped."""

import numpy as np
from markupsafe import Markup


def element(name: str, *children: str, **attributes: object) -> Markup:
    """An element. In attribute names `_` stands for `-` and `css` for `class`; floats get two decimals."""
    written = Markup().join(
        Markup(' {}="{}"').format("class" if key == "css" else key.replace("_", "-"), _value(value))
        for key, value in attributes.items()
    )
    return Markup("<{}{}>{}</{}>").format(name, written, Markup().join(children), name)


def line_path(x: np.ndarray, y: np.ndarray) -> str:
    """A path through (T,) points with a gap wherever one is not finite."""
    words, is_down = [], False
    for at_x, at_y in zip(x, y, strict=True):
        is_known = bool(np.isfinite(at_x) and np.isfinite(at_y))
        if is_known:
            words.append(f"{'L' if is_down else 'M'}{at_x:.2f} {at_y:.2f}")
        is_down = is_known
    return "".join(words)


def _value(value: object) -> object:
    return f"{value:.2f}" if isinstance(value, float) else value
