"""Our own network's metadata as an `Adapter`: one more model that takes the compressor's ticks."""

from fsd.networks.contract import WAYPOINT_STEP_S, WAYPOINTS, ModelMetadata, input_shapes
from fsd.third_party.adapter import Adapter
from fsd.third_party.input_fields import CompressedInput
from fsd.third_party.output_fields import Outputs, Scalar, Waypoints
from fsd.third_party.state_fields import StatePair


def adapter_of(metadata: ModelMetadata) -> Adapter:
    """The adapter that says of a model of ours what its metadata and the contract say."""
    recurrent = {name for _, name in metadata.state}
    tensors = {name: name for name in input_shapes(metadata.budget) if name not in recurrent}
    return Adapter(
        metadata.name,
        Outputs(
            waypoints=Waypoints(
                "trajectory",
                WAYPOINTS,
                step_s=WAYPOINT_STEP_S,
                columns=("x_m", "y_m", "yaw_rad", "v_mps"),
                scale_start=0,
                scale_name="trajectory_scale",
            ),
            curvature_per_m=Scalar("curvature"),
            acceleration_mps2=Scalar("acceleration"),
            curvature_scale=Scalar("curvature_scale"),
            acceleration_scale=Scalar("acceleration_scale"),
            lead="lead",
            light="light",
            saliency="saliency",
        ),
        compressed=CompressedInput(metadata.budget.name, tensors),
        state=tuple(StatePair(output, name, slots=True) for output, name in metadata.state),
        trained=metadata.trained,
        trained_on=metadata.trained_on,
    )
