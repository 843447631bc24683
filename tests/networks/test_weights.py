import json
from dataclasses import asdict
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")
from safetensors.torch import save_file  # noqa: E402

from fsd.data.errors import ModelError  # noqa: E402
from fsd.networks.checkpoint import load_checkpoint  # noqa: E402
from fsd.networks.config import NetworkConfig  # noqa: E402
from fsd.networks.weights import load_weights, read_header, save_weights, untrained, weights_sha256  # noqa: E402


def test_weights_come_back_as_they_were(tiny_config: NetworkConfig, tmp_path: Path) -> None:
    network = untrained(tiny_config, 5)
    save_weights(network, tmp_path / "w.safetensors", trained=True, notes={"routes": 3})
    loaded, header = load_weights(tmp_path / "w.safetensors")
    assert loaded.config == tiny_config
    assert header.trained is True
    assert header.notes == {"routes": 3}
    assert not loaded.training
    state = network.state_dict()
    assert all(torch.equal(state[name], value) for name, value in loaded.state_dict().items())


def test_the_same_weights_are_the_same_bytes(tiny_config: NetworkConfig, tmp_path: Path) -> None:
    one = save_weights(untrained(tiny_config, 5), tmp_path / "a.safetensors", trained=False)
    other = save_weights(untrained(tiny_config, 5), tmp_path / "b.safetensors", trained=False)
    assert one == other == weights_sha256(tmp_path / "b.safetensors")


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.safetensors.*fsd train"):
        load_weights(tmp_path / "none.safetensors")


def test_a_truncated_file_is_refused(tiny_config: NetworkConfig, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(untrained(tiny_config), path, trained=False)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ModelError, match=r"w\.safetensors"):
        load_weights(path)


def test_safetensors_of_other_programs_are_refused(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match="`fsd`"):
        read_header(tmp_path / "w.safetensors")


def test_weights_of_another_version_say_so(tiny_config: NetworkConfig, tmp_path: Path) -> None:
    network = untrained(tiny_config)
    del network.final_norm
    save_weights(network, tmp_path / "w.safetensors", trained=False)
    with pytest.raises(ModelError, match=r"w\.safetensors"):
        load_weights(tmp_path / "w.safetensors")


@pytest.mark.parametrize("old_format", [False, True])
def test_a_pickle_is_refused_unopened_and_the_conversion_is_named(tmp_path: Path, old_format: bool) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"w": torch.zeros(2)}, path, _use_new_zipfile_serialization=not old_format)
    with pytest.raises(ModelError, match=r"pickle.*safetensors\.torch\.save_file"):
        load_weights(path)


def test_weights_that_are_not_finite_are_refused(tiny_config: NetworkConfig, tmp_path: Path) -> None:
    network = untrained(tiny_config)
    with torch.no_grad():
        network.missing_camera[0] = float("nan")
    save_weights(network, tmp_path / "w.safetensors", trained=False)
    with pytest.raises(ModelError, match="missing_camera"):
        load_weights(tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retina_channels", "64"),
        ("heads", 0),
        ("joint_layers", 10**9),
        ("width", 8192),  # more memory than there is, if it were built
        ("patch_channels", [8, None]),
        ("budget", {"name": "x", "base_height_px": "30", "base_width_px": 40, "patch_count": 6}),
    ],
)
def test_sizes_that_the_file_does_not_have_are_refused_before_they_are_built(
    name: str, value: object, tiny_config: NetworkConfig, tmp_path: Path
) -> None:
    header = json.dumps({"config": asdict(tiny_config) | {name: value}, "trained": False, "notes": {}})
    save_file(untrained(tiny_config).state_dict(), tmp_path / "w.safetensors", metadata={"fsd": header})
    with pytest.raises(ModelError, match=r"w\.safetensors"):
        load_weights(tmp_path / "w.safetensors")


@pytest.mark.parametrize("step", [float("inf"), -1, 7.5, "7", None, True])
def test_a_checkpoint_whose_step_is_no_number_of_steps_is_refused(step: object, tmp_path: Path) -> None:
    network = torch.nn.Linear(1, 1)
    tensors = {
        f"{prefix}.{name}": value for prefix in ("network", "average") for name, value in network.state_dict().items()
    }
    header = json.dumps({"step": step, "settings": {}})
    save_file(
        {name: value.clone() for name, value in tensors.items()}, tmp_path / "c", metadata={"fsd-checkpoint": header}
    )
    with pytest.raises(ModelError, match="Delete it"):
        load_checkpoint(tmp_path / "c", network, network, torch.optim.Adam(network.parameters()))
