"""Rigs with fewer cameras, and errors of the calibration."""

import pytest

torch = pytest.importorskip("torch")

from fsd.networks.augmentation import Randomness  # noqa: E402
from fsd.networks.dataset_training.recorded_augmentation import rig_mask, turned  # noqa: E402


def test_a_random_number_of_the_cameras_that_are_there_is_kept() -> None:
    generator = torch.Generator().manual_seed(0)
    is_there = torch.tensor([1.0, 0, 0, 1, 1, 0, 1, 0]).expand(4000, -1)
    choice, order = (torch.rand(4000, size, generator=generator) for size in (2, 8))
    kept = (rig_mask(1.0, is_there, choice, order) * is_there).sum(dim=1)
    counts = torch.bincount(kept.long(), minlength=6)
    assert counts[0] == counts[5] == 0
    assert counts[1:5].float().std() < 80
    assert rig_mask(0.0, is_there, choice, order).min() == 1


def test_the_only_camera_is_never_lost() -> None:
    is_there = torch.tensor([[0.0, 0, 1, 0, 0, 0, 0, 0]]).expand(500, -1)
    kept = rig_mask(1.0, is_there, torch.rand(500, 2), torch.rand(500, 8))
    assert (kept * is_there).sum(dim=1).min() == 1


def test_rays_are_turned_by_the_angles_of_their_camera() -> None:
    meta = torch.zeros(1, 1, 3, 8)
    meta[..., 0] = torch.tensor([0.0, 2.0, -1.0])
    meta[..., 1] = 1.0  # ahead
    pitch, yaw = torch.zeros(1, 8), torch.zeros(1, 8)
    pitch[0, 0], yaw[0, 2] = 0.1, 0.2
    rays = turned(meta, pitch, yaw)[0, 0, :, 1:4]
    angle = torch.tensor([0.1, 0.2])
    assert torch.allclose(rays[0], torch.stack([angle[0].cos(), torch.tensor(0.0), angle[0].sin()]))
    assert torch.allclose(rays[1], torch.stack([angle[1].cos(), angle[1].sin(), torch.tensor(0.0)]))
    assert torch.allclose(turned(meta, -pitch, yaw)[..., 1:4].norm(dim=-1), torch.ones(1, 1, 3))
    assert torch.equal(turned(meta, pitch, yaw)[..., [0, 4, 5, 6, 7]], meta[..., [0, 4, 5, 6, 7]])


def test_a_clip_with_its_own_generator_does_not_depend_on_the_batch() -> None:
    def numbers(seeds: list[int]) -> torch.Tensor:
        random = Randomness([torch.Generator().manual_seed(seed) for seed in seeds])
        return torch.cat([random.uniform(len(seeds), 3), random.normal(len(seeds), 2)], dim=1)

    assert torch.equal(numbers([1, 2, 3])[1:], numbers([2, 3]))
    one, other = torch.Generator().manual_seed(5), torch.Generator().manual_seed(5)
    assert torch.equal(Randomness(one).normal(2, 3), torch.randn(2, 3, generator=other))
