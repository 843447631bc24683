"""Measure every activation while the float model runs whole clips, memory included, and round the weights accordingly.

Calibrating only on first ticks, with an empty memory, would give ranges that later ticks exceed. The result is plain
numbers; each quantization recipe turns the same ranges into its own scales.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import msgspec
import numpy as np
import onnx
import safetensors.numpy
from onnx import numpy_helper

from fsd.compression.budget import Budget
from fsd.data.errors import ModelError
from fsd.data.files import write_bytes
from fsd.export.layer_inputs import MomentSum, weight_rows, weighted_layers
from fsd.export.onnx_runner import OnnxRunner, open_model, with_outputs
from fsd.export.pair_safe import RoundedLayer, round_layer
from fsd.networks.input_buffers import TickInput

_METADATA_KEY = "calibration"
_PARTS = fields(RoundedLayer)

Clip = Iterable[TickInput]
"""One drive, tick by tick from its start; runners reset their memory before it."""


@dataclass(frozen=True)
class Calibration:
    """Measured ranges: tensor name -> (lowest, highest), over `ticks` ticks of `clips` clips.

    `scales`: LayerNorm -> divisor of each channel, as in `smoothing`; the ranges are those of the network smoothed by
    them. `layers`: name of the weights -> the layer rounded for these inputs. `weights_sha256` is the digest of the
    weights file; empty for random weights.
    """

    ranges: dict[str, tuple[float, float]]
    ticks: int
    clips: int
    scales: dict[str, list[float]] = field(default_factory=dict)
    weights_sha256: str = ""
    layers: dict[str, RoundedLayer] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write as safetensors, so that another target can be exported without running the clips again."""
        tensors = {
            f"{name}.{part.name}": getattr(layer, part.name) for name, layer in self.layers.items() for part in _PARTS
        }
        numbers = {part.name: getattr(self, part.name) for part in fields(self) if part.name != "layers"}
        metadata = {_METADATA_KEY: json.dumps(numbers, sort_keys=True)}
        write_bytes(path, safetensors.numpy.save(tensors, metadata))

    @classmethod
    def load(cls, path: Path) -> "Calibration":
        """Read what `save` wrote.

        Raises:
            ModelError: it is no such file.
        """
        try:
            with safetensors.safe_open(path, "numpy") as file:
                numbers = (file.metadata() or {})[_METADATA_KEY]
                names = {name.rpartition(".")[0] for name in file.keys()}  # noqa: SIM118 - a file is no mapping
                layers = {
                    name: RoundedLayer(**{part.name: file.get_tensor(f"{name}.{part.name}") for part in _PARTS})
                    for name in sorted(names)
                }
            return replace(msgspec.json.decode(numbers, type=cls), layers=layers)
        except (OSError, KeyError, RecursionError, safetensors.SafetensorError, msgspec.MsgspecError) as error:
            raise ModelError(
                f"{path} is not a calibration file ({error}). Calibrate again with `fsd export`."
            ) from error


def calibrate(
    model: onnx.ModelProto,
    budget: Budget,
    tensors: Sequence[str],
    clips: Iterable[Clip],
    every: int = 4,
    nodes: Collection[str] = (),
) -> Calibration:
    """Roll the float model out over clips and measure the range of each tensor at every `every`-th tick.

    Memory is written at every tick; measuring is less frequent, since neighbouring ticks are similar. The weights of
    the layers among `nodes` are rounded for the inputs that were seen.

    Raises:
        ModelError: the clips have no ticks.
    """
    layers = weighted_layers(model, nodes)
    weights = {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer if entry.name in layers}
    inputs = {name: MomentSum() for name in layers}
    measured = list(dict.fromkeys([*tensors, *(node.input[0] for node in layers.values())]))
    # Extra outputs prevent fusion and copy every tensor out, so the other ticks run on the unmodified model.
    runner = OnnxRunner(open_model(model), budget)
    measuring = OnnxRunner(open_model(with_outputs(model, measured)), budget)
    measuring.feeds = runner.feeds
    lowest = dict.fromkeys(tensors, np.inf)
    highest = dict.fromkeys(tensors, -np.inf)
    ticks = clip_count = 0
    for clip in clips:
        runner.reset()
        clip_count += 1
        for index, step in enumerate(clip):
            if index % every:
                runner.step(step)
                continue
            outputs = measuring.step(step)
            ticks += 1
            for name in tensors:
                lowest[name] = min(lowest[name], float(outputs[name].min()))
                highest[name] = max(highest[name], float(outputs[name].max()))
            for name, node in layers.items():
                inputs[name].add(node, weights[name], outputs[node.input[0]])
    if ticks == 0:
        raise ModelError("The clips given with `--data` have no ticks to calibrate on. Name other clips.")
    rounded = {
        name: round_layer(weight_rows(node, weights[name]), inputs[name].moments(), has_bias=len(node.input) > 2)
        for name, node in layers.items()
    }
    ranges = {name: (lowest[name], highest[name]) for name in tensors}
    return Calibration(ranges, ticks, clip_count, layers=rounded)
