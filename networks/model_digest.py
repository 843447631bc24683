"""The SHA-256 of a model file without its metadata, where the digest itself is stored.

Parses only the top-level protobuf fields of `ModelProto`, so that the engine can check a file without the onnx package.
"""

import hashlib

from fsd.data.errors import ModelError
from fsd.networks.protobuf import fields

METADATA_FIELD = 14
"""`metadata_props` in `ModelProto`. Source: onnx.proto3."""


def model_sha256(content: bytes, origin: str) -> str:
    """Digest of a serialised model without its metadata.

    Raises:
        ModelError: the bytes are not a protobuf message; `origin` names the file in errors.
    """
    digest = hashlib.sha256()
    for field in fields(content, origin):
        if field.number != METADATA_FIELD:
            digest.update(content[field.start : field.end])
    return digest.hexdigest()


def check_digest(content: bytes, recorded: str, origin: str) -> None:
    """Refuse a model file that changed after its export; a file without a recorded digest passes.

    Raises:
        ModelError: the content does not match the digest.
    """
    if recorded and model_sha256(content, origin) != recorded:
        raise ModelError(
            f"{origin} was changed or damaged after its export: its content does not match the SHA-256 in its "
            "metadata. Copy or export it again."
        )
