"""Fine-tune a PyTorch model for INT8: with rounded weights and activations, it learns the outputs of its float self.

Needs recordings and no labels. The float model is rolled out over clips, state included; the rounded one gets the same
inputs and state, and its weights follow the difference. Gradients pass the rounding unchanged (straight-through).
"""

import copy
import itertools
import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper
from torch import Tensor, nn
from torch.nn.utils import parametrize

from fsd.data.errors import ModelError
from fsd.export.layer_inputs import MomentSum, moment_sums, weight_rows, weights_of_rows
from fsd.export.onnx_runner import Clip, MakeFeeds
from fsd.export.pair_safe import round_layer
from fsd.export.parity import one_torch_thread
from fsd.export.plan_measure import PlanMeasure, distances
from fsd.export.torch_module import TorchModel, trace
from fsd.export.weight_rounding import PAIR_LIMIT, WEIGHT_LIMIT

STEP_RATE, LEARNING_RATE = 0.005, 2e-4
"""Of Adam: for rounded weights as a share of a step of theirs, for other tensors of their root mean square.

Both rise over the first tenth, then fall along a cosine.
"""

TICKS_PER_STEP = 8
"""Ticks whose gradients are added in one step; a model with a batch of 1 sees them one after another."""

HELD_OUT_EVERY = 4
"""One tick in this many is not trained on, and decides which weights are kept."""

CHECKS = 10
"""How often the held-out ticks are measured."""

MAX_TICKS, MAX_BYTES = 1024, 2**29
"""Limits of the recorded ticks; of longer clips, every second, fourth … tick is kept."""

ACTIVATION_LIMIT = 255

MOMENTS_EVERY = 4
"""Ticks from one to the next in which the moments of inputs are measured: neighbours are alike."""

_Layer = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear

ProgressCallback = Callable[[str], None]


@dataclass(frozen=True)
class FineTuned:
    """A model with fine-tuned float weights, to be quantized in place of the original.

    Attributes:
        before, after: mean distance of the rounded model's plan from the float model's on held-out ticks, in the
            measure's unit; before the first step, and with the weights that are kept.
        best_step: after which the kept weights were reached; 0 are those that the quantizer would choose by itself.
        ticks: trained on.
    """

    model: TorchModel
    before: float
    after: float
    best_step: int
    steps: int
    ticks: int


@dataclass(frozen=True)
class _Tick:
    """Inputs, state included, and the outputs of the float model."""

    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in (*self.inputs.values(), *self.outputs.values()))


def fine_tune(
    model: TorchModel,
    clips: Iterable[Clip],
    make_feeds: MakeFeeds,
    measure: PlanMeasure,
    steps: int,
    float_layers: Collection[str] = (),
    progress: ProgressCallback = lambda message: None,
) -> FineTuned:
    """Fine-tune a copy of a model for `steps` steps; the same result every time.

    Args:
        float_layers: modules that stay in float.

    Raises:
        ModelError: there is no PyTorch module, no layer to round, no gradient, or too few ticks.
    """
    if model.module is None:
        raise ModelError(
            f"{model.origin} is a traced program, which cannot be fine-tuned. Name the function that makes the module "
            "(`module:function`)."
        )
    with one_torch_thread():
        return _fine_tuned(model, clips, make_feeds, measure, steps, float_layers, progress)


