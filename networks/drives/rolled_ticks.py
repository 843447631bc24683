"""The ticks of a stretch in order, as a network takes them, with a memory that starts empty; inputs may be withheld.

NumPy only: it does not know what runs the network.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from fsd.compression.picture_reader import GREY
from fsd.compression.tick import AGE, FILLED, MEMORY_SLOTS, CompressedTick
from fsd.data.ego import COMMANDS, EgoSample
from fsd.data.frames import BLOCKS, CAMERAS
from fsd.networks.drives.recorded_dataset import RecordedDataset, Stretch
from fsd.networks.input_buffers import TickInput


@dataclass(frozen=True)
class Withheld:
    """What a network is not given.

    Attributes:
        cameras: names of `CAMERAS`; each looks as if it were not there.
        ego: speed and yaw rate. The poses of memory slots, which come from them, stay.
        memory: every tick is the first one.
    """

    cameras: frozenset[str] = frozenset()
    ego: bool = False
    memory: bool = False


def rolled_ticks(data: RecordedDataset, stretch: Stretch, withheld: Withheld) -> Iterator[TickInput]:
    """Every row of a stretch, used or not; as in training, only slots that a row before has written are valid.

    A slot that the row itself commits is not valid either: if an unrecorded tick committed it, its pose is already new
    but its content is not.
    """
    lost = np.array([name in withheld.cameras for name in CAMERAS])
    is_written = np.zeros(MEMORY_SLOTS, bool)
    for row in data.rows_of(stretch):
        slots = row["commit_slots"]
        slots = slots[slots >= 0]
        is_written[slots] = False
        is_readable = is_written & (not withheld.memory)
        tick = tick_of_row(row, np.where(is_readable, row["memory_valid"], 0).astype(np.float32))
        ego = EgoSample(*row["ego"].tolist()) if row["ego_valid"][0] and not withheld.ego else None
        yield TickInput(
            without_cameras(tick, lost) if lost.any() else tick, ego, COMMANDS[int(row["command"].argmax())]
        )
        is_written[slots] = True


def tick_of_row(row: Mapping[str, np.ndarray], memory_valid: np.ndarray) -> CompressedTick:
    """The recorded tick; `commit_slots` has those of the unrecorded ticks before it as well. Do not write to it.

    Keyframes and the quarters of fine patches are not recorded, and stay empty.
    """
    cell = row["patch_cell"]
    is_used = cell >= 0
    return CompressedTick(
        tick=int(row["tick"]),
        timestamp_ns=int(row["timestamp_ns"]),
        retina=row["retina"],
        retina_meta=row["retina_meta"],
        patches=row["patches"],
        patch_meta=row["patch_meta"],
        patch_camera=np.where(is_used, cell // BLOCKS, -1).astype(np.int16),
        patch_block=np.where(is_used, cell % BLOCKS, -1).astype(np.int16),
        camera_valid=row["camera_valid"],
        camera_age_s=row["camera_age_s"],
        memory_pose=row["memory_pose"],
        memory_valid=memory_valid,
        commit_slots=row["commit_slots"],
        is_keyframe=np.zeros(len(CAMERAS), bool),
        retina_outer=row.get("retina_outer"),
    )


def without_cameras(tick: CompressedTick, lost: np.ndarray) -> CompressedTick:
    """The tick without the cameras where `lost` (8,) is true, as the compressor would send it, but for their patches.

    Those are empty here; a compressor without these cameras gives them to the other ones.
    """
    retina_meta, camera_valid, camera_age_s = (
        tick.retina_meta.copy(),
        tick.camera_valid.copy(),
        tick.camera_age_s.copy(),
    )
    retina_meta[lost, :, AGE] = retina_meta[lost, :, FILLED] = 0
    camera_valid[lost] = camera_age_s[lost] = 0
    inner = len(tick.retina)
    is_empty = (tick.patch_camera >= 0) & lost[tick.patch_camera]
    patches, patch_meta = tick.patches.copy(), tick.patch_meta.copy()
    patches[is_empty], patch_meta[is_empty] = GREY, 0
    if tick.retina_outer is not None:
        patch_meta[is_empty, 0] = -1  # how unused rows of foveated budgets are marked
    return replace(
        tick,
        retina=_greyed(tick.retina, lost[:inner]),
        retina_outer=None if tick.retina_outer is None else _greyed(tick.retina_outer, lost[inner:]),
        retina_meta=retina_meta,
        camera_valid=camera_valid,
        camera_age_s=camera_age_s,
        patches=patches,
        patch_meta=patch_meta,
        patch_camera=np.where(is_empty, -1, tick.patch_camera).astype(np.int16),
        patch_block=np.where(is_empty, -1, tick.patch_block).astype(np.int16),
    )


def _greyed(images: np.ndarray, lost: np.ndarray) -> np.ndarray:
    images = images.copy()
    images[lost] = GREY
    return images
