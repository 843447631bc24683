"""Which inputs are images: layout, size, colours, cameras and history, from names, shapes and types."""

from typing import Any, NamedTuple

from fsd.adapting.draft import Certainty, Draft
from fsd.adapting.name_words import IMAGE, NOT_IMAGE, TIME, camera_in, has_word, words_in
from fsd.data.frames import CAMERAS
from fsd.networks.onnx_session import Signature
from fsd.third_party.adapter import TODO

LEAST_SIDE_PX = 16
MAX_CHANNELS = 96

CAMERA_SETS: dict[int, tuple[tuple[str, ...], str]] = {
    3: (("left_pillar", "front_main", "right_pillar"), "left, front, right"),
    6: (
        ("front_main", "right_pillar", "left_pillar", "rear", "left_repeater", "right_repeater"),
        "the order of nuScenes: front, front right, front left, back, back left, back right",
    ),
    7: (
        ("front_wide", "front_narrow", "left_pillar", "right_pillar", "left_repeater", "right_repeater", "rear"),
        "the order of NVIDIA PhysicalAI-AV",
    ),
    8: (CAMERAS, "the canonical order"),
}
"""Number of cameras in one tensor -> the usual order, and whose it is."""


class _Placed(NamedTuple):
    """Letters of the axes with their sizes; -1 is free."""

    layout: str
    sizes: dict[str, int]


def add_images(draft: Draft, inputs: Signature) -> None:
    """Describe every unused input that looks like an image."""
    found = {name: placed for name in inputs if name not in draft.used and (placed := _placed(name, inputs[name]))}
    for name, placed in found.items():
        draft.used.add(name)
        _add_image(draft, name, placed, inputs[name][1], is_only=len(found) == 1)


def _placed(name: str, tensor: tuple[tuple[int, ...], str]) -> _Placed | None:
    shape, dtype = tensor
    if dtype not in ("float32", "float16", "uint8", "float64", "int8", "int32") or has_word(name, NOT_IMAGE):
        return None
    axes = _axes(shape, has_word(name, IMAGE))
    if axes is None:
        return None
    lead = list(shape[: len(shape) - len(axes)])
    letters = ""
    if lead and (lead[0] in (1, -1)):
        letters, lead = "n", lead[1:]
    if len(lead) > 2:
        return None
    rest = "tv" if len(lead) == 2 else ("t" if has_word(name, TIME) else "v") * len(lead)
    layout = letters + rest + axes
    return _Placed(layout, dict(zip(layout, shape, strict=True)))


def _axes(shape: tuple[int, ...], is_named: bool) -> str | None:
    """`chw`, `hwc` or `hw`, as the last axes of a shape; None if it is no image's."""

    def is_side(size: int) -> bool:
        return size == -1 or size >= LEAST_SIDE_PX

    def is_channels(size: int) -> bool:
        return size == 3 or (is_named and (size in (1, 4) or (size % 3 == 0 and 0 < size <= MAX_CHANNELS)))

    if len(shape) >= 3 and is_channels(shape[-3]) and is_side(shape[-2]) and is_side(shape[-1]):
        return "chw"
    if len(shape) >= 3 and is_channels(shape[-1]) and is_side(shape[-2]) and is_side(shape[-3]):
        return "hwc"
    if is_named and len(shape) in (2, 3) and is_side(shape[-1]) and is_side(shape[-2]):
        return "hw"
    return None


def _add_image(draft: Draft, name: str, placed: _Placed, dtype: str, is_only: bool) -> None:
    sizes = placed.sizes
    colour, frames, notes = _colour(name, sizes.get("c", 1), sizes)
    factor = 2 if colour == "yuv420" else 1
    entry: dict[str, Any] = {"name": name}
    views = sizes.get("v", 1)
    cameras, sureness, why = _cameras(name, views, is_only)
    if isinstance(cameras, str):
        entry["camera"] = cameras
        notes.append(("camera", sureness, why))
    else:
        entry["cameras"] = list(cameras)
        notes.append(("cameras", sureness, why))
    for field, letter in (("width_px", "w"), ("height_px", "h")):
        entry[field] = TODO if sizes[letter] == -1 else sizes[letter] * factor
        if sizes[letter] == -1:
            notes.append((field, "TODO", "the axis is free: write the size that the model was trained with"))
    entry |= {"colour": colour, "layout": placed.layout}
    notes.append(("layout", "sure" if "c" in sizes else "likely", f"axes of the shape {list(sizes.values())}"))
    frames *= sizes.get("t", 1)
    if frames > 1:
        entry["history"] = list(range(frames - 1, -1, -1))
        notes.append(("history", "unsure", f"{frames} frames, oldest first, one step of the model apart"))
    if colour == "yuv420":
        entry["scale"] = 1.0
        notes.append(("scale", "unsure", "YUV planes usually enter as 0 to 255"))
    elif dtype.startswith("float"):
        entry |= {"scale": 1 / 255, "mean": [0.0], "std": [1.0]}
        notes.append(("scale", "unsure", "0 to 1; many networks also need ImageNet's mean and std"))
    else:
        notes.append(("", "sure", f"{dtype}: pixel values as they are"))
    draft.add("images", entry, notes)


def _colour(name: str, channels: int, sizes: dict[str, int]) -> tuple[str, int, list[tuple[str, Certainty, str]]]:
    """Colour, frames stacked along the channels, and notes."""
    if channels in (1, 3):
        text = {1: "one channel", 3: "three channels; bgr is as common in networks trained with OpenCV"}[channels]
        certainty: Certainty = "sure" if channels == 1 else "likely"
        return {1: "gray", 3: "rgb"}[channels], 1, [("colour", certainty, text)]
    if channels == 4:
        return TODO, 1, [("colour", "TODO", "four channels: no camera picture has these")]
    is_yuv = channels % 6 == 0 and not {"rgb", "bgr"} & set(words_in(name)) and sizes["h"] != sizes["w"]
    if is_yuv:
        return "yuv420", channels // 6, [("colour", "unsure", f"{channels} channels are 6 YUV planes for each frame")]
    return "rgb", channels // 3, [("colour", "unsure", f"{channels} channels are 3 colours for each frame")]


def _cameras(name: str, views: int, is_only: bool) -> tuple[str | tuple[str, ...], Certainty, str]:
    """Camera or cameras, how sure, why."""
    if views > 1:
        if views in CAMERA_SETS:
            cameras, whose = CAMERA_SETS[views]
            return cameras, "unsure", f"{views} cameras in {whose}"
        return (TODO,) * views, "TODO", f"{views} cameras: name them in the tensor's order"
    if camera := camera_in(name):
        return camera, "likely", "the name says so"
    if {"img", "imgs", "image", "images", "input"} & set(words_in(name)) or is_only:
        return "front_main", "likely" if is_only else "unsure", "no other camera is named"
    return TODO, "TODO", "the name states no camera"
