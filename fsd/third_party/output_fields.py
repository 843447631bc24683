"""Fields of `adapter.json` that say what a model's outputs mean. docs/adapter.md explains each."""

from typing import Annotated, Literal

import msgspec

from fsd.third_party.input_fields import Index, Positive, Strict

Column = Literal["x_m", "y_m", "yaw_rad", "v_mps", "ignore"]


class Place(Strict, frozen=True):
    """Where to read in place of a field's `name` and `start` or `index`, for one route command."""

    name: str | None = None
    start: Index | None = None


class Mixture(Strict, frozen=True):
    """Several paths in one output, of which the most probable is taken.

    Attributes:
        count: number of paths; stride: numbers from the start of one to that of the next.
        probability_name: the output with the probabilities or their logits; the path's own output if left out.
        probability_start, probability_stride: of the first, and from one to the next.
    """

    count: Annotated[int, msgspec.Meta(ge=1)]
    stride: Annotated[int, msgspec.Meta(ge=1)]
    probability_start: Index
    probability_stride: Annotated[int, msgspec.Meta(ge=1)] = 1
    probability_name: str | None = None


class Waypoints(Strict, frozen=True):
    """A path: from number `start` of the flattened output on, `points` rows of `columns`.

    Attributes:
        step_s: seconds from one point to the next, and from now to the first; or `times_s`, of each point, rising.
        by_column: all values of the first column come first, then those of the second.
        are_steps: x and y are differences from the point before.
        scale: x and y in metres after this factor; origin_x_m: place of the path's origin in the ego frame (rear axle),
            such as the camera's. The path is that of this point of the car, from where it is now.
        scale_start: numbers of uncertainty (standard deviation or Laplace scale) in the same arrangement begin here;
            `scale_is_log` if they are logarithms. `scale_name`: their output, if not the path's own.
        by_command: route command -> where its path is (a model with one branch for each command); others use `name`.
            Uncertainty and probabilities in the path's own output are as far from its `start` as they were.
    """

    name: str
    points: Annotated[int, msgspec.Meta(ge=1)]
    step_s: Positive | None = None
    times_s: tuple[float, ...] = ()
    columns: tuple[Column, ...] = ("x_m", "y_m")
    start: Index = 0
    y_is_right: bool = False
    by_column: bool = False
    are_steps: bool = False
    scale: float = 1.0
    origin_x_m: float = 0.0
    mixture: Mixture | None = None
    scale_start: Index | None = None
    scale_name: str | None = None
    scale_is_log: bool = False
    by_command: dict[str, Place] = msgspec.field(default_factory=dict)


class Scalar(Strict, frozen=True):
    """One number of the flattened output: value * `scale` + `offset`, in the unit of its field."""

    name: str
    index: Index = 0
    scale: float = 1.0
    offset: float = 0.0
    by_command: dict[str, Place] = msgspec.field(default_factory=dict)


class Steering(Strict, frozen=True):
    """A steering wheel angle, radians after `scale`, left positive; the bicycle model converts it to a curvature."""

    name: str
    wheelbase_m: Positive
    steering_ratio: Positive
    index: Index = 0
    scale: float = 1.0
    offset: float = 0.0
    by_command: dict[str, Place] = msgspec.field(default_factory=dict)


class LateralOffset(Strict, frozen=True):
    """The lateral position, metres to the left after `scale`, of the point to drive to at a distance ahead.

    The curvature is that of the arc through it: 2 y / (x² + y²).
    """

    name: str
    ahead_m: Positive
    index: Index = 0
    scale: float = 1.0
    offset: float = 0.0
    by_command: dict[str, Place] = msgspec.field(default_factory=dict)


class Outputs(Strict, frozen=True):
    """What the model computes: at least one of `waypoints` and of the four that steer.

    Attributes:
        acceleration_mps2: several are added, such as throttle and brake, each with its scale.
        curvature_scale, acceleration_scale: uncertainty, in the same units.
        lead, light, saliency: outputs of the shape and meaning that docs/model_contract.md gives them; saliency needs a
            compressed input, and chooses the patches of the next tick.
    """

    waypoints: Waypoints | None = None
    curvature_per_m: Scalar | None = None
    steering: Steering | None = None
    lateral_offset: LateralOffset | None = None
    yaw_rate_rps: Scalar | None = None
    acceleration_mps2: Scalar | tuple[Scalar, ...] | None = None
    speed_mps: Scalar | None = None
    curvature_scale: Scalar | None = None
    acceleration_scale: Scalar | None = None
    lead: str | None = None
    light: str | None = None
    saliency: str | None = None


STEERING_FIELDS = ("curvature_per_m", "steering", "lateral_offset", "yaw_rate_rps")
"""Fields of `Outputs` of which a model without a path needs one, and none has two."""

CONTRACT_FIELDS = ("lead", "light", "saliency")
"""Fields of `Outputs` that name an output as our contract has it."""
