"""Measure the range of every activation while the float model runs whole clips, memory included.

Calibrating only on first ticks, with an empty memory, would give ranges that later ticks exceed. The result is plain
numbers; each quantization recipe turns the same ranges into its own scales.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import onnx

from fsd.compression.budget import Budget
from fsd.data.errors import ModelError
from fsd.data.files import write_text
from fsd.export.onnx_runner import OnnxRunner, open_model, with_outputs
from fsd.networks.input_buffers import TickInput

Clip = Iterable[TickInput]
"""One drive, tick by tick from its start; runners reset their memory before it."""


@dataclass(frozen=True)
class Calibration:
    """Measured ranges: tensor name -> (lowest, highest), over `ticks` ticks of `clips` clips.

    `scales`: LayerNorm -> divisor of each channel, as in `smoothing`; the ranges are those of the network smoothed by
    them. `weights_sha256` is the digest of the weights file; empty for random weights.
    """

    ranges: dict[str, tuple[float, float]]
    ticks: int
    clips: int
    scales: dict[str, list[float]] = field(default_factory=dict)
    weights_sha256: str = ""

    def save(self, path: Path) -> None:
        """Write as JSON, so that another target can be exported without running the clips again."""
        write_text(path, json.dumps(asdict(self), sort_keys=True))

    @classmethod
    def load(cls, path: Path) -> "Calibration":
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except (OSError, UnicodeDecodeError, RecursionError, msgspec.MsgspecError) as error:
            raise ModelError(
                f"{path} is not a calibration file ({error}). Calibrate again with `fsd export`."
            ) from error


def calibrate(
    model: onnx.ModelProto, budget: Budget, tensors: Sequence[str], clips: Iterable[Clip], every: int = 4
) -> Calibration:
    """Roll the float model out over clips and measure the range of each tensor at every `every`-th tick.

    Memory is written at every tick; measuring is less frequent, since neighbouring ticks are similar.

    Raises:
        ModelError: the clips have no ticks.
    """
    # Extra outputs prevent fusion and copy every tensor out, so the other ticks run on the unmodified model.
    runner = OnnxRunner(open_model(model), budget)
    measuring = OnnxRunner(open_model(with_outputs(model, tensors)), budget)
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
    if ticks == 0:
        raise ModelError("The clips given with `--data` have no ticks to calibrate on. Name other clips.")
    return Calibration({name: (lowest[name], highest[name]) for name in tensors}, ticks, clip_count)
