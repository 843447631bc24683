"""Augmentation of recorded rows: that of the simulator's, rigs with fewer cameras, and errors of the calibration.

Pictures are not moved: a camera that is mounted a little otherwise than stated shows the same picture, and only the
rays in its metadata are wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fsd.data.frames import CAMERAS
from fsd.data.options import option
from fsd.networks.augmentation import AugmentationConfig, Randomness, augment

_CAMERA, _RAY = 0, slice(1, 4)


@dataclass(frozen=True)
class RecordedAugmentation(AugmentationConfig):
    """Probabilities and magnitudes.

    Attributes:
        rig_dropout: share of clips that keep a random number of their cameras, 1 to all; the simulator's ways to lose
            cameras are off, since they may take the only camera of a rig.
        pitch_yaw_rad: standard deviation of an error of the pitch, and of the yaw, of each camera of a clip.
    """

    camera_dropout: float = 0.0
    front_only: float = 0.0
    one_front: float = 0.0
    rig_dropout: float = option(0.3, at_least=0, at_most=1)
    pitch_yaw_rad: float = option(0.01, at_least=0)


def augment_recorded(
    batch: dict[str, Tensor], config: RecordedAugmentation, generators: Sequence[torch.Generator]
) -> dict[str, Tensor]:
    """An augmented copy of a batch, as `augment`, with one generator per clip."""
    batch = augment(batch, config, generators)
    random, clips = Randomness(generators), batch["retina"].shape[0]
    choice, order = random.uniform(clips, 2), random.uniform(clips, len(CAMERAS))
    keep = rig_mask(config.rig_dropout, batch["camera_valid"].amax(dim=1), choice, order)
    batch["camera_valid"] = batch["camera_valid"] * keep[:, None]
    pitch, yaw = (config.pitch_yaw_rad * random.normal(clips, len(CAMERAS)) for _ in range(2))
    for name in ("retina_meta", "patch_meta"):
        batch[name] = turned(batch[name], pitch, yaw)
    return batch


def rig_mask(share: float, is_there: Tensor, choice: Tensor, order: Tensor) -> Tensor:
    """(B, N) 1 for cameras kept: in a share of the clips 1 to all of those that are there, else all.

    Args:
        is_there: (B, N) 1 or 0; choice: (B, 2) and order: (B, N) uniform numbers.
    """
    count = is_there.sum(dim=1, keepdim=True)
    kept = 1.0 + (choice[:, 1:] * count).floor().clamp(max=(count - 1.0).clamp(min=0.0))
    rank = torch.where(is_there > 0, order, 2.0).argsort(dim=1).argsort(dim=1)
    return torch.where(choice[:, :1] < share, (rank < kept).float(), torch.ones_like(order))


def turned(meta: Tensor, pitch_rad: Tensor, yaw_rad: Tensor) -> Tensor:
    """Metadata rows (B, T, …, columns) with the rays of each camera turned by its angles (B, N)."""
    flat = meta.flatten(1, -2)  # (B, rows, columns)
    camera = flat[..., _CAMERA].long().clamp(min=0)
    pitch, yaw = (angle.gather(1, camera) for angle in (pitch_rad, yaw_rad))
    x, y, z = flat[..., _RAY].unbind(-1)
    x, z = x * pitch.cos() - z * pitch.sin(), x * pitch.sin() + z * pitch.cos()
    x, y = x * yaw.cos() - y * yaw.sin(), x * yaw.sin() + y * yaw.cos()
    rays = torch.stack([x, y, z], dim=-1)
    return torch.cat([flat[..., :1], rays, flat[..., _RAY.stop :]], dim=-1).view_as(meta)
