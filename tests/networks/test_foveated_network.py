from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor  # noqa: E402

from fsd.compression.budget import FOVEATED_BUDGETS, Budget  # noqa: E402
from fsd.networks.config import SIZES  # noqa: E402
from fsd.networks.contract import input_shapes, output_shapes  # noqa: E402
from fsd.networks.model import IMAGE_INPUTS, DrivingNetwork, select  # noqa: E402
from fsd.networks.weights import untrained  # noqa: E402
from tests.networks._tiny import TINY_FOVEATED  # noqa: E402

F100 = replace(TINY_FOVEATED, budget=FOVEATED_BUDGETS["F100"])
NETWORK = untrained(F100).eval()


def inputs(budget: Budget) -> dict[str, Tensor]:
    """Random pictures and rows; all patches are used, and the memory is empty."""
    generator = torch.Generator().manual_seed(0)
    made = {}
    for name, (shape, dtype) in input_shapes(budget).items():
        values = torch.rand(shape, generator=generator)
        made[name] = (values * 255).to(torch.uint8) if dtype == "uint8" else values
    made["camera_valid"], made["memory_valid"] = torch.ones(8), torch.zeros(112)
    made["retina_meta"][..., 0] = torch.arange(8)[:, None]
    made["patch_meta"][:, 0] = torch.arange(budget.patch_slots) % 8
    made["patch_meta"][:, 7] = 1
    return made


def run(network: DrivingNetwork, given: dict[str, Tensor]) -> dict[str, Tensor]:
    with torch.no_grad():
        return network(**given)


def difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def serving(budget: Budget) -> DrivingNetwork:
    """The same weights at another number of patches."""
    network = DrivingNetwork(replace(F100, budget=budget)).eval()
    network.load_state_dict(NETWORK.state_dict())
    return network


@pytest.mark.parametrize("budget", FOVEATED_BUDGETS.values(), ids=FOVEATED_BUDGETS)
def test_the_same_weights_serve_every_foveated_budget(budget: Budget) -> None:
    outputs = run(serving(budget), inputs(budget))
    assert {name: tuple(outputs[name].shape) for name in output_shapes()} == {
        name: shape for name, (shape, _) in output_shapes().items()
    }
    assert all(torch.isfinite(value).all() for value in outputs.values())


def test_unused_slots_give_what_fewer_slots_give() -> None:
    few, given = FOVEATED_BUDGETS["F200"], inputs(F100.budget)
    used = few.patch_count
    given["patch_meta"][used:] = 0
    given["patch_meta"][used:, 0] = -1
    fewer = given | {name: given[name][:used] for name in ("patches", "patch_meta")}
    whole = run(NETWORK, given)
    assert difference(whole, run(serving(few), fewer)) < 1e-4  # sums of floats in another order
    pictures = given["patches"].clone()
    pictures[used:] = 7
    assert difference(whole, run(NETWORK, given | {"patches": pictures})) == 0


@pytest.mark.parametrize(("camera", "name", "place"), [(7, "retina_outer", 2), (2, "retina", 2)])
def test_the_picture_of_a_missing_camera_matters_to_nothing_but_its_own_requests(
    camera: int, name: str, place: int
) -> None:
    given = inputs(F100.budget)
    whole = run(NETWORK, given)
    given["camera_valid"][camera] = 0
    picture = given[name].clone()
    picture[place] = 255 - picture[place]
    one, other = run(NETWORK, given), run(NETWORK, given | {name: picture})
    assert difference(whole, one) > 1e-4
    for outputs in (one, other):
        outputs["saliency"][camera] = 0
    assert difference(one, other) == 0


def test_an_outer_picture_is_of_the_camera_that_its_rows_say() -> None:
    """Each outer picture changes the requests of its own camera most."""
    given = inputs(F100.budget)
    whole = run(NETWORK, given)["saliency"]
    for place, camera in enumerate((5, 6, 7)):
        picture = given["retina_outer"].clone()
        picture[place] = 255 - picture[place]
        change = (run(NETWORK, given | {"retina_outer": picture})["saliency"] - whole).abs().mean(dim=(1, 2))
        assert int(change.argmax()) == camera


def test_scenes_are_of_all_cameras_and_blocks() -> None:
    with torch.no_grad():
        content = NETWORK.encode(**select(inputs(F100.budget), IMAGE_INPUTS))
        semantic, depth = NETWORK.scenes(content)
    assert semantic.shape == (8, 7, 15, 20)
    assert depth.shape == (8, 15, 20)
    assert content.tokens.shape[0] == content.mask.shape[0] == 8 * 12 + 69 + 5 * 10


def test_the_standard_network_has_all_of_this() -> None:
    config = SIZES["standard"]
    assert config.budget == FOVEATED_BUDGETS["F100"]
    assert config.has_hypotheses
    assert config.has_maps
