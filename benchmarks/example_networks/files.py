"""Write an example as files: one ONNX file for each part, and the adapter."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import msgspec
import onnx
import torch

from example_networks.parts import Example, ExampleNetwork

OPSET = 20
EXTERNAL_ABOVE_BYTES = 50_000_000


@dataclass(frozen=True)
class ExampleFiles:
    """The model files in the order in which they run, and the adapter."""

    models: tuple[Path, ...]
    adapter: Path


def write(example: Example, folder: Path, dynamo: bool = True) -> ExampleFiles:
    """Write an example's files, named after it; `dynamo` chooses the newer and slower of PyTorch's two exporters."""
    folder.mkdir(parents=True, exist_ok=True)
    adapter = folder / "adapter.json"
    adapter.write_bytes(msgspec.json.format(msgspec.json.encode(example.adapter), indent=1))
    names = ["model"] if len(example.parts) == 1 else [type(part).__name__.lower() for part in example.parts]
    models = tuple(folder / f"{name}.onnx" for name in names)
    for part, path in zip(example.parts, models, strict=True):
        write_onnx(part, path, dynamo)
    return ExampleFiles(models, adapter)


def write_onnx(part: ExampleNetwork, path: Path, dynamo: bool = True) -> None:
    """Write one network; a large one with its weights in a second file, an FP16 one with FP16 weights."""
    inputs = part.example()
    is_half = any(value.dtype == torch.float16 for value in inputs.values())
    part = part.half() if is_half else part
    names = {"input_names": list(inputs), "output_names": list(part.outputs), "opset_version": OPSET}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the older exporter announces its end at each call
        if dynamo:
            program = torch.onnx.export(part, kwargs=inputs, dynamo=True, verbose=False, **names)
            assert program is not None
            model = program.model_proto
        else:
            torch.onnx.export(part, tuple(inputs.values()), str(path), dynamo=False, **names)
            model = onnx.load(path)
    if is_half:
        part.float()
    is_large = model.ByteSize() > EXTERNAL_ABOVE_BYTES
    data = f"{path.name}.data"
    (path.parent / data).unlink(missing_ok=True)
    onnx.save(model, path, save_as_external_data=is_large, location=data if is_large else None)
