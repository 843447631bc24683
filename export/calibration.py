"""Measure every activation while the float model runs whole clips, state included, and round the weights accordingly.

Calibrating only on first ticks, with an empty state, would give ranges that later ticks exceed. The result is plain
numbers; each quantization recipe turns the same ranges into its own scales.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
import onnx
import safetensors.numpy
from onnx import numpy_helper

from fsd.data.errors import ModelError
from fsd.data.files import write_bytes
from fsd.export.activation_range import MIN_MAX, ActivationRange, RangeMethod
from fsd.export.clip_measure import MeasureClips, Measured, in_turn
from fsd.export.layer_inputs import MomentSum, has_known_rows, moment_sums, weight_rows, weighted_layers
from fsd.export.onnx_runner import Clip, Feeds, MakeFeeds, further_outputs, open_model
from fsd.export.pair_safe import RoundedLayer, round_layer

_METADATA_KEY, _TICKS = "calibration", ":ticks"
_PARTS = fields(RoundedLayer)


@dataclass(frozen=True)
class Calibration:
    """Measured ranges: tensor name -> (lowest, highest), over `ticks` ticks of `clips` clips.

    `scales`: LayerNorm -> divisor of each channel, as in `smoothing`; the ranges are those of the model smoothed by
    them. `layers`: name of the weights -> the layer rounded for these inputs. `weights_sha256` is the digest of the
    file that the model came from; empty for random weights. `method` is how ranges were made, `is_rolled_out` whether
    the state was carried from tick to tick, `without_covariance` the number of layers too large for covariances.
    """

    ranges: dict[str, tuple[float, float]]
    ticks: int
    clips: int
    scales: dict[str, list[float]] = field(default_factory=dict)
    weights_sha256: str = ""
    layers: dict[str, RoundedLayer] = field(default_factory=dict)
    method: str = "minmax"
    is_rolled_out: bool = True
    without_covariance: int = 0

    def summary(self) -> str:
        """For the notes of a file."""
        state = "rolled-out clips" if self.is_rolled_out else "clips, each from an empty state"
        method = "" if self.method == "minmax" else f", ranges by {self.method}"
        return f"{self.ticks} ticks of {self.clips} {state}{method}"

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
    make_feeds: MakeFeeds,
    tensors: Sequence[str],
    clips: Iterable[Clip],
    every: int = 4,
    nodes: Collection[str] = (),
    method: RangeMethod = MIN_MAX,
    roll_out: bool = True,
    measure_clips: MeasureClips = in_turn,
) -> Calibration:
    """Roll the float model out over clips and measure the range of each tensor at every `every`-th tick.

    State is carried at every tick; measuring is less frequent, since neighbouring ticks are similar. The weights of the
    layers among `nodes` are rounded for the inputs that were seen.

    Args:
        roll_out: False runs every tick from an empty state, as calibration on independent samples does.

    Raises:
        ModelError: the clips have no ticks, or a tensor is not finite.
    """
    measure = RangeMeasure(model, make_feeds, tuple(tensors), tuple(nodes), every, method, roll_out)
    ranges, inputs = measure.empty()
    ticks = clip_count = 0
    for found in measure_clips(measure, list(clips)):
        ticks += int(found[_TICKS])
        clip_count += int(found[_TICKS] > 0)
        measure.merge(found, ranges, inputs)
    if ticks == 0:
        raise ModelError("The clips given with `--data` have no ticks to calibrate on. Name other clips.")
    rounded = {
        name: round_layer(
            weight_rows(readers[0], numpy_helper.to_array(measure.constants[name])),
            inputs[name].moments(),
            has_bias=all(len(node.input) > 2 for node in readers),
        )
        for name, readers in measure.layers.items()
    }
    bounds = {name: measured.bounds() for name, measured in ranges.items()}
    alone = sum(not each.has_covariance for each in inputs.values())
    return Calibration(
        bounds, ticks, clip_count, layers=rounded, method=str(method), is_rolled_out=roll_out, without_covariance=alone
    )


@dataclass(frozen=True)
class RangeMeasure:
    """What `calibrate` measures of one clip: ranges, and sums over the inputs of layers; see `ClipMeasure`."""

    model: onnx.ModelProto
    make_feeds: MakeFeeds
    tensors: tuple[str, ...]
    nodes: tuple[str, ...]
    every: int
    method: RangeMethod
    roll_out: bool

    @property
    def content(self) -> Iterable[bytes]:
        yield self.model.SerializeToString(deterministic=True)
        settings = (self.tensors, self.nodes, self.every, str(self.method), self.roll_out)
        yield json.dumps(settings).encode()

    @cached_property
    def constants(self) -> dict[str, onnx.TensorProto]:
        return {entry.name: entry for entry in self.model.graph.initializer}

    @cached_property
    def layers(self) -> dict[str, list[onnx.NodeProto]]:
        """Name of the weights -> the nodes that read them."""
        return {
            name: readers
            for name, readers in weighted_layers(self.model, self.nodes).items()
            if has_known_rows(readers, tuple(self.constants[name].dims))
        }

    def empty(self) -> tuple[dict[str, ActivationRange], dict[str, MomentSum]]:
        """Ranges by tensor, and sums by layer, of no tick."""
        shapes = {name: (readers[0], tuple(self.constants[name].dims)) for name, readers in self.layers.items()}
        return {name: ActivationRange(self.method) for name in self.tensors}, moment_sums(shapes)

    def __call__(self, clip: Clip) -> Measured:
        ranges, inputs = self.empty()
        ticks = 0
        wanted = [*self.tensors, *_read_by(self.layers)]
        for _, values in measured_ticks(self.model, self.make_feeds, wanted, [clip], self.every, self.roll_out):
            ticks += 1
            for name, measured in ranges.items():
                measured.add(values[name], name)
            for name, readers in self.layers.items():
                weights = numpy_helper.to_array(self.constants[name])
                for node in readers:
                    inputs[name].add(node, weights, values[node.input[0]])
        found: dict[str, np.ndarray] = {_TICKS: np.array(ticks, np.int64)}
        for name, measured in ranges.items():
            found[f"{name}:range"] = np.array([measured.lowest, measured.highest, measured.reach])
            found[f"{name}:counts"] = measured.counts
        for name, each in inputs.items():
            if each.total is not None and each.products is not None:
                found[f"{name}:rows"] = np.array(each.rows, np.int64)
                found[f"{name}:total"], found[f"{name}:products"] = each.total, each.products
        return found

    def merge(self, found: Measured, ranges: Mapping[str, ActivationRange], inputs: Mapping[str, MomentSum]) -> None:
        """Add what was measured of a clip."""
        for name, measured in ranges.items():
            lowest, highest, reach = map(float, found[f"{name}:range"])
            measured.merge(ActivationRange(self.method, lowest, highest, reach, found[f"{name}:counts"]))
        for name, each in inputs.items():
            if f"{name}:rows" in found:
                total, products = found[f"{name}:total"], found[f"{name}:products"]
                each.merge(MomentSum(each.has_covariance, int(found[f"{name}:rows"]), total, products))


def _read_by(layers: dict[str, list[onnx.NodeProto]]) -> list[str]:
    return [node.input[0] for readers in layers.values() for node in readers]


def measured_ticks(
    model: onnx.ModelProto,
    make_feeds: MakeFeeds,
    tensors: Sequence[str],
    clips: Iterable[Clip],
    every: int,
    roll_out: bool = True,
) -> Iterator[tuple[bool, dict[str, np.ndarray]]]:
    """Whether it is the first of a clip, and all tensors, at every measured tick."""
    given = {value.name for value in model.graph.input}
    names = [name for name in dict.fromkeys(tensors) if name not in given]
    # Extra outputs prevent fusion and copy every tensor out, so the other ticks run on the unmodified model.
    with further_outputs(model, names):
        measuring = open_model(model)
    session = open_model(model)
    outputs = [output.name for output in session.get_outputs()]
    feeds: Feeds = make_feeds()
    for clip in clips:
        feeds.reset()
        for index, step in enumerate(clip):
            is_measured = index % every == 0
            if not roll_out:
                if not is_measured:
                    continue
                feeds.reset()
            feeds.load(step)
            wanted = list(dict.fromkeys([*outputs, *names])) if is_measured else outputs
            values = dict(
                zip(wanted, (measuring if is_measured else session).run(wanted, dict(feeds.arrays)), strict=True)
            )
            if is_measured:
                yield index == 0, {**feeds.arrays, **values}
            feeds.carry(step, values)
