"""Camera names of users and public datasets, mapped to the eight canonical ones.

Knows names only. The field of view that a name states (`…_120fov`) is read here too.
"""

import re

from fsd.data.frame import CAMERAS
from fsd.data.suggestion import closest

ALIASES: dict[str, tuple[str, ...]] = {
    "front_main": (
        "front",
        "front_center",
        "main",
        "cam_front",  # nuScenes
        "fcamera",  # comma2k19, openpilot
        "ring_front_center",  # Argoverse 2
        "image_02",  # KITTI
    ),
    "front_wide": ("wide", "front_wide_120", "ecamera"),  # NVIDIA PhysicalAI-AV; openpilot
    "front_narrow": ("narrow", "front_tele", "front_tele_30"),
    "left_pillar": ("cross_left", "cross_left_120", "front_left", "cam_front_left", "ring_front_left"),
    "right_pillar": ("cross_right", "cross_right_120", "front_right", "cam_front_right", "ring_front_right"),
    "left_repeater": ("rear_left", "rear_left_70", "cam_back_left", "ring_rear_left"),
    "right_repeater": ("rear_right", "rear_right_70", "cam_back_right", "ring_rear_right"),
    "rear": ("back", "cam_back", "rear_tele", "rear_tele_30"),
}
"""Canonical camera -> other names of it, in the form that `normalised_name` gives."""

_CANONICAL = {alias: name for name, aliases in ALIASES.items() for alias in (name, *aliases)}


def normalised_name(text: str) -> str:
    """Lower case, `-` and blanks as `_`, without the `ftheta_` and `camera_` prefixes and the `fov` ending."""
    name = re.sub(r"[\s\-.]+", "_", text.strip().lower())
    name = re.sub(r"^(ftheta_|pinhole_|fisheye_)?(camera_)?", "", name)
    return re.sub(r"(?<=\d)_?fov$", "", name)


def canonical_name(text: str) -> str | None:
    """The canonical camera that `text` names, directly or by an alias; None where it names none."""
    return _CANONICAL.get(normalised_name(text))


def known_camera(text: str) -> str:
    """The canonical camera that `text` names.

    Raises:
        ValueError: it names none; says which is meant.
    """
    name = canonical_name(text)
    if name is None:
        raise ValueError(f"{text!r} is not a known camera. {meant_camera(text)}The cameras are {known_names()}.")
    return name


def fov_deg_in_name(text: str) -> float | None:
    """The horizontal field of view that a name such as `camera_front_wide_120fov` states, in degrees."""
    match = re.search(r"(?<![0-9])(\d{2,3})_?fov$", text.strip().lower())
    return float(match[1]) if match else None


def known_names() -> str:
    """The canonical names, and where their aliases are listed, for error messages."""
    return f"{', '.join(CAMERAS)} (or an alias, listed in docs/clip_format.md)"


def meant_camera(text: str) -> str:
    """`Did you mean rear? ` where `text` is like the name of a camera; else empty."""
    near = closest(normalised_name(text), _CANONICAL)
    return "" if near is None else f"Did you mean {near}? "
