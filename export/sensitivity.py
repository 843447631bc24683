"""Measure the effect of quantizing each layer on the plan, in its unit, and choose layers to leave in float.

Every variant runs the same recorded ticks with its own state. The cost of a float layer is counted in
multiply-accumulates, not timed, so that the choice is the same on every machine.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np
import onnx

from fsd.data.errors import ModelError
from fsd.export.calibration import Calibration
from fsd.export.node_choice import layers_of, macs_of
from fsd.export.onnx_runner import Clip, MakeFeeds, OnnxRunner, open_model
from fsd.export.plan_measure import PlanMeasure, Rows, distance, format_distance
from fsd.export.quantize import quantize
from fsd.export.recipes import Recipe

SCHEMA_VERSION = 1
"""Of `sensitivity.json`; rises when a field changes its name or meaning."""

ProgressCallback = Callable[[str], None]


@dataclass(frozen=True)
class LayerEffect:
    """One layer's effect on the plan: mean distance from the float plan, in the unit of the `Sensitivity`.

    Attributes:
        layer: the model's module or node.
        alone_m: with only this layer quantized.
        spared_m: with all layers except this one quantized.
    """

    layer: str
    alone_m: float
    spared_m: float


@dataclass(frozen=True)
class Sensitivity:
    """`effects`, sorted by `alone_m`, worst first; `all_m` with every layer quantized; over `ticks` ticks.

    `unit` is that of all distances, `label` says of what: metres at 3 s for a model that plans a path. The names of the
    fields say metres, as earlier files do.
    """

    effects: tuple[LayerEffect, ...]
    all_m: float
    ticks: int
    unit: str = "m"
    label: str = "position at 3 s"

    def table(self, rows: int | None = None) -> str:
        head = f"{'layer':34s} {'alone ' + self.unit:>9s} {'all but it ' + self.unit:>13s}"
        lines = [f"{head}   (all quantized: {self.all_m:.4f} {self.unit}, {self.label})"]
        lines += [f"{effect.layer:34s} {effect.alone_m:9.4f} {effect.spared_m:13.4f}" for effect in self.effects[:rows]]
        return "\n".join(lines)


def sensitivity_content(by_target: Mapping[str, Sensitivity]) -> dict[str, Any]:
    """The content of `sensitivity.json`, by the runtime that the file was quantized for; JSON-ready."""
    targets = {target: asdict(sensitivity) for target, sensitivity in by_target.items()}
    return {"schema_version": SCHEMA_VERSION, "targets": targets}


class QuantizationTrial:
    """Quantizes a model in any mix of layers and measures the distance of its plans from the float model's.

    Args:
        nodes: names of the nodes to quantize.
        clips: drives; in total `ticks` ticks, equally many per clip, are copied and used for every trial.
        always_float: layers that no trial quantizes.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        nodes: Sequence[str],
        calibration: Calibration,
        recipe: Recipe,
        make_feeds: MakeFeeds,
        plan_measure: PlanMeasure,
        clips: Sequence[Clip],
        ticks: int,
        always_float: Collection[str] = (),
    ) -> None:
        self.model, self.nodes, self.calibration, self.recipe = model, nodes, calibration, recipe
        self.make_feeds, self.plan_measure = make_feeds, plan_measure
        self.always_float = frozenset(always_float)
        self.layers = [layer for layer in layers_of(model, nodes) if layer not in self.always_float]
        share = -(-ticks // len(clips))
        # Copies: a recording's step is valid only until the next one, and decoding per trial would take hours.
        self.drives = [[deepcopy(step) for step in islice(clip, share)] for clip in clips]
        self.ticks = sum(len(drive) for drive in self.drives)
        if self.ticks == 0:
            raise ModelError("The clips given with `--data` have no ticks to measure layers on. Name other clips.")
        self._reference = self._plans(model)

    @property
    def unit(self) -> str:
        return self.plan_measure.quantities[self.plan_measure.headline].unit

    def distance_m(self, keep_float: Iterable[str] = ()) -> float:
        """Mean distance from the float plan, with all layers except these quantized; in `unit`."""
        kept = set(keep_float)
        if kept.issuperset(self.layers):
            return 0.0
        plans = self._plans(quantize(self.model, self.nodes, self.calibration, self.recipe, kept | self.always_float))
        return float(np.mean([distance(mine, other) for mine, other in zip(plans, self._reference, strict=True)]))

    def _plans(self, model: onnx.ModelProto) -> list[Rows]:
        """The headline quantity of each tick."""
        runner = OnnxRunner(open_model(model), self.make_feeds)
        plans: list[Rows] = []
        for drive in self.drives:
            runner.reset()
            for step in drive:
                rows = self.plan_measure.read(runner.step(step))[self.plan_measure.headline]
                plans.append(rows.copy() if isinstance(rows, np.ndarray) else [row.copy() for row in rows])
        return plans


def measure(trial: QuantizationTrial, progress: ProgressCallback = lambda message: None) -> Sensitivity:
    """Try every layer quantized alone, and every layer left out."""
    effects = []
    for index, layer in enumerate(trial.layers):
        progress(f"layer {index + 1} of {len(trial.layers)}: {layer}")
        others = [other for other in trial.layers if other != layer]
        effects.append(LayerEffect(layer, trial.distance_m(others), trial.distance_m([layer])))
    effects.sort(key=lambda effect: (-effect.alone_m, effect.layer))
    label = trial.plan_measure.quantities[trial.plan_measure.headline].label
    return Sensitivity(tuple(effects), trial.distance_m(), trial.ticks, trial.unit, label)


def choose_float_layers(trial: QuantizationTrial, sensitivity: Sensitivity, limit_m: float) -> tuple[list[str], float]:
    """Leave layers in float, one after another, until the mean distance is within `limit_m`.

    The next layer is the cheapest that reaches the limit, or else the one with the best ratio of gain to cost; each is
    tried together with those already chosen, since errors of two layers may add up or cancel.

    Returns:
        The layers in the order chosen, and the remaining distance.

    Raises:
        ModelError: the limit cannot be reached.
    """
    macs = macs_of(trial.model, trial.nodes)
    # As a share of the network's, plus an estimate for the conversion from 8 bits and back: tiny layers are not free.
    cost = {layer: macs[layer] / max(sum(macs.values()), 1) + 0.01 for layer in trial.layers}
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
            limit, found = (format_distance(value, sensitivity.unit) for value in (limit_m, sensitivity.all_m))
            raise ModelError(
                f"No mix of layers keeps the plan within {limit} of float ({sensitivity.label}; all quantized: "
                f"{found}). "
                "Allow more with `--mixed`, or calibrate on more clips with `--data`."
            )
        left_m = with_m.pop(layer)
        kept.append(layer)
        if left_m > limit_m:
            with_m = {other: trial.distance_m([*kept, other]) for other in with_m}
    return kept, left_m
