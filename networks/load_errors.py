"""Say in one line why ONNX Runtime cannot load a model file, and how to fix it.

Bytes and messages only: no onnx, no ONNX Runtime, so that replay, profile and export give the same answers.
"""

import re
from pathlib import Path

from fsd.data.errors import ModelError

LFS_POINTER = b"version https://git-lfs"
"""How the text begins that Git LFS puts in place of a file that it has not fetched."""

_MENDS = (
    (
        r"External data path does not exist: \"(?P<file>[^\"]*)\"",
        "needs its weights in {file}, which is missing. Copy that file beside it, under the same name.",
    ),
    (
        r"External data path escapes|Absolute path not allowed|xternal data path",
        "refers to data outside its folder, which is refused. Save the model and its data in one folder.",
    ),
    (
        r"External initializer: (?P<tensor>\S+) offset.*file_length: (?P<length>\d+)",
        "has a data file of {length} bytes, which ends before tensor {tensor}. Copy the data file again: it is "
        "truncated, or a Git LFS pointer (`git lfs pull`).",
    ),
    (
        r"Unsupported model IR version: (?P<version>\d+), max supported IR version: (?P<most>\d+)",
        "has IR version {version}, and the installed ONNX Runtime reads up to {most}. Save it with `model.ir_version = "
        "{most}`, or install a newer onnxruntime.",
    ),
    (
        r"Opset (?P<version>\d+) is under development.*till opset (?P<most>\d+)",
        "has opset {version}, and the installed ONNX Runtime reads up to {most}. Export it with an opset of at most "
        "{most}, or install a newer onnxruntime.",
    ),
    (
        r"Fatal error: (?P<operator>\S+?)\(-?\d+\) is not a registered function/op",
        "uses the operator {operator}, which ONNX Runtime does not have. Export it with standard operators in its "
        "place.",
    ),
    (
        r"No Op registered for (?P<operator>\S+) with domain_version of (?P<version>\d+)",
        "uses the operator {operator}, which opset {version} does not have. Export it again with standard operators.",
    ),
    (
        r"Could not find an implementation for (?P<operator>\w+)\(\d+\)",
        "uses {operator} with a type for which ONNX Runtime has no kernel here (bfloat16 is one). Export it in "
        "float32: `module.float()` before the export.",
    ),
    (
        r"Protobuf parsing failed|No graph was found in the protobuf",
        "is damaged or no ONNX file: it may be truncated. Copy or download it again.",
    ),
)
"""Pattern in ONNX Runtime's message -> the rest of a sentence that begins with the file's name."""


_PICKLE = (
    "is a pickle: it runs code when it is loaded, and holds weights without a graph. Name a function that makes the "
    "module and loads it (`fsd export my_model:load`), or write the model with `torch.export.save`"
)
_PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x04")
"""How `torch.save` begins a file: an archive, or in old versions the pickle itself."""

_ENGINE = "is a TensorRT engine, built for one GPU and without its graph: give the ONNX file that it was built from"
_KERAS = "is a Keras model: convert it with `python -m tf2onnx.convert --keras FILE --output model.onnx`"

OTHER_FORMATS = {
    ".pt": _PICKLE,
    ".pth": _PICKLE,
    ".ckpt": _PICKLE,
    ".pkl": _PICKLE,
    ".bin": _PICKLE,
    ".torchscript": "is TorchScript, which PyTorch has retired: name a function that makes the module "
    "(`fsd export my_model:load`), or write it with `torch.export.save`",
    ".engine": _ENGINE,
    ".plan": _ENGINE,
    ".tflite": "is a TensorFlow Lite model: convert it with `python -m tf2onnx.convert --tflite FILE --output "
    "model.onnx`",
    ".pb": "is a TensorFlow graph: convert its folder with `python -m tf2onnx.convert --saved-model DIR --output "
    "model.onnx`",
    ".h5": _KERAS,
    ".keras": _KERAS,
    ".mlmodel": "is a Core ML model: export the model that it was converted from to ONNX",
    ".mlpackage": "is a Core ML model: export the model that it was converted from to ONNX",
    ".xml": "is an OpenVINO model: export the model that it was converted from to ONNX",
    ".ort": "is ONNX Runtime's own format: give the ONNX file that it was converted from",
}
"""Suffix of a format that cannot be exported -> the rest of a sentence that begins with the file's name."""


def check_format(model: Path | str) -> None:
    """Refuse a file that is no model by the end of its name.

    Raises:
        ModelError: says what it is, and what to do instead.
    """
    suffix = Path(model).suffix.lower()
    if suffix in OTHER_FORMATS:
        raise ModelError(f"{model} {OTHER_FORMATS[suffix]}.")


def check_content(model: Path) -> None:
    """Refuse a file that holds no model at all.

    Raises:
        ModelError: it is empty, a Git LFS pointer, or a pickle of PyTorch whatever its name.
    """
    with model.open("rb") as file:
        start = file.read(len(LFS_POINTER))
    if not start:
        raise ModelError(f"{model} is empty. Copy or download it again.")
    if start.startswith(_PICKLE_STARTS) and model.suffix.lower() not in (".pt2", ".npz"):
        raise ModelError(f"{model} {_PICKLE}.")
    if start == LFS_POINTER:
        raise ModelError(f"{model} is a Git LFS pointer, not the file itself. Fetch it with `git lfs pull`.")


def load_error(origin: str, error: Exception) -> ModelError:
    """The error of a model that cannot be loaded; `origin` is its file."""
    if (suffix := Path(origin).suffix.lower()) in OTHER_FORMATS:
        return ModelError(f"{origin} {OTHER_FORMATS[suffix]}.")
    message = str(error).strip()
    for pattern, mend in _MENDS:
        found = re.search(pattern, message, re.DOTALL)
        if found:
            return ModelError(f"{origin} {mend.format(**found.groupdict())}")
    reason = message.splitlines()[0] if message else type(error).__name__
    return ModelError(f"{origin} cannot be loaded by ONNX Runtime: {reason} Export or copy it again.")
