"""Fields of `adapter.json` that describe a model's inputs. docs/adapter.md explains each.

Frames, motion and constants enter from outside; a model's own outputs that return as inputs are in `state_fields.py`.
"""

from typing import Annotated, Literal

import msgspec

Positive = Annotated[float, msgspec.Meta(gt=0)]
Pixels = Annotated[int, msgspec.Meta(ge=1, le=8192)]
Index = Annotated[int, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]

MAX_HISTORY_STEPS = 1000
Steps = Annotated[int, msgspec.Meta(ge=0, le=MAX_HISTORY_STEPS)]


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An unknown field is an error."""


class Crop(Strict, frozen=True):
    """What is cut off a camera's picture before anything else, as shares of its width and height."""

    left: Share = 0.0
    top: Share = 0.0
    right: Share = 0.0
    bottom: Share = 0.0


class VirtualCamera(Strict, frozen=True):
    """A pinhole camera at the real one's place, which the picture is warped to by the rig's calibration.

    Its optical axis is level and straight ahead in the ego frame, then turned by the angles (ISO 8855: yaw left, pitch
    down, roll clockwise positive, seen from behind). Intrinsics in pixels of the model's image.
    """

    fx_px: Positive
    fy_px: Positive
    cx_px: float
    cy_px: float
    yaw_rad: float = 0.0
    pitch_rad: float = 0.0
    roll_rad: float = 0.0


class ImageInput(Strict, frozen=True):
    """Images of one or several cameras in one tensor: value = (pixel * scale - mean) / std, by channel.

    Attributes:
        camera: canonical name or an alias; or `cameras`, several in the tensor's order.
        crop, fit: what is cut off, and how the rest becomes `width_px` x `height_px`: `stretch` scales both axes,
            `letterbox` keeps the aspect ratio and fills with `fill`, `crop` keeps it and cuts what is too much.
        virtual_camera: in place of `crop` and `fit`.
        colour: `yuv420` is six planes of half the size: Y of every second row and column, in the order `luma_order`
            (row and column of each 2 x 2 block), then U and V.
        layout: axes in order, of `n` (size 1), `v` (cameras), `t` (frames of `history`), `c`, `h`, `w`. Cameras and
            frames without an axis of their own are stacked along `c`, camera by camera, in each frame by frame. `c` may
            be left out for one grey image.
        scale: 1/255 if left out, and 1 for integer inputs.
        history: frames that the tensor holds, in steps of the model before now; 0 is now.
        missing: what stands for a camera without a picture: a mid-grey or black image, or its last one (grey before).
    """

    name: str
    width_px: Pixels
    height_px: Pixels
    camera: str = ""
    cameras: tuple[str, ...] = ()
    crop: Crop | None = None
    fit: Literal["stretch", "letterbox", "crop"] = "stretch"
    fill: Annotated[int, msgspec.Meta(ge=0, le=255)] = 0
    virtual_camera: VirtualCamera | None = None
    colour: Literal["rgb", "bgr", "gray", "yuv420"] = "rgb"
    luma_order: tuple[Literal["00", "01", "10", "11"], ...] = ("00", "10", "01", "11")
    layout: str = "nchw"
    scale: float | None = None
    mean: tuple[float, ...] = (0.0,)
    std: tuple[Positive, ...] = (1.0,)
    history: tuple[Steps, ...] = (0,)
    missing: Literal["grey", "black", "last"] = "grey"

    @property
    def sources(self) -> tuple[str, ...]:
        """The cameras, as written, in the tensor's order."""
        return self.cameras or (self.camera,)


class EgoInput(Strict, frozen=True):
    """The car's own motion, in this order, each times `scale`; 0 where the recording has none.

    With more than one step of `history`: all quantities of the first step, then of the next.
    """

    name: str
    quantities: tuple[Literal["speed_mps", "yaw_rate_rps", "curvature_per_m", "acceleration_mps2"], ...]
    scale: float | tuple[float, ...] = 1.0
    history: tuple[Steps, ...] = (0,)


class CommandInput(Strict, frozen=True):
    """The route command as numbers; `values` has one vector for each command that the model knows, and for `none`.

    Attributes:
        steps: vectors of the last steps of the model that the input holds, oldest first.
        stride: each is the greatest, number by number, of this many steps.
        pulse: a command is given only at the step at which it begins; all others are `none`.
    """

    name: str
    values: dict[str, tuple[float, ...]]
    steps: Annotated[int, msgspec.Meta(ge=1, le=MAX_HISTORY_STEPS)] = 1
    stride: Annotated[int, msgspec.Meta(ge=1, le=MAX_HISTORY_STEPS)] = 1
    pulse: bool = False


class ConstantInput(Strict, frozen=True):
    """Numbers that never change: one for the whole tensor, or all of them in memory order."""

    name: str
    values: tuple[float, ...]


class CalibrationInput(Strict, frozen=True):
    """A matrix of each camera, from the recording's rig, in rows; stacked in the order of `cameras`.

    Attributes:
        image: `name` of the image input whose pixels `intrinsics` and `image_from_ego` refer to (after crop, fit or
            virtual camera); its cameras are used if `cameras` is empty. Lens distortion is left out.
        matrix: `intrinsics` K; `camera_from_ego`, `ego_from_camera` (camera: x right, y down, z forward; ego: ISO
            8855); or `image_from_ego`, their product K [R t], as `lidar2img` of common bird's-eye networks.
        axes, origin_m: of the frame that stands for the ego frame, with its origin's place in that; `right_forward_up`
            is the lidar frame of nuScenes.
        size: rows and columns; 3 x 3, 3 x 4 or 4 x 4, cut from or completed to a 4 x 4 matrix.
    """

    name: str
    matrix: Literal["intrinsics", "camera_from_ego", "ego_from_camera", "image_from_ego"]
    image: str = ""
    cameras: tuple[str, ...] = ()
    size: tuple[Literal[3, 4], Literal[3, 4]] = (4, 4)
    axes: Literal["forward_left_up", "right_forward_up"] = "forward_left_up"
    origin_m: tuple[float, float, float] = (0.0, 0.0, 0.0)


class CompressedInput(Strict, frozen=True):
    """Our compressor's output as inputs, in place of or beside whole images: docs/model_contract.md.

    Attributes:
        budget: name of the compressor's budget.
        tensors: name in the contract (`retina`, `patches`, `memory_pose`, `ego`, `command` ...) -> name of the model's
            input. Shape and type are those of the contract; those with a leading axis of 1 are accepted as well.
    """

    budget: str
    tensors: dict[str, str]
