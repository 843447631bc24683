"""Network weights as safetensors files: tensors and a JSON header, never code.

The header holds the network's sizes and whether it was trained; `weights_sha256` identifies the content.
"""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import msgspec
import safetensors
import torch
from safetensors.torch import load_file, save

from fsd.compression.budget import Budget
from fsd.data.errors import ModelError
from fsd.data.files import write_bytes
from fsd.data.frames import CAMERAS
from fsd.networks.config import SIZES, NetworkConfig
from fsd.networks.contract import SIMULATOR
from fsd.networks.model import DrivingNetwork
from fsd.networks.packaged import PACKAGED_WEIGHTS, packaged_file

HEADER_KEY = "fsd"

RENAMED_MODULES = {
    "body": "ego_encoder",
    "joint": "joint_blocks",
    "recall": "memory_attention",
    "look": "cross_attention",
}
"""Names of modules in files written before version 0.1."""

ZIP_MAGIC, PICKLE_MAGIC = b"PK\x03\x04", b"\x80"
"""First bytes of `torch.save` files: a zip archive of pickles, or (before PyTorch 1.6) a bare pickle."""


class WeightsHeader(msgspec.Struct, frozen=True):
    """What a weights file says about itself.

    Attributes:
        config: sizes, as `NetworkConfig.from_dict` takes them.
        trained: False for random weights.
        notes: JSON values for people: data, metrics, settings; `trained_on` says what the network learned from.
    """

    config: dict[str, Any]
    trained: bool
    notes: dict[str, Any]

    @property
    def trained_on(self) -> str:
        """As `ModelMetadata.trained_on`; empty for random weights."""
        return str(self.notes.get("trained_on", SIMULATOR)) if self.trained else ""


def save_weights(network: DrivingNetwork, path: Path, trained: bool, notes: dict[str, Any] | None = None) -> str:
    """Write the weights; returns the file's SHA-256. `notes` are JSON values for information (data, metrics)."""
    header = {"config": asdict(network.config), "trained": trained, "notes": notes or {}}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    content = save(tensors, metadata={HEADER_KEY: json.dumps(header, sort_keys=True)})
    write_bytes(path, content)
    return hashlib.sha256(content).hexdigest()


def load_weights(path: Path) -> tuple[DrivingNetwork, WeightsHeader]:
    """Load the network of a file; returns it in evaluation mode, with the file's header.

    Raises:
        ModelError: the file is missing, damaged, or does not fit the network of this version.
    """
    header = read_header(path)
    try:
        config = NetworkConfig.from_dict(header.config)
        tensors = _current_names(load_file(path))
        with torch.device("meta"):  # compares sizes before memory is taken for those that a damaged header states
            DrivingNetwork(config).load_state_dict(tensors, assign=True)
        network = DrivingNetwork(config)
        network.load_state_dict(tensors)
    except (KeyError, ValueError, TypeError, RuntimeError, safetensors.SafetensorError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(
            f"{path} does not fit the network of this version: {reason} Train again, or use the version of fsd that "
            "wrote it."
        ) from error
    broken = next((name for name, tensor in network.state_dict().items() if not tensor.isfinite().all()), None)
    if broken is not None:
        raise ModelError(f"{path}: the weights `{broken}` are not all finite. Copy the file again, or train again.")
    return network.eval(), header


def _current_names(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors by the names of this version, from a file of any version."""
    found = {}
    for old, tensor in tensors.items():
        module, dot, rest = old.partition(".")
        name = RENAMED_MODULES.get(module, module) + dot + rest
        if name.endswith((".key.weight", ".key.bias")):
            # Once two layers, now one.
            found[name.replace(".key.", ".key_value.")] = torch.cat([tensor, tensors[old.replace(".key.", ".value.")]])
        elif not name.endswith((".value.weight", ".value.bias")):
            found[name] = tensor
    return found


def read_header(path: Path) -> WeightsHeader:
    """The header of a weights file.

    Raises:
        ModelError: the file is missing or damaged, or fsd did not write it.
    """
    if not path.is_file():
        raise ModelError(f"There is no weights file {path}. Train one with `fsd train`.")
    with path.open("rb") as opened:
        start = opened.read(9)
        # A safetensors file begins with a length of eight bytes, the first of which may be 0x80, then JSON.
        if start.startswith((ZIP_MAGIC, PICKLE_MAGIC)) and start[8:] != b"{":
            raise ModelError(
                f"{path} is a PyTorch pickle, which can run code when opened; fsd reads only safetensors. If you trust "
                "it, convert it: `safetensors.torch.save_file(torch.load(file, weights_only=True), new_file)`, "
                "or save with `fsd train`."
            )
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        return msgspec.convert(json.loads(metadata[HEADER_KEY]), WeightsHeader)
    except (safetensors.SafetensorError, OSError, ValueError, RecursionError, msgspec.ValidationError) as error:
        raise ModelError(f"{path} is not a readable safetensors file ({error}). Copy or download it again.") from error
    except KeyError as error:
        raise ModelError(
            f"{path} was not written by fsd: its header has no `{HEADER_KEY}` entry. Train with `fsd train`."
        ) from error


def packaged_weights() -> Path:
    """The trained weights of the installation; `MODEL_CARD.md` beside them describes how they were made.

    Raises:
        ModelError: the file is missing.
    """
    return packaged_file(PACKAGED_WEIGHTS, "weights", "train: `fsd train`")


def weights_sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def with_budget(network: DrivingNetwork, budget: Budget, origin: str) -> DrivingNetwork:
    """The same weights for another number of patches per tick; `origin` names them in errors.

    Raises:
        ModelError: the network has no fovea, or the base images of the two budgets differ.
    """
    config, own = network.config, network.config.budget
    if own == budget:
        return network
    if own.fovea is None or budget.fovea is None:
        raise ModelError(
            f"{origin} is a network of the budget {own.name} and cannot serve {budget.name}: only networks of foveated "
            "budgets (F50, F100, F200) serve each other's. Train one of that budget."
        )
    cameras = range(len(CAMERAS))
    if list(map(own.base_px, cameras)) != list(map(budget.base_px, cameras)):
        raise ModelError(f"{origin} has base images of other sizes than {budget.name}. Train one of that budget.")
    other = DrivingNetwork(replace(config, budget=budget))
    other.load_state_dict(network.state_dict())
    return other.eval()


def standard_config(budget: Budget) -> NetworkConfig:
    """The sizes of a network for a budget."""
    return replace(SIZES["uniform" if budget.fovea is None else "standard"], budget=budget)


def untrained(config: NetworkConfig, seed: int = 0) -> DrivingNetwork:
    """A network with random weights, the same for the same seed; in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return DrivingNetwork(config).eval()
