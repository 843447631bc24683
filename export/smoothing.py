"""Equalise the channels that quantized layers read, without changing the network's function.

One scale per activation spends most of its 256 steps on the few large channels. Where a LayerNorm feeds linear layers,
a channel can be divided in the norm and multiplied in the weights: the result is the same, and weights have a scale per
row.

Source: G. Xiao et al., SmoothQuant, ICML 2023, equation 4.
"""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fsd.data.errors import ModelError
from fsd.export.clip_measure import MeasureClips, Measured, in_turn
from fsd.export.network_reference import network_feeds, network_reference
from fsd.export.onnx_runner import Clip, ReferenceRunner
from fsd.export.parity import one_torch_thread
from fsd.networks.attention import MemoryAttention, Perceptron, TokenAttention
from fsd.networks.model import DrivingNetwork

MIGRATION = 0.5
"""Share of a channel's magnitude moved to the weights, as an exponent."""

Scales = Mapping[str, Sequence[float]]
"""Name of a LayerNorm -> divisor of each of its channels."""


def measure_scales(
    network: DrivingNetwork, clips: Iterable[Clip], every: int = 4, measure_clips: MeasureClips = in_turn
) -> dict[str, list[float]]:
    """Scales from the largest value of each channel over rolled-out clips, at every `every`-th tick."""
    norms = _norms(network)
    peaks = {name: torch.zeros(norm.normalized_shape) for name, (norm, _) in norms.items()}
    for found in measure_clips(PeakMeasure(network, every), list(clips)):
        peaks = {name: torch.maximum(peak, torch.from_numpy(found[name])) for name, peak in peaks.items()}
    return {name: _scale(peaks[name], readers).tolist() for name, (_, readers) in norms.items()}


@dataclass(frozen=True)
class PeakMeasure:
    """The largest value of each channel of every norm over one clip; see `ClipMeasure`."""

    network: DrivingNetwork
    every: int

    @property
    def content(self) -> Iterable[bytes]:
        yield repr((self.network.config, self.every)).encode()
        for name, weights in self.network.state_dict().items():
            yield name.encode()
            yield weights.cpu().numpy().tobytes()

    def __call__(self, clip: Clip) -> Measured:
        norms = _norms(self.network)
        peaks = {name: torch.zeros(norm.normalized_shape) for name, (norm, _) in norms.items()}
        is_measured = False

        def recorder(name: str) -> Callable[[nn.Module, object, Tensor], None]:
            def record(norm: nn.Module, inputs: object, output: Tensor) -> None:
                if is_measured:
                    peaks[name] = torch.maximum(peaks[name], output.detach().abs().flatten(0, -2).amax(dim=0).cpu())

            return record

        runner = ReferenceRunner(network_reference(self.network), network_feeds(self.network))
        handles = [norm.register_forward_hook(recorder(name)) for name, (norm, _) in norms.items()]
        try:
            with one_torch_thread():
                runner.reset()
                for index, step in enumerate(clip):
                    is_measured = index % self.every == 0
                    runner.step(step)
        finally:
            for handle in handles:
                handle.remove()
        return {name: peak.numpy() for name, peak in peaks.items()}


def smoothed(network: DrivingNetwork, scales: Scales) -> DrivingNetwork:
    """A copy of the network with equalised channels and the same function.

    Raises:
        ModelError: the scales do not fit this network.
    """
    network = copy.deepcopy(network)
    norms = _norms(network)
    sizes = {name: norm.normalized_shape[0] for name, (norm, _) in norms.items()}
    if {name: len(scale) for name, scale in scales.items()} != sizes:
        raise ModelError(
            "The calibration's smoothing scales do not fit this network. Calibrate again: leave `--calibration` out."
        )
    with torch.no_grad():
        for name, (norm, readers) in norms.items():
            scale = torch.tensor(scales[name], dtype=norm.weight.dtype, device=norm.weight.device)
            norm.weight.div_(scale)
            norm.bias.div_(scale)
            for layer in readers:
                layer.weight.mul_(scale)
    return network


def _norms(network: DrivingNetwork) -> dict[str, tuple[nn.LayerNorm, list[nn.Linear]]]:
    """By name, every LayerNorm whose output only linear layers read, and those layers."""
    found = {}
    for name, part in network.named_modules():
        if isinstance(part, TokenAttention):
            found[f"{name}.norm"] = (part.norm, [part.query, part.key_value])
        elif isinstance(part, MemoryAttention):
            found[f"{name}.norm"] = (part.norm, [part.query])
        elif isinstance(part, Perceptron):
            found[f"{name}.norm"] = (part.norm, [part.widen])
    return found


def _scale(peak: Tensor, readers: Sequence[nn.Linear]) -> Tensor:
    """Per channel, peak ** m / weight ** (1 - m); 1 for unused channels."""
    heaviest = torch.stack([layer.weight.detach().abs().amax(dim=0).cpu() for layer in readers]).amax(dim=0)
    is_used = (peak > 0) & (heaviest > 0)
    scale = peak.clamp(min=1e-5) ** MIGRATION / heaviest.clamp(min=1e-5) ** (1.0 - MIGRATION)
    return torch.where(is_used, scale, 1.0)
