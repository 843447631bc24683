"""Create, read and check the metadata of a model file.

Does not know how a file stores it. No torch, no onnx: the engine uses this module.
"""

from collections.abc import Mapping, Sequence

import msgspec

from fsd.compression.budget import Budget
from fsd.data.ego import COMMANDS
from fsd.data.errors import ModelError
from fsd.data.frames import CAMERAS
from fsd.networks.contract import (
    METADATA_KEY,
    METADATA_VERSION,
    SIMULATOR,
    WAYPOINT_TIMES_S,
    ModelMetadata,
    TensorSpec,
    input_shapes,
    output_shapes,
)

REEXPORT = "Export it again with `fsd export`."


def describe(
    name: str,
    budget: Budget,
    trained: bool,
    precision: str,
    target: str,
    weights_sha256: str,
    quantization: Mapping[str, str] | None = None,
    pair_safe: bool = False,
    hypotheses_mps2: Sequence[float] = (),
    trained_on: str = SIMULATOR,
) -> ModelMetadata:
    """The metadata of a model that implements the contract."""

    def specs(shapes: Mapping[str, tuple[tuple[int, ...], str]]) -> dict[str, TensorSpec]:
        return {name: TensorSpec(shape, dtype) for name, (shape, dtype) in shapes.items()}

    return ModelMetadata(
        name=name,
        trained=trained,
        precision=precision,
        target=target,
        budget=budget,
        cameras=CAMERAS,
        inputs=specs(input_shapes(budget)),
        outputs=specs(output_shapes(len(hypotheses_mps2))),
        waypoint_times_s=tuple(WAYPOINT_TIMES_S.tolist()),
        commands=COMMANDS,
        hypotheses_mps2=tuple(hypotheses_mps2),
        quantization=dict(quantization or {}),
        pair_safe=pair_safe,
        weights_sha256=weights_sha256,
        trained_on=trained_on if trained else "",
    )


def to_json(metadata: ModelMetadata) -> str:
    """JSON text with sorted keys, the same bytes for the same content."""
    return msgspec.json.encode(metadata, order="deterministic").decode()


def from_properties(properties: Mapping[str, str], origin: str) -> ModelMetadata:
    """The metadata among a model file's properties; `origin` names the file in errors.

    Raises:
        ModelError: there is none, or it does not fit this version of fsd.
    """
    text = properties.get(METADATA_KEY)
    if text is None:
        raise ModelError(f"{origin} has no `{METADATA_KEY}` metadata, so its inputs and frames are unknown. {REEXPORT}")
    try:
        metadata = msgspec.json.decode(text, type=ModelMetadata)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ModelError(f"The `{METADATA_KEY}` metadata of {origin} cannot be read: {error}. {REEXPORT}") from error
    check(metadata, origin)
    return metadata


def check(metadata: ModelMetadata, origin: str) -> None:
    """Refuse a model that does not implement the contract.

    Raises:
        ModelError: states what was expected, what was found, and what to do.
    """
    _expect(origin, "metadata version", METADATA_VERSION, metadata.version)
    _expect(origin, "cameras", CAMERAS, metadata.cameras)
    _expect(origin, "route commands", COMMANDS, metadata.commands)
    _expect(origin, "waypoint times", tuple(WAYPOINT_TIMES_S.tolist()), metadata.waypoint_times_s)
    for kind, expected, found in (
        ("input", input_shapes(metadata.budget), metadata.inputs),
        ("output", output_shapes(len(metadata.hypotheses_mps2)), metadata.outputs),
    ):
        check_tensors(origin, kind, expected, {name: (spec.shape, spec.dtype) for name, spec in found.items()})


def check_tensors(
    origin: str,
    kind: str,
    expected: Mapping[str, tuple[tuple[int, ...], str]],
    found: Mapping[str, tuple[tuple[int, ...], str]],
) -> None:
    """Compare tensors by name, shape and dtype; `kind` is `input` or `output`.

    Raises:
        ModelError: one is missing, extra, or of another shape or dtype.
    """
    missing, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if missing or extra:
        raise ModelError(
            f"{origin} does not have the expected {kind}s: missing {', '.join(missing) or 'none'}, "
            f"unknown {', '.join(extra) or 'none'}. {REEXPORT}"
        )
    for name, (shape, dtype) in expected.items():
        found_shape, found_dtype = found[name]
        if tuple(found_shape) != tuple(shape) or found_dtype != dtype:
            raise ModelError(
                f"{origin} has {kind} `{name}` as {found_dtype}{list(found_shape)}, but {dtype}{list(shape)} was "
                f"expected. {REEXPORT}"
            )


def _expect(origin: str, what: str, expected: object, found: object) -> None:
    if found != expected:
        raise ModelError(f"{origin} was made for {what} {found}, but this version of fsd uses {expected}. {REEXPORT}")
