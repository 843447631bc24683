from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fsd.data.errors import ModelError  # noqa: E402
from fsd.networks.config import NetworkConfig  # noqa: E402
from fsd.networks.distillation import load_teacher, token_distance  # noqa: E402
from fsd.networks.input_buffers import InputBuffers, TickInput  # noqa: E402
from fsd.networks.model import IMAGE_INPUTS, Content, DrivingNetwork, select  # noqa: E402
from fsd.networks.starting_weights import inherit  # noqa: E402
from fsd.networks.weights import save_weights, untrained  # noqa: E402


def content(network: DrivingNetwork, step: TickInput) -> Content:
    buffers = InputBuffers(network.config.budget)
    buffers.load(step)
    inputs = {name: torch.from_numpy(np.array(array))[None] for name, array in buffers.arrays.items()}
    with torch.inference_mode():
        return network.encode(**select(inputs, IMAGE_INPUTS))


def test_a_teacher_of_another_width_or_budget_is_refused(tiny_config: NetworkConfig, tmp_path: Path) -> None:
    path = tmp_path / "teacher.safetensors"
    save_weights(untrained(tiny_config), path, trained=True)
    assert load_teacher(path, replace(tiny_config, retina_channels=8)).config == tiny_config
    for student in (replace(tiny_config, width=64), replace(tiny_config, budget=NetworkConfig().budget)):
        with pytest.raises(ModelError, match="cannot be the teacher"):
            load_teacher(path, student)
    save_weights(untrained(tiny_config), path, trained=False)
    with pytest.raises(ModelError, match="random"):
        load_teacher(path, tiny_config)


def test_a_student_inherits_what_fits(tiny_config: NetworkConfig) -> None:
    teacher = untrained(tiny_config, 1)
    student = untrained(replace(tiny_config, retina_channels=2 * tiny_config.retina_channels), 2)
    common = inherit(student, teacher)
    assert "plan_head.hidden.weight" in common
    assert "retina.to_token.weight" not in common
    theirs, mine = teacher.state_dict(), student.state_dict()
    assert all(torch.equal(theirs[name], mine[name]) for name in common)


def test_equal_networks_are_no_distance_apart(tiny_config: NetworkConfig, tiny_steps: Sequence[TickInput]) -> None:
    one, other = untrained(tiny_config, 1), untrained(tiny_config, 2)
    assert token_distance(content(one, tiny_steps[0]), content(one, tiny_steps[0])) == 0
    assert token_distance(content(one, tiny_steps[0]), content(other, tiny_steps[0])) > 0


def test_masked_tokens_do_not_count(tiny_config: NetworkConfig, tiny_steps: Sequence[TickInput]) -> None:
    seen = content(untrained(tiny_config), tiny_steps[0])
    masked = seen._replace(mask=torch.where(torch.arange(seen.mask.shape[-1]) < 3, -1e4, seen.mask))
    moved = seen.tokens.clone()
    moved[..., :3, :] += 5.0
    assert token_distance(masked, masked._replace(tokens=moved)) == 0
    moved[..., 3, :] += 1.0
    used = (masked.mask == 0).sum()
    torch.testing.assert_close(token_distance(masked, masked._replace(tokens=moved)), 1.0 / used)
