"""The weights that a training starts from: random ones, or those of another network, of another size perhaps."""

from pathlib import Path

import torch
from torch import Tensor

from fsd.compression.tick import META_SIZE
from fsd.data.ego import COMMANDS
from fsd.data.frames import CAMERAS
from fsd.networks.config import NetworkConfig
from fsd.networks.model import DrivingNetwork
from fsd.networks.weights import load_weights, untrained

_GEOMETRY, _BY_COMMAND = "geometry.hidden.weight", "plan_head.by_command.weight"


def first_network(config: NetworkConfig, seed: int, initial: Path | None) -> DrivingNetwork:
    """A network of these sizes: with the weights of the file `initial`, as far as they fit, else random.

    Raises:
        ModelError: the file cannot be read.
    """
    network = untrained(config, seed)
    if initial is not None:
        inherit(network, load_weights(initial)[0])
    return network


def inherit(student: DrivingNetwork, teacher: DrivingNetwork) -> list[str]:
    """Copy every weight of the teacher that fits the student; returns their names.

    A weight fits if the student has one of that name and shape. Two more are made to fit where the student has what its
    teacher lacks: a last column of metadata, and hypotheses in place of one acceleration.
    """
    mine = student.state_dict()
    theirs = _made_to_fit(mine, teacher.state_dict())
    common = {
        name: theirs[name] for name, value in mine.items() if name in theirs and theirs[name].shape == value.shape
    }
    student.load_state_dict(mine | common)
    return list(common)


def _made_to_fit(mine: dict[str, Tensor], theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    made = dict(theirs)
    before, wanted = theirs[_GEOMETRY], mine[_GEOMETRY]
    if before.shape[0] == wanted.shape[0] and before.shape[1] == wanted.shape[1] - 1:
        end = len(CAMERAS) + META_SIZE - 1
        made[_GEOMETRY] = torch.cat([before[:, :end], torch.zeros(len(before), 1), before[:, end:]], dim=1)
    before, wanted = theirs[_BY_COMMAND], mine[_BY_COMMAND]
    if before.shape == (2 * wanted.shape[0], wanted.shape[1]):
        branches = before.unflatten(0, (len(COMMANDS), -1))
        made[_BY_COMMAND] = branches[:, : branches.shape[1] // 2].flatten(0, 1)
    return made
