"""Network weights as safetensors files: numbers and a JSON header, never code.

A file says which sizes it was made for and whether it was trained; `weights_sha256` names its content.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save

from fsd.data.errors import ModelError
from fsd.data.files import write_bytes
from fsd.networks.config import NetworkConfig
from fsd.networks.model import DrivingNetwork
from fsd.networks.packaged import packaged_file

HEADER_KEY = "fsd"
PACKAGED_WEIGHTS = "b100.safetensors"

ZIP_MAGIC, PICKLE_MAGIC = b"PK\x03\x04", b"\x80"
"""How `torch.save` files begin: a zip archive of pickles, or (before PyTorch 1.6) a bare pickle."""


def save_weights(network: DrivingNetwork, path: Path, trained: bool, notes: dict[str, Any] | None = None) -> str:
    """Write the weights; returns the file's SHA-256. `notes` are JSON values for people (data, metrics, recipe)."""
    header = {"config": network.config.to_dict(), "trained": trained, "notes": notes or {}}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    content = save(tensors, metadata={HEADER_KEY: json.dumps(header, sort_keys=True)})
    write_bytes(path, content)
    return hashlib.sha256(content).hexdigest()


def load_weights(path: Path) -> tuple[DrivingNetwork, dict[str, Any]]:
    """Build the network that a file holds; returns it in evaluation mode, with the file's header.

    The header has `config`, `trained`, `notes`.

    Raises:
        ModelError: the file is missing, damaged, or holds another network.
    """
    header = read_header(path)
    try:
        network = DrivingNetwork(NetworkConfig.from_dict(header["config"]))
        network.load_state_dict(load_file(path))
    except (KeyError, ValueError, RuntimeError, safetensors.SafetensorError) as error:
        raise ModelError(
            f"{path} does not fit the network of this version: {str(error).splitlines()[0]} Train again, or use the "
            "version of fsd that wrote it."
        ) from error
    return network.eval(), header


def mean_weights(paths: Sequence[Path]) -> DrivingNetwork:
    """The network whose weights are the mean of those in files of one size.

    Source: P. Izmailov et al., Averaging weights leads to wider optima and better generalization (2018).

    Raises:
        ModelError: a file cannot be read, or they hold networks of different sizes.
    """
    networks = [load_weights(path)[0] for path in paths]
    last = networks[-1]
    for path, network in zip(paths, networks, strict=True):
        if network.config != last.config:
            raise ModelError(f"{path} holds a network of other sizes than {paths[-1]}. Average those of one run.")
    states = [network.state_dict() for network in networks]
    mean = {
        name: torch.stack([state[name] for state in states]).mean(dim=0)
        for name, value in states[-1].items()
        if value.is_floating_point()  # counters of batches are no weights; the last file's stay
    }
    last.load_state_dict(states[-1] | mean)
    return last


def read_header(path: Path) -> dict[str, Any]:
    """The header of a weights file: `config`, `trained`, `notes`.

    Raises:
        ModelError: the file is missing, damaged, or has no header of ours.
    """
    if not path.is_file():
        raise ModelError(f"There is no weights file {path}. Train one with `fsd train`.")
    with path.open("rb") as opened:
        start = opened.read(9)
        # A safetensors file is a length of eight bytes, which may well begin with 0x80, and then JSON.
        if start.startswith((ZIP_MAGIC, PICKLE_MAGIC)) and start[8:] != b"{":
            raise ModelError(
                f"{path} is a PyTorch pickle, which runs code when it is opened; only safetensors are read. Where you "
                "trust it, convert it: `safetensors.torch.save_file(torch.load(file, weights_only=True), new_file)`, "
                "or save with `fsd train`."
            )
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        header: dict[str, Any] = json.loads(metadata[HEADER_KEY])
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path} is not a readable safetensors file ({error}). Copy or download it again.") from error
    except KeyError as error:
        raise ModelError(
            f"{path} is a safetensors file, but not one that fsd wrote: its header has no `{HEADER_KEY}` entry."
        ) from error
    return header


def packaged_weights() -> Path:
    """The trained weights that came with the installation; `MODEL_CARD.md` beside them says how they were made.

    Raises:
        ModelError: this installation has none.
    """
    return packaged_file(PACKAGED_WEIGHTS, "weights", "train: `fsd train`")


def weights_sha256(path: Path) -> str:
    """SHA-256 of a weights file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def untrained(config: NetworkConfig, seed: int = 0) -> DrivingNetwork:
    """A network with random weights, the same for the same seed; in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return DrivingNetwork(config).eval()
