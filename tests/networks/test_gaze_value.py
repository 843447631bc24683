from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor  # noqa: E402

from fsd.networks import clip_module  # noqa: E402
from fsd.networks.clip_module import ClipModule  # noqa: E402
from fsd.networks.contract import input_shapes  # noqa: E402
from fsd.networks.dataset import LABEL_SHAPES  # noqa: E402
from fsd.networks.gaze_value import patch_worth  # noqa: E402
from fsd.networks.losses import LossWeights, _value, _without_patches  # noqa: E402
from fsd.networks.weights import untrained  # noqa: E402
from tests.networks._tiny import TINY_FOVEATED  # noqa: E402

BUDGET = TINY_FOVEATED.budget
USED = 4


def inputs() -> dict[str, Tensor]:
    """Two clips of two rows with random pictures; `USED` of six patches."""
    generator = torch.Generator().manual_seed(0)
    made = {}
    for name, (shape, dtype) in input_shapes(BUDGET).items():
        values = torch.rand(2, 2, *shape, generator=generator)
        made[name] = (values * 255).to(torch.uint8) if dtype == "uint8" else values
    for name in ("camera_valid", "ego_valid"):
        made[name] = torch.ones_like(made[name])
    made["retina_meta"][..., 0] = torch.arange(8)[:, None]
    made["patch_meta"][..., 0] = torch.randint(0, 8, made["patch_meta"].shape[:-1], generator=generator)
    made["patch_meta"][..., 7] = (torch.arange(6) < USED).float()
    made["patch_meta"][..., USED:, 0] = -1
    return made


def labels() -> dict[str, Tensor]:
    made = {
        name: torch.full((2, 2, *shape), float("nan") if dtype.startswith("float") else -1, dtype=getattr(torch, dtype))
        for name, (shape, dtype) in LABEL_SHAPES.items()
    }
    made["trajectory"] = torch.rand(2, 2, 16, 4, generator=torch.Generator().manual_seed(1))
    made["acceleration"] = torch.full((2, 2, 1), -2.0)
    made["patch_cell"] = torch.tensor([5, 310, 310, 2399, -1, -1], dtype=torch.int16).expand(2, 2, 6)
    return made


def step(given: dict[str, Tensor], wanted: dict[str, Tensor], values_patches: bool = True) -> tuple[ClipModule, Any]:
    module = ClipModule(untrained(TINY_FOVEATED).train(), LossWeights(), bf16=False)
    return module, module(given, torch.full((2, 2, 112), -1), wanted, values_patches)


def test_a_patch_that_changes_the_plan_is_worth_more_than_one_that_does_not() -> None:
    weight = torch.zeros(1, 1, 3, requires_grad=True)
    change = weight @ torch.tensor([5.0, 0.5, 0.0])
    outputs = {
        "trajectory": torch.zeros(1, 1, 16, 4) + change[..., None, None],
        "curvature": torch.zeros(1, 1, 1),
        "acceleration": torch.zeros(1, 1, 1),
    }
    wanted = {name: torch.ones_like(value) for name, value in outputs.items()}
    worth = patch_worth(outputs, wanted, LossWeights(), weight, torch.ones(1, 1, 3, dtype=torch.bool))[0, 0]
    assert not worth.requires_grad
    assert 1 > worth[0] > 0.5 > worth[1] > worth[2] == 0
    none = patch_worth(outputs, wanted, LossWeights(), weight, torch.zeros(1, 1, 3, dtype=torch.bool))
    assert none.abs().max() == 0


def test_unused_patches_of_a_network_are_worth_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Tensor] = []

    def kept(*arguments: Any) -> Tensor:
        found.append(patch_worth(*arguments))
        return found[-1]

    monkeypatch.setattr(clip_module, "patch_worth", kept)
    step(inputs(), labels())
    assert found[0].shape == (2, 2, 6)
    assert found[0][..., :USED].min() > 0
    assert found[0][..., USED:].abs().max() == 0


@pytest.mark.parametrize("values_patches", [True, False])
def test_every_weight_of_the_network_gets_a_gradient(values_patches: bool) -> None:
    module, results = step(inputs(), labels(), values_patches)
    results["loss"].backward()
    assert torch.isfinite(results["loss"])
    assert ("value" in results) == values_patches
    assert [name for name, parameter in module.named_parameters() if parameter.grad is None] == []
    assert not results["loss_rows"].requires_grad
    assert results["loss_rows"].shape == (2, 2)


def test_the_weight_of_the_tokens_does_not_change_what_is_learned() -> None:
    """But for the requests: their labels leave out the blocks that were shown."""
    with_value, without = (step(inputs(), labels(), value)[1] for value in (True, False))
    for name in ("plan", "hypothesis", "course", "occupancy", "new_k"):
        assert torch.equal(with_value[name], without[name]), name


def test_patches_that_augmentation_took_away_teach_nothing() -> None:
    given = inputs()
    given["patch_meta"][..., 7] = 0
    assert float(step(given, labels())[1]["value"]) == 0


def test_blocks_that_were_shown_have_no_other_label() -> None:
    saliency = torch.zeros(1, 8, 15, 20, requires_grad=True)
    cell, label = torch.tensor([[0, 307, 307, -1, -1]], dtype=torch.int16), torch.ones(1, 8, 15, 20, dtype=torch.int8)
    loss, rest = _value(saliency, torch.tensor([[1.0, 0.0, 0.0, 0.0, 0.0]]), cell), _without_patches(label, cell)
    loss.backward()
    assert (rest == -1).nonzero().tolist() == [[0, 0, 0, 0], [0, 1, 0, 7]]
    assert (rest == 1).sum() == 2398
    assert (label == 1).all()
    gradient = saliency.grad.flatten(1)[0]
    assert gradient[0] < 0 < gradient[307]
    assert (gradient != 0).sum() == 2
