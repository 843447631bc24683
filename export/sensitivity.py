"""Which layers of the network lose the plan when they are quantized, in metres, and which to leave in float.

Every variant drives the same recorded ticks on its own memory. What a layer costs in float is counted in
multiply-accumulates, not timed, so that the choice is the same on every machine.
"""

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice

import numpy as np
import onnx

from fsd.compression.budget import Budget
from fsd.data.errors import ModelError
from fsd.export.calibration import Calibration, Clip
from fsd.export.onnx_runner import OnnxRunner, open_model
from fsd.export.quantize import layers_of, macs_of, quantize
from fsd.export.recipes import Recipe
from fsd.networks.contract import WAYPOINT_STEP_S
from fsd.networks.input_buffers import TickInput

HORIZON_S = 3
ProgressCallback = Callable[[str], None]


@dataclass(frozen=True)
class LayerEffect:
    """One layer's effect on the plan: mean distance from the float plan at 3 s, metres.

    Attributes:
        layer: the network's module.
        alone_m: with nothing but this layer quantized.
        spared_m: with everything but this layer quantized.
    """

    layer: str
    alone_m: float
    spared_m: float


@dataclass(frozen=True)
class Sensitivity:
    """`effects`, worst first by `alone_m`; `all_m` with every layer quantized; over `ticks` rolled-out ticks."""

    effects: tuple[LayerEffect, ...]
    all_m: float
    ticks: int

    def table(self, rows: int | None = None) -> str:
        """For people: a line a layer."""
        lines = [f"{'layer':34s} {'alone m':>9s} {'all but it m':>13s}   (all quantized: {self.all_m:.4f} m at 3 s)"]
        lines += [f"{effect.layer:34s} {effect.alone_m:9.4f} {effect.spared_m:13.4f}" for effect in self.effects[:rows]]
        return "\n".join(lines)


class QuantizationTrial:
    """Quantizes a model in any mix and tells how far its plans go from the float model's on the same drive.

    Args:
        clips: drives; `ticks` of them are copied and used for every trial, the same share of each.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        calibration: Calibration,
        recipe: Recipe,
        budget: Budget,
        clips: Sequence[Clip],
        ticks: int,
    ) -> None:
        self.model, self.calibration, self.recipe, self.budget = model, calibration, recipe, budget
        self.layers = list(layers_of(model))
        share = -(-ticks // len(clips))
        # Copies: a recording's step is valid only until the next one, and decoding for every trial would take hours.
        self.drives = [[deepcopy(step) for step in islice(clip, share)] for clip in clips]
        self.ticks = sum(len(drive) for drive in self.drives)
        if self.ticks == 0:
            raise ModelError("There is nothing to measure layers on: the clips given with `--data` hold no tick.")
        self._reference_m = self._positions_m(model)

    def distance_m(self, keep_float: Iterable[str] = ()) -> float:
        """Mean distance from the float plan at 3 s, with all but these layers quantized."""
        kept = set(keep_float)
        if kept.issuperset(self.layers):
            return 0.0
        planned_m = self._positions_m(quantize(self.model, self.calibration, self.recipe, kept))
        return float(np.hypot(*(planned_m - self._reference_m).T).mean())

    def _positions_m(self, model: onnx.ModelProto) -> np.ndarray:
        """(T, 2) where each plan is at 3 s."""
        runner = OnnxRunner(open_model(model), self.budget)
        row = round(HORIZON_S / WAYPOINT_STEP_S) - 1
        positions: list[np.ndarray] = []
        for drive in self.drives:
            runner.reset()
            positions += [_position(runner, step, row) for step in drive]
        return np.array(positions)


def measure(trial: QuantizationTrial, progress: ProgressCallback = lambda words: None) -> Sensitivity:
    """Try every layer alone, and every layer spared."""
    effects = []
    for index, layer in enumerate(trial.layers):
        progress(f"layer {index + 1} of {len(trial.layers)}: {layer}")
        others = [other for other in trial.layers if other != layer]
        effects.append(LayerEffect(layer, trial.distance_m(others), trial.distance_m([layer])))
    effects.sort(key=lambda effect: (-effect.alone_m, effect.layer))
    return Sensitivity(tuple(effects), trial.distance_m(), trial.ticks)


def choose_float_layers(trial: QuantizationTrial, sensitivity: Sensitivity, limit_m: float) -> tuple[list[str], float]:
    """Leave layers in float, one after another, until the mean distance at 3 s is within `limit_m`.

    The next one is the cheapest that reaches the limit, or else the one that gains most for what it costs; each is
    tried together with those chosen before, since errors of two layers may add up or cancel.

    Returns:
        The layers as they were chosen, and the distance that is left.

    Raises:
        ModelError: nothing is left to quantize, or no layer helps any more, before the limit holds.
    """
    cost = _costs(trial)
    kept: list[str] = []
    left_m = sensitivity.all_m
    with_m = {effect.layer: effect.spared_m for effect in sensitivity.effects}
    while left_m > limit_m:
        enough = [layer for layer in with_m if with_m[layer] <= limit_m]
        if enough:
            layer = min(enough, key=lambda layer: (cost[layer], layer))
        else:
            layer = max(with_m, key=lambda layer: ((left_m**2 - with_m[layer] ** 2) / cost[layer], layer))
        if len(with_m) == 1 or with_m[layer] >= left_m:
            raise ModelError(
                f"No mix of layers keeps the plan within {limit_m:g} m of float at 3 s (all quantized: "
                f"{sensitivity.all_m:.3f} m). Allow more with `--mixed`, or calibrate on more clips with `--data`."
            )
        left_m = with_m.pop(layer)
        kept.append(layer)
        if left_m > limit_m:
            with_m = {other: trial.distance_m([*kept, other]) for other in with_m}
    return kept, left_m


def _costs(trial: QuantizationTrial) -> dict[str, float]:
    """Layer -> what it costs in float, as a share of the network's multiply-accumulates.

    A hundredth for each comes on top: the change from 8 bits and back, which a layer pays whatever its size. That share
    is a guess that keeps many tiny layers from looking free; only the order of the layers depends on it.
    """
    macs = macs_of(trial.model)
    return {layer: macs[layer] / sum(macs.values()) + 0.01 for layer in trial.layers}


def _position(runner: OnnxRunner, step: TickInput, row: int) -> np.ndarray:
    return runner.step(step)["trajectory"][row, :2].astype(np.float64)
