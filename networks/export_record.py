"""What `fsd export` stores in the files that it makes of a third-party model, beside the model's own metadata."""

from collections.abc import Mapping

import msgspec

from fsd.data.errors import ModelError

EXPORT_KEY = "fsd_export"
"""The ONNX metadata property that holds `ExportRecord` as JSON."""

RECORD_VERSION = 1


class ExportRecord(msgspec.Struct, frozen=True):
    """Description of one file.

    Attributes:
        name: of the model; precision: `fp32`, `fp16`, `int8`, `weights8` or `dynamic`; target: the runtime.
        source_sha256: digest of the file that the model came from, weights beside it included.
        quantization: notes on how the file was made.
        pair_safe: the 8-bit products of the file cannot saturate, so its integer sums are the same on every processor.
        model_sha256: digest of the model file without its metadata (`model_digest.py`).
    """

    name: str
    precision: str
    target: str
    source_sha256: str = ""
    quantization: dict[str, str] = {}
    pair_safe: bool = False
    model_sha256: str = ""
    version: int = RECORD_VERSION


def export_record(properties: Mapping[str, str], origin: str) -> ExportRecord | None:
    """The record among a model file's properties; None for a file that `fsd export` did not make.

    Raises:
        ModelError: it cannot be read; `origin` names the file.
    """
    text = properties.get(EXPORT_KEY)
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=ExportRecord)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ModelError(
            f"The `{EXPORT_KEY}` metadata of {origin} cannot be read: {error}. Export it again with `fsd export`."
        ) from error
