"""Compress and plan the first ticks of a recording, and save what must not depend on the processor.

    python ticks.py CLIP MODEL TICKS RESULT.npz [REFERENCE.npz]

MODEL may have outputs besides the contract's; they are saved as well. With REFERENCE, a result of the same on another
processor, the gaze follows the saliency saved there, so that both compress the same. Prints one line of JSON.
"""

import json
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np

from fsd.compression.compressor import Compressor
from fsd.compression.tick import CompressedTick
from fsd.data.frame_source import FrameSource
from fsd.data.open_clip import open_clip
from fsd.meters.machine import describe_machine
from fsd.networks.input_buffers import InputBuffers, TickInput
from fsd.networks.model_metadata import from_properties
from fsd.networks.onnx_session import open_session


def main(clip_path: Path, model: Path, ticks: int, result: Path, reference: Path | None) -> None:
    """Save arrays by name: `compressor/NAME` and `network/NAME`, (T, …) each."""
    session = open_session(model)
    metadata = from_properties(session.get_modelmeta().custom_metadata_map, str(model))
    names = [each.name for each in session.get_outputs()]
    saliency = None if reference is None else np.load(reference)["network/saliency"]
    clip, buffers = open_clip(clip_path), InputBuffers(metadata.budget)
    compressor = Compressor(clip.rig, metadata.budget)
    rows: dict[str, list[np.ndarray]] = {}
    request: np.ndarray | None = None
    with FrameSource(clip, max_ticks=ticks) as frame_sets:
        for index, frame_set in enumerate(frame_sets):
            ego = clip.ego.sample_at(frame_set.timestamp_ns) if clip.ego else None
            command = clip.commands.command_at(frame_set.timestamp_ns) if clip.commands else "none"
            tick = compressor.step(frame_set, ego, request)
            buffers.load(TickInput(tick, ego, command))
            outputs = dict(zip(names, session.run(None, buffers.arrays), strict=True))
            buffers.commit(tick.commit_slots, outputs["new_k"], outputs["new_v"])
            request = outputs["saliency"] if saliency is None else saliency[index]
            for name, value in _arrays(tick).items():
                rows.setdefault(f"compressor/{name}", []).append(value.copy())
            for name, value in outputs.items():
                rows.setdefault(f"network/{name}", []).append(value)
    np.savez(result, **{name: np.array(values) for name, values in rows.items()})
    machine = describe_machine()
    print(json.dumps({"integer_sums": machine.integer_sums, "onnxruntime": machine.onnxruntime}))


def _arrays(tick: CompressedTick) -> dict[str, np.ndarray]:
    values = {each.name: getattr(tick, each.name) for each in fields(tick)}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}


if __name__ == "__main__":
    clip_path, model, ticks, result, *others = sys.argv[1:]
    main(Path(clip_path), Path(model), int(ticks), Path(result), Path(others[0]) if others else None)
