from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fsd.networks.config import SIZES, NetworkConfig  # noqa: E402
from fsd.networks.contract import input_shapes, output_shapes  # noqa: E402
from fsd.networks.input_buffers import InputBuffers, TickInput  # noqa: E402
from fsd.networks.model import DrivingNetwork  # noqa: E402
from fsd.networks.weights import untrained  # noqa: E402


@pytest.fixture(scope="module")
def network(tiny_config: NetworkConfig) -> DrivingNetwork:
    return untrained(tiny_config)


def run(network: DrivingNetwork, step: TickInput, **changes: np.ndarray) -> dict[str, torch.Tensor]:
    feeds = InputBuffers(network.config.budget)
    feeds.load(step)
    for name, value in changes.items():
        feeds.arrays[name][:] = value
    with torch.no_grad():
        return network(**{name: torch.from_numpy(array) for name, array in feeds.arrays.items()})


def difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def test_outputs_are_those_of_the_contract(network: DrivingNetwork, tiny_steps: list[TickInput]) -> None:
    outputs = run(network, tiny_steps[5])
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        name: shape for name, (shape, _) in output_shapes().items()
    }


def test_a_batch_gives_what_single_ticks_give(network: DrivingNetwork, tiny_steps: list[TickInput]) -> None:
    feeds = [InputBuffers(network.config.budget) for _ in range(2)]
    for feed, step in zip(feeds, tiny_steps[4:6], strict=True):
        feed.load(step)
    names = input_shapes(network.config.budget)
    batch = {name: torch.from_numpy(np.stack([feed.arrays[name] for feed in feeds])) for name in names}
    with torch.no_grad():
        batched = network(**batch)
    single = run(network, tiny_steps[5])
    assert all(torch.allclose(batched[name][1], single[name], atol=2e-5) for name in single)


def test_the_image_of_a_missing_camera_has_no_effect(network: DrivingNetwork, tiny_steps: list[TickInput]) -> None:
    step = tiny_steps[5]
    valid = np.array([1, 1, 0, 1, 1, 1, 1, 1], np.float32)
    other = step.tick.retina.copy()
    other[2] = 255 - other[2]
    assert difference(run(network, step, camera_valid=valid), run(network, step, camera_valid=valid, retina=other)) == 0


def test_a_missing_camera_is_noticed(network: DrivingNetwork, tiny_steps: list[TickInput]) -> None:
    valid = np.array([1, 1, 0, 1, 1, 1, 1, 1], np.float32)
    assert difference(run(network, tiny_steps[5]), run(network, tiny_steps[5], camera_valid=valid)) > 1e-3


def test_an_unused_patch_does_not_matter(network: DrivingNetwork, tiny_steps: list[TickInput]) -> None:
    step = tiny_steps[5]
    meta = step.tick.patch_meta.copy()
    meta[-1] = 0
    meta[-1, 0] = -1
    other = step.tick.patches.copy()
    other[-1] = 7
    assert difference(run(network, step, patch_meta=meta), run(network, step, patch_meta=meta, patches=other)) == 0


def test_patches_of_a_missing_camera_do_not_matter(network: DrivingNetwork, tiny_steps: list[TickInput]) -> None:
    step = tiny_steps[5]
    meta = step.tick.patch_meta.copy()
    meta[:, 0] = 3
    valid = np.array([1, 1, 1, 0, 1, 1, 1, 1], np.float32)
    one = run(network, step, patch_meta=meta, camera_valid=valid)
    other = run(network, step, patch_meta=meta, camera_valid=valid, patches=255 - step.tick.patches)
    assert difference(one, other) == 0


@pytest.mark.parametrize(("vector", "flag"), [("ego", "ego_valid"), ("proprio", "proprio_valid")])
def test_a_sensor_that_is_not_valid_is_not_read(
    network: DrivingNetwork, tiny_steps: list[TickInput], vector: str, flag: str
) -> None:
    off = np.zeros(1, np.float32)
    one = run(network, tiny_steps[5], **{flag: off})
    assert difference(one, run(network, tiny_steps[5], **{flag: off, vector: np.float32(5)})) == 0


def test_extreme_inputs_give_finite_outputs(network: DrivingNetwork, tiny_steps: list[TickInput]) -> None:
    huge = np.float32(1e6)
    outputs = run(
        network,
        tiny_steps[5],
        retina=255,
        patches=0,
        retina_meta=huge,
        patch_meta=-huge,
        camera_age_s=huge,
        memory_k=huge,
        memory_v=huge,
        memory_pose=-huge,
        memory_valid=1,
        ego=huge,
        ego_valid=1,
        proprio=-huge,
        proprio_valid=1,
    )
    assert all(torch.isfinite(value).all() for value in outputs.values())


def test_memory_slots_stay_bounded_when_fed_back(network: DrivingNetwork, tiny_steps: list[TickInput]) -> None:
    feeds = InputBuffers(network.config.budget)
    for step in tiny_steps:
        feeds.load(step)
        with torch.no_grad():
            outputs = network(**{name: torch.from_numpy(array) for name, array in feeds.arrays.items()})
        feeds.commit(step.tick.commit_slots, outputs["new_k"].numpy(), outputs["new_v"].numpy())
    # A normalised vector of 64 numbers has none above sqrt(64), but for the learned gain.
    assert np.abs(feeds.arrays["memory_k"]).max() < 16


def parameter_count(network: DrivingNetwork) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_default_network_has_the_size_that_the_documentation_says() -> None:
    assert parameter_count(DrivingNetwork()) == pytest.approx(1.47e6, rel=0.01)
    assert parameter_count(DrivingNetwork(SIZES["wide"])) == pytest.approx(1.84e6, rel=0.01)
    assert parameter_count(DrivingNetwork(SIZES["uniform"])) == pytest.approx(1.21e6, rel=0.01)


def test_the_number_of_weights_does_not_depend_on_the_number_of_patches() -> None:
    for config in (SIZES["standard"], SIZES["uniform"]):
        few = replace(config, budget=replace(config.budget, patch_count=20))
        assert parameter_count(DrivingNetwork(few)) == parameter_count(DrivingNetwork(config))


def test_untrained_networks_of_one_seed_are_equal_and_leave_the_generator_alone(tiny_config: NetworkConfig) -> None:
    state = torch.random.get_rng_state()
    one, other = untrained(tiny_config, 1).state_dict(), untrained(tiny_config, 1).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(state, torch.random.get_rng_state())
