"""One tick inside an INT8 model file, with the memory that it must give: it tells whether this machine computes the
network as the machine did that exported it.

The memory tells more than the trajectory, since it holds 2048 numbers straight from the integer layers.
"""

import base64
import binascii
import zlib
from collections.abc import Mapping

import msgspec
import numpy as np
import onnxruntime

from fsd.data.errors import ModelError
from fsd.networks.contract import input_shapes
from fsd.networks.model_metadata import ModelMetadata
from fsd.networks.processor import processor_instructions, processor_name

PROPERTY_KEY = "fsd_stored_tick"
"""The ONNX metadata property that holds it."""

EXPECTED = "new_k"

LIMIT = 0.002
"""Largest mean difference of the memory, as a share of its mean magnitude.

Measured: 1e-7 where only float kernels differ (SSE4.2 against AVX-512); 0.004 where 8-bit sums saturate in a file whose
weights allow it.
"""


class StoredTick(msgspec.Struct, frozen=True):
    """The network's inputs by name, and `expected`, both as raw bytes; inputs of zeros are left out."""

    inputs: dict[str, bytes]
    expected: bytes


def encode(inputs: Mapping[str, np.ndarray], expected: np.ndarray) -> str:
    """Text for the property."""
    used = {name: array.tobytes() for name, array in inputs.items() if array.any()}
    content = msgspec.msgpack.encode(StoredTick(used, expected.astype(np.float32).tobytes()))
    return base64.b64encode(zlib.compress(content, 9)).decode("ascii")


def feeds(session: onnxruntime.InferenceSession, metadata: ModelMetadata, origin: str) -> dict[str, np.ndarray] | None:
    """The network's inputs at the stored tick; None without one.

    Raises:
        ModelError: the stored tick is damaged.
    """
    stored = _stored(session, origin)
    return None if stored is None else _inputs(stored, metadata, origin)


def _inputs(stored: StoredTick, metadata: ModelMetadata, origin: str) -> dict[str, np.ndarray]:
    try:
        return {
            name: np.frombuffer(stored.inputs[name], dtype).reshape(shape)
            if name in stored.inputs
            else np.zeros(shape, dtype)
            for name, (shape, dtype) in input_shapes(metadata.budget).items()
        }
    except ValueError as error:
        raise _damaged(origin, error) from error


def difference(session: onnxruntime.InferenceSession, metadata: ModelMetadata, origin: str) -> float | None:
    """How far this session's memory is from the expected one, as a share of its magnitude; None without a stored tick.

    Raises:
        ModelError: the stored tick is damaged.
    """
    stored = _stored(session, origin)
    if stored is None:
        return None
    (found,) = session.run([EXPECTED], _inputs(stored, metadata, origin))
    try:
        expected = np.frombuffer(stored.expected, np.float32).reshape(found.shape)
    except ValueError as error:
        raise _damaged(origin, error) from error
    return float(np.abs(found - expected).mean() / np.abs(expected).mean())


def _stored(session: onnxruntime.InferenceSession, origin: str) -> StoredTick | None:
    text = session.get_modelmeta().custom_metadata_map.get(PROPERTY_KEY)
    if text is None:
        return None
    try:
        content = zlib.decompress(base64.b64decode(text, validate=True))
        return msgspec.msgpack.decode(content, type=StoredTick)
    except (binascii.Error, zlib.error, msgspec.MsgspecError) as error:
        raise _damaged(origin, error) from error


def _damaged(origin: str, error: Exception) -> ModelError:
    return ModelError(f"The stored tick of {origin} is damaged ({error}). Copy or export the file again.")


def check(session: onnxruntime.InferenceSession, metadata: ModelMetadata, origin: str) -> None:
    """Refuse a session that computes another network than the one that was exported.

    Raises:
        ModelError: it does, or the stored tick is damaged.
    """
    found = difference(session, metadata, origin)
    if found is not None and not found <= LIMIT:
        raise ModelError(
            f"This machine ({processor_name()}, {processor_instructions()}) computes {origin} wrongly: on the tick "
            f"that is stored in the file, the network's memory is {found:.2%} off (limit {LIMIT:.1%}), so its plans "
            "would be wrong too. ONNX Runtime "
            f"{onnxruntime.__version__} adds 8-bit products otherwise here: install another version, or replay with "
            "the FP32 file of `fsd export`."
        )
