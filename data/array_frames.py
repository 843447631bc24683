"""Pictures in NumPy arrays as `Frame`s: names, shapes, types and sizes are checked, and a mistake is explained."""

from collections.abc import Sequence
from typing import Any

import av
import numpy as np

from fsd.data.camera_health.sampler import sample_of
from fsd.data.camera_names import known_camera
from fsd.data.errors import ClipError, RigError
from fsd.data.frame import Frame
from fsd.data.planes import check_size, frame_of, is_black
from fsd.data.rig import Rig

RGB = "(H, W, 3) uint8 RGB"
YUV = "(y, u, v): limited-range YUV 4:2:0, uint8, of (H, W) and twice (ceil(H/2), ceil(W/2))"


def frame_from_rgb(name: str, image: Any, timestamp_ns: int, index: int = 0) -> Frame:
    """The frame of a picture, `RGB`, of the camera `name`, as a recording of it would be decoded (BT.601, 4:2:0).

    Raises:
        ClipError: it is something else.
    """
    height_px, width_px = _checked_rgb(name, image).shape[:2]
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    return frame_of(picture, index, timestamp_ns, (width_px, height_px))


def frame_from_yuv(name: str, planes: Any, timestamp_ns: int, index: int = 0) -> Frame:
    """The frame of a picture, `YUV`, of the camera `name`; the planes are not copied and must stay as they are.

    Raises:
        ClipError: it is something else.
    """
    y_plane, u_plane, v_plane = _checked_yuv(name, planes)
    sample = sample_of(y_plane, u_plane, v_plane)
    return Frame(y_plane, u_plane, v_plane, timestamp_ns, index, is_black(y_plane, sample), None, sample)


def canonical_names(names: Sequence[str]) -> dict[str, str]:
    """Name as given, or alias -> canonical camera.

    Raises:
        ClipError: there is no name, one that is no camera's, or two of one camera.
    """
    if not names:
        raise ClipError("No camera is given. Give at least one, for example front_main.")
    found: dict[str, str] = {}
    for given in names:
        try:
            name = known_camera(given)
        except ValueError as error:
            raise ClipError(str(error), field=given) from None
        if name in found.values():
            other = next(each for each, canonical in found.items() if canonical == name)
            raise ClipError(f"{other!r} and {given!r} both name the camera {name}. Give it once.", camera=name)
        found[given] = name
    return found


def check_against_rig(name: str, width_px: int, height_px: int, rig: Rig) -> None:
    """Refuse a picture that is not that of the rig's camera.

    Raises:
        RigError: the rig lacks the camera, or describes it for another size.
    """
    camera = rig.camera(name)
    if camera is None:
        has = ", ".join(each.name for each in rig.cameras)
        raise RigError(
            f"The rig {rig.name!r} has no camera {name}; it has {has}. Leave the picture out, or add the camera to "
            "the rig.",
            camera=name,
        )
    if (width_px, height_px) == (camera.width_px, camera.height_px):
        return
    if (height_px, width_px) == (camera.width_px, camera.height_px):
        why = "Rows and columns are exchanged: arrays are (height, width)."
    elif width_px * camera.height_px == height_px * camera.width_px:
        why = "Resize the picture, or describe the camera for this size (`assumed_rig`, docs/rig.md)."
    else:
        why = "It is cut or stretched otherwise, so its calibration is another one: correct the picture, or the rig."
    raise RigError(
        f"{name} is {width_px}x{height_px}; the rig {rig.name!r} says {camera.width_px}x{camera.height_px}. {why}",
        camera=name,
    )


def _checked_rgb(name: str, image: Any) -> np.ndarray:
    shape, kind = _shape_and_type(image)
    if shape is not None and kind == "uint8" and len(shape) == 3 and shape[2] == 3:
        check_size(name, shape[1], shape[0])
        return np.asarray(image)
    if shape is None:
        how = f"It is of type {type(image).__name__}: convert it with numpy.asarray."
    elif len(shape) == 3 and shape[0] == 3 and shape[2] != 3:
        how = "Its channels come first: use image.transpose(1, 2, 0)."
    elif len(shape) == 3 and shape[2] == 4:
        how = "It has four channels: use image[:, :, :3] of RGBA."
    elif len(shape) == 2:
        how = "It is grey: use np.repeat(image[:, :, None], 3, axis=2)."
    elif len(shape) == 4:
        how = "It is a batch: give one picture per camera."
    elif kind.startswith("float"):
        how = "It has floats: use (image * 255).round().astype(np.uint8) if they run from 0 to 1."
    else:
        how = "Convert it."
    raise ClipError(f"{name} got {_described(shape, kind)}; a picture is {RGB}. {how}", camera=name)


def _checked_yuv(name: str, planes: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if not isinstance(planes, tuple | list) or len(planes) != 3:
        count = f"{len(planes)} values" if isinstance(planes, tuple | list) else _described(*_shape_and_type(planes))
        raise ClipError(f"{name} got {count}; a picture is {YUV}. Give its three planes.", camera=name)
    found = [_shape_and_type(plane) for plane in planes]
    luma = found[0][0]
    chroma = None if luma is None or len(luma) != 2 else ((luma[0] + 1) // 2, (luma[1] + 1) // 2)
    if chroma is None or any(kind != "uint8" for _, kind in found) or any(shape != chroma for shape, _ in found[1:]):
        got = ", ".join(_described(shape, kind) for shape, kind in found)
        how = "Convert it to 8 bits and 4:2:0, with full planes (split the pairs of NV12)."
        raise ClipError(f"{name} got {got}; a picture is {YUV}. {how}", camera=name)
    assert luma is not None
    check_size(name, luma[1], luma[0])
    y_plane, u_plane, v_plane = (np.asarray(plane) for plane in planes)
    return y_plane, u_plane, v_plane


def _shape_and_type(value: Any) -> tuple[tuple[int, ...] | None, str]:
    shape = getattr(value, "shape", None)
    return (None, "") if shape is None else (tuple(shape), str(value.dtype))


def _described(shape: tuple[int, ...] | None, kind: str) -> str:
    return "no array" if shape is None else f"shape {shape} of {kind}"
