"""The network's inputs and outputs by name, shape and unit; the metadata inside a model file.

No torch here: the engine, the exporter and the trainer all use this module. Shapes are static and without a batch axis.
"""

import msgspec
import numpy as np

from fsd.compression.budget import Budget
from fsd.compression.tick import MEMORY_POSE_SIZE, MEMORY_SLOTS, META_SIZE, RETINA_TOKENS
from fsd.data.ego import COMMANDS, PROPRIO_SIZE
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS

EGO_SIZE = 2
"""Ego vector: speed m/s, yaw rate rad/s."""

SLOT_TOKENS, KEY_SIZE = 16, 64
"""A memory slot: 16 tokens, as keys and values of 64 numbers shared by all heads."""

WAYPOINTS, WAYPOINT_STEP_S = 16, 0.25
WAYPOINT_TIMES_S = np.arange(1, WAYPOINTS + 1) * WAYPOINT_STEP_S
"""The trajectory: ego pose at 0.25, 0.50 … 4.00 s after the tick."""

WAYPOINT_TIMES_S.setflags(write=False)

LIGHTS = ("none", "green", "yellow", "red")
SEMANTICS = ("sky", "ground", "road", "building", "vehicle", "signal", "person")
"""What a cell of the block grid shows, for training only: the last of these that is in it."""

OCCUPANCY_ROWS, OCCUPANCY_COLUMNS, OCCUPANCY_CELL_M = 24, 16, 2.5
OCCUPANCY_BEHIND_M, OCCUPANCY_LEFT_M = 15.0, 20.0
"""Occupancy grid: x from -15 m to 45 m in 24 rows (row 0 behind), y from +20 m (left) to -20 m in 16 columns."""

METADATA_KEY = "fsd"
"""The ONNX metadata property that holds `ModelMetadata` as JSON."""

METADATA_VERSION = 1


def input_shapes(budget: Budget) -> dict[str, tuple[tuple[int, ...], str]]:
    """Name -> (shape, dtype) of every network input, in order; `retina_outer` in budgets with a fovea only."""
    cameras, slots = len(CAMERAS), budget.patch_slots
    inner, fovea = cameras - budget.outer_cameras, budget.fovea
    retina = {"retina": ((inner, 6, budget.base_height_px // 2, budget.base_width_px // 2), "uint8")}
    if fovea is not None:
        outer_px = fovea.outer_height_px // 2, fovea.outer_width_px // 2
        retina["retina_outer"] = ((fovea.outer_cameras, 6, *outer_px), "uint8")
    return retina | {
        "retina_meta": ((cameras, RETINA_TOKENS, META_SIZE), "float32"),
        "patches": ((slots, 6, 16, 16), "uint8"),
        "patch_meta": ((slots, budget.patch_meta_size), "float32"),
        "camera_valid": ((cameras,), "float32"),
        "camera_age_s": ((cameras,), "float32"),
        "memory_k": ((MEMORY_SLOTS, SLOT_TOKENS, KEY_SIZE), "float32"),
        "memory_v": ((MEMORY_SLOTS, SLOT_TOKENS, KEY_SIZE), "float32"),
        "memory_pose": ((MEMORY_SLOTS, MEMORY_POSE_SIZE), "float32"),
        "memory_valid": ((MEMORY_SLOTS,), "float32"),
        "ego": ((EGO_SIZE,), "float32"),
        "ego_valid": ((1,), "float32"),
        "command": ((len(COMMANDS),), "float32"),
        "proprio": ((PROPRIO_SIZE,), "float32"),
        "proprio_valid": ((1,), "float32"),
    }


def output_shapes(hypotheses: int = 0) -> dict[str, tuple[tuple[int, ...], str]]:
    """Name -> (shape, dtype) of every network output, in order; the last two only with `hypotheses` (M) above 0.

    `trajectory` is x m, y m, yaw rad, v m/s in the ego frame of the tick; `*_scale` is the Laplace scale, same units.
    `curvature` 1/m (left positive), `acceleration` m/s². `saliency` scores blocks for the next tick's gaze patches.
    `hypothesis` is the probability of each way to go on, and `hypothesis_speed` its speed in m/s at 0, 0.25 … 4.00 s;
    the trajectory is what becomes of them, so they are there to be shown.
    """
    optional = {"hypothesis": ((hypotheses,), "float32"), "hypothesis_speed": ((hypotheses, WAYPOINTS + 1), "float32")}
    return {
        "trajectory": ((WAYPOINTS, 4), "float32"),
        "trajectory_scale": ((WAYPOINTS, 4), "float32"),
        "curvature": ((1,), "float32"),
        "curvature_scale": ((1,), "float32"),
        "acceleration": ((1,), "float32"),
        "acceleration_scale": ((1,), "float32"),
        "saliency": ((len(CAMERAS), GRID_ROWS, GRID_COLUMNS), "float32"),
        "new_k": ((SLOT_TOKENS, KEY_SIZE), "float32"),
        "new_v": ((SLOT_TOKENS, KEY_SIZE), "float32"),
        "lead": ((2,), "float32"),  # distance m, logit that there is one
        "light": ((len(LIGHTS),), "float32"),  # logits
        "occupancy": ((OCCUPANCY_ROWS, OCCUPANCY_COLUMNS), "float32"),  # logits
        **(optional if hypotheses else {}),
    }


SIMULATOR = "simulator"
"""What a network learned from that saw no recording."""


class TensorSpec(msgspec.Struct, frozen=True):
    """Shape and dtype of one input or output."""

    shape: tuple[int, ...]
    dtype: str


class ModelMetadata(msgspec.Struct, frozen=True):
    """Description of a model, stored as JSON under `METADATA_KEY` in the ONNX file.

    Attributes:
        trained: False for random weights; all outputs repeat it.
        trained_on: what a trained network learned from: `SIMULATOR`, also for files that do not say it, or words such
            as `recordings`.
        state: pairs (output, input): the output is written into slots of the input after each tick.
        precision: `fp32`, `fp16` or `int8`; `target`: the runtime the file was quantized for.
        frames: coordinate conventions, as text.
        hypotheses_mps2: acceleration now of each hypothesis, rising; empty for a network without.
        pair_safe: the 8-bit products of the file cannot saturate, so its integer sums are the same on every processor.
        weights_sha256: digest of the safetensors file from which the model was exported.
        model_sha256: digest of the model file without its metadata (`model_digest.py`); empty in older files.
    """

    name: str
    trained: bool
    precision: str
    target: str
    budget: Budget
    cameras: tuple[str, ...]
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    waypoint_times_s: tuple[float, ...]
    commands: tuple[str, ...]
    state: tuple[tuple[str, str], ...] = (("new_k", "memory_k"), ("new_v", "memory_v"))
    frames: str = "ego: ISO 8855 (x forward, y left, z up, origin on the ground under the rear axle)"
    preprocessing: str = "YUV 4:2:0 as decoded, uint8, space-to-depth Y00 Y01 Y10 Y11 U V; scaled inside the network"
    hypotheses_mps2: tuple[float, ...] = ()
    quantization: dict[str, str] = {}
    pair_safe: bool = False
    weights_sha256: str = ""
    model_sha256: str = ""
    licence: str = "MIT"
    trained_on: str = SIMULATOR
    version: int = METADATA_VERSION
