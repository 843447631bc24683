from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")
from safetensors.torch import save_file  # noqa: E402

from fsd.data.errors import ModelError  # noqa: E402
from fsd.networks.config import NetworkConfig  # noqa: E402
from fsd.networks.weights import load_weights, mean_weights, read_header, save_weights, untrained, weights_sha256  # noqa: E402


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


def test_networks_of_different_sizes_have_no_mean(tiny_config: NetworkConfig, tmp_path: Path) -> None:
    save_weights(untrained(tiny_config), tmp_path / "a.safetensors", trained=False)
    save_weights(untrained(replace(tiny_config, cross_layers=2)), tmp_path / "b.safetensors", trained=False)
    with pytest.raises(ModelError, match=r"a\.safetensors.*b\.safetensors"):
        mean_weights([tmp_path / "a.safetensors", tmp_path / "b.safetensors"])