def _fine_tuned(
    model: TorchModel,
    clips: Iterable[Clip],
    make_feeds: MakeFeeds,
    measure: PlanMeasure,
    steps: int,
    float_layers: Collection[str],
    progress: ProgressCallback,
) -> FineTuned:
    assert model.module is not None
    ticks = _recorded(model, clips, make_feeds)
    held_out, trained = ticks[::HELD_OUT_EVERY], [t for i, t in enumerate(ticks) if i % HELD_OUT_EVERY]
    if not trained:
        raise ModelError("The clips given with `--qat` have too few ticks. Name longer recordings.")
    student = copy.deepcopy(model.module).requires_grad_(True)
    tuned = TorchModel(model.origin, model.program, student, model.example, model.inputs, model.outputs)
    layers = {
        name: layer
        for name, layer in student.named_modules()
        if isinstance(layer, _Layer) and name not in float_layers and layer.weight.dtype == torch.float32
    }
    if not layers:
        raise ModelError(f"{model.origin} has no convolution or linear layer to fine-tune. Leave `--qat` out.")
    handles = _round(layers, *_seen(tuned, layers, trained))

    def error() -> float:
        found = [distances(measure, tuned.run(tick.inputs), tick.outputs)[measure.headline] for tick in held_out]
        return float(np.mean(found))

    before = after = error()
    best, best_step = copy.deepcopy(student.state_dict()), 0
    for step in _train(tuned, trained, steps):
        if step % max(steps // CHECKS, 1) and step != steps:
            continue
        now = error()
        progress(f"fine-tuning: step {step} of {steps}, {now:.4g} from float, {before:.4g} before")
        if now < after:
            after, best, best_step = now, copy.deepcopy(student.state_dict()), step
    student.load_state_dict(best)
    for handle in handles:
        handle.remove()
    for layer in layers.values():
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    student.requires_grad_(False)
    return FineTuned(trace(student, model.example, model.origin), before, after, best_step, steps, len(trained))


def _recorded(model: TorchModel, clips: Iterable[Clip], make_feeds: MakeFeeds) -> list[_Tick]:
    """Ticks of the float model, evenly over all clips, within the limits."""
    kept: list[_Tick] = []
    every, seen, used = 1, 0, 0
    feeds = make_feeds()
    for clip in clips:
        feeds.reset()
        for step in clip:
            feeds.load(step)
            is_kept = seen % every == 0
            inputs = {name: array.copy() for name, array in feeds.arrays.items()} if is_kept else {}
            outputs = {name: array.copy() for name, array in model.run(inputs or feeds.arrays).items()}
            feeds.carry(step, outputs)
            seen += 1
            if not is_kept:
                continue
            kept.append(_Tick(inputs, outputs))
            used += kept[-1].nbytes
            if len(kept) > MAX_TICKS or used > MAX_BYTES:
                kept, every = kept[::2], every * 2
                used = sum(tick.nbytes for tick in kept)
    return kept


def _seen(
    model: TorchModel, layers: dict[str, _Layer], ticks: list[_Tick]
) -> tuple[dict[str, tuple[float, float]], dict[str, MomentSum]]:
    """Smallest and largest input of every layer that runs, and the moments of its inputs."""
    ranges: dict[str, tuple[float, float]] = {}
    nodes = {name: _node(layer) for name, layer in layers.items()}
    sums = moment_sums({name: (nodes[name], tuple(layer.weight.shape)) for name, layer in layers.items()})
    is_sampled = True

    def recorder(name: str, weights: np.ndarray) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def record(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            low, high = ranges.get(name, (0.0, 0.0))
            ranges[name] = min(low, float(inputs[0].min())), max(high, float(inputs[0].max()))
            if is_sampled:
                sums[name].add(nodes[name], weights, inputs[0].detach().numpy())

        return record

    handles = [
        layer.register_forward_pre_hook(recorder(name, layer.weight.detach().numpy())) for name, layer in layers.items()
    ]
    for index, tick in enumerate(ticks):
        is_sampled = index % MOMENTS_EVERY == 0
        model.run(tick.inputs)
    for handle in handles:
        handle.remove()
    return ranges, sums


def _node(layer: _Layer) -> onnx.NodeProto:
    """The layer as the node that it becomes, for the functions that know the order of weights."""
    names = ["input", "weights", *(["bias"] if layer.bias is not None else [])]
    if isinstance(layer, nn.Linear):
        return helper.make_node("Gemm", names, ["output"], transB=1)
    before, after = [], []
    for axis, size in enumerate(layer.kernel_size):
        total = layer.dilation[axis] * (size - 1) if layer.padding == "same" else 0
        fixed = 0 if isinstance(layer.padding, str) else layer.padding[axis]
        before.append(total // 2 if total else fixed)
        after.append(total - total // 2 if total else fixed)
    sizes: dict[str, Any] = {"strides": layer.stride, "dilations": layer.dilation, "kernel_shape": layer.kernel_size}
    return helper.make_node("Conv", names, ["output"], pads=[*before, *after], group=layer.groups, **sizes)


class _RoundedWeight(nn.Module):
    """Weights as whole steps, with a scale per output channel; the quantizer keeps weights of this form as they are."""

    def __init__(self, scale: np.ndarray) -> None:
        super().__init__()
        self.scale = torch.tensor(scale)[:, None]

    def forward(self, weight: Tensor) -> Tensor:
        # Neighbours in the order in which processors add: channels last.
        rows = weight.detach().movedim(1, -1).reshape(len(weight), -1)
        steps = (rows / self.scale).round().clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT)
        even = steps.shape[1] // 2 * 2
        pairs = steps[:, :even].unflatten(1, (-1, 2))
        excess = pairs.sum(-1).abs() - PAIR_LIMIT
        is_over = (excess > 0) & (pairs[..., 0] * pairs[..., 1] > 0)
        less = torch.where(is_over, (excess / 2).ceil(), torch.zeros_like(excess))[..., None]
        steps = torch.cat([(pairs - less * pairs.sign()).flatten(1), steps[:, even:]], 1)
        shape = weight.movedim(1, -1).shape
        rounded = (steps * self.scale).reshape(shape).movedim(-1, 1)
        return weight + (rounded - weight).detach()


def _round(
    layers: dict[str, _Layer], ranges: dict[str, tuple[float, float]], sums: dict[str, MomentSum]
) -> list[torch.utils.hooks.RemovableHandle]:
    """Round weights and inputs of layers from here on; the handles end the rounding of inputs.

    It begins with the weights that the quantizer would choose without fine-tuning.
    """
    handles = []
    for name, layer in layers.items():
        if name not in ranges:
            continue
        node, shape = _node(layer), tuple(layer.weight.shape)
        has_bias = layer.bias is not None
        rounded = round_layer(weight_rows(node, layer.weight.detach().numpy()), sums[name].moments(), has_bias)
        start = weights_of_rows(node, rounded.values * rounded.scale[:, None], shape)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(start))
            if layer.bias is not None:
                layer.bias += torch.from_numpy(rounded.bias_shift)
        parametrize.register_parametrization(layer, "weight", _RoundedWeight(rounded.scale))
        low, high = ranges[name]
        scale = max(high - low, 1e-12) / ACTIVATION_LIMIT
        handles.append(layer.register_forward_pre_hook(_rounded_input(scale, round(-low / scale))))
    return handles


def _rounded_input(scale: float, zero: int) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
    def rounded(layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return torch.fake_quantize_per_tensor_affine(inputs[0], scale, zero, 0, ACTIVATION_LIMIT), *inputs[1:]

    return rounded


def _train(model: TorchModel, ticks: list[_Tick], steps: int) -> Iterable[int]:
    """Yield the number of each step after it was taken."""
    assert model.module is not None
    floats = [name for name, value in ticks[0].outputs.items() if np.issubdtype(value.dtype, np.floating)]
    squares = {name: np.mean([np.square(tick.outputs[name]).mean() for tick in ticks]) for name in floats}
    weights = {name: 1 / max(float(square), 1e-12) for name, square in squares.items()}
    parametrized: list[Any] = [each for each in model.module.modules() if parametrize.is_parametrized(each, "weight")]
    weights_of = [each.parametrizations["weight"] for each in parametrized]
    steps_of = {each.original: float(each[0].scale.mean()) for each in weights_of}
    optimiser = torch.optim.Adam(
        {
            "params": [each],
            "lr": STEP_RATE * steps_of[each]
            if each in steps_of
            else LEARNING_RATE * float(each.detach().square().mean().sqrt()),
        }
        for each in model.module.parameters()
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1.0, 10 * (step + 1) / steps) * 0.5 * (1 + math.cos(math.pi * step / steps))
    )
    order = _endless(len(ticks))
    for step in range(1, steps + 1):
        optimiser.zero_grad()
        for index in itertools.islice(order, TICKS_PER_STEP):
            tick = ticks[index]
            outputs = model.tensors(tick.inputs)
            parts = [
                weights[name] * (outputs[name] - torch.tensor(tick.outputs[name])).square().mean() for name in floats
            ]
            loss = torch.stack(parts).sum()
            if not loss.requires_grad:
                raise ModelError(f"{model.origin} gives no gradients: leave `--qat` out, or `torch.no_grad` out of it.")
            loss.backward()
        optimiser.step()
        schedule.step()
        yield step


def _endless(count: int) -> Iterable[int]:
    """All numbers below `count` in a new order each time, the same orders in every run."""
    rng = np.random.default_rng(0)
    while True:
        yield from rng.permutation(count).tolist()
