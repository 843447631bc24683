"""A recording as the steps of an example, with the path that the car drove, to train on."""

import numpy as np

from example_networks.training import Drive
from fsd.data.ego import COMMANDS
from fsd.data.errors import ClipError
from fsd.data.open_clip import open_clip
from fsd.exporting.adapted_clip import AdaptedClip
from fsd.networks.recorded_labels import path_labels


def labelled_drive(clip: AdaptedClip) -> Drive:
    """All steps of a clip, and what the car did after each.

    Raises:
        ClipError: the recording has no poses.
    """
    recording = open_clip(clip.path)
    if recording.ego is None:
        raise ClipError(f"{clip.path} has no ego motion to learn from. Name a clip with ego.parquet.")
    steps = list(clip)
    labels = [path_labels(recording.ego, step.timestamp_ns) for step in steps]
    tracks = recording.commands
    commands = ["none" if tracks is None else tracks.command_at(step.timestamp_ns) for step in steps]
    return Drive(
        {name: np.stack([step.inputs[name] for step in steps]) for name in steps[0].inputs},
        np.stack([label["trajectory"] for label in labels]),
        np.concatenate([label["curvature"] for label in labels]),
        np.array([COMMANDS.index(command) for command in commands]),
    )
