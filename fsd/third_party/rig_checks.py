"""Checks of a model's inputs against a recording: are its cameras there, and are they calibrated where that matters?"""

from collections.abc import Collection, Iterator

from fsd.data.camera_names import canonical_name
from fsd.data.errors import ModelError
from fsd.data.rig import Rig
from fsd.third_party.calibration_matrices import calibration_cameras
from fsd.third_party.input_checks import InputFields


def check_cameras(fields: InputFields, rig: Rig, recorded: Collection[str] | None = None) -> None:
    """Check that a recording has what the model needs to see.

    Args:
        rig: of the recording.
        recorded: canonical cameras with pictures; None takes those of the rig.

    Raises:
        ModelError: all cameras of the model are missing, or the rig lacks one whose calibration is needed; the
            cameras that there are, are named.
    """
    described = [camera.name for camera in rig.cameras]
    available = list(described if recorded is None else recorded)
    wanted = {canonical_name(source) or source for image in fields.images for source in image.sources}
    if wanted and not wanted & set(available):
        raise ModelError(
            f"The model sees {', '.join(sorted(wanted))}, and the recording has only {', '.join(available) or 'none'}. "
            "Name one of these in `images`, or use another recording.",
            field="images",
        )
    for field, cameras in _calibrated(fields):
        for camera in cameras:
            if camera not in described:
                raise ModelError(
                    f"`{field}` needs the calibration of {camera}, and the rig describes only {', '.join(described)}. "
                    "Add it to rig.json, or choose another camera.",
                    field=field,
                    camera=camera,
                )


def calibration_warnings(fields: InputFields) -> tuple[str, ...]:
    """What to say where the rig is only assumed: the fields that rely on it."""
    return tuple(
        f"`{field}` relies on the calibration of {', '.join(cameras)}, which is only assumed: what the model sees is "
        "approximate. Add a rig.json; `fsd calibrate` estimates one."
        for field, cameras in _calibrated(fields)
    )


def _calibrated(fields: InputFields) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Fields that need a calibration, and of which cameras."""
    for index, image in enumerate(fields.images):
        if image.virtual_camera is not None:
            names = tuple(canonical_name(source) or source for source in image.sources)
            yield f"images[{index}].virtual_camera", names
    for index, entry in enumerate(fields.calibration):
        yield f"calibration[{index}]", calibration_cameras(entry, fields.images)
