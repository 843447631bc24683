import pytest

torch = pytest.importorskip("torch")

from fsd.networks.attention import MASKED, MemoryAttention, TokenAttention  # noqa: E402


def test_a_masked_token_is_not_read() -> None:
    torch.manual_seed(0)
    attention = TokenAttention(16, heads=2, mlp_ratio=2)
    tokens = torch.randn(1, 5, 16)
    mask = torch.zeros(1, 1, 1, 5)
    mask[..., 4] = MASKED
    changed = tokens.clone()
    changed[:, 4] += 3
    assert torch.equal(attention(tokens, mask)[:, :4], attention(changed, mask)[:, :4])


def test_only_the_tokens_from_start_on_are_updated() -> None:
    attention = TokenAttention(16, heads=2, mlp_ratio=2)
    tokens, mask = torch.randn(1, 5, 16), torch.zeros(1, 1, 1, 5)
    assert torch.allclose(attention(tokens, mask, start=3), attention(tokens, mask)[:, 3:], atol=1e-6)


def test_batched_and_single_tokens_agree() -> None:
    attention = TokenAttention(16, heads=2, mlp_ratio=2)
    tokens = torch.randn(3, 5, 16)
    single = attention(tokens[1], torch.zeros(1, 1, 5))
    assert torch.allclose(attention(tokens, torch.zeros(3, 1, 1, 5))[1], single, atol=1e-6)


def memory(slots: int = 6) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    keys = torch.randn(1, slots, 16, 64, generator=generator)
    values = torch.randn(1, slots, 16, 64, generator=generator)
    return keys, values, torch.randn(1, slots, 6, generator=generator)


def test_an_invalid_slot_is_not_read() -> None:
    attention, queries = MemoryAttention(16, heads=2, mlp_ratio=2), torch.randn(1, 4, 16)
    keys, values, pose = memory()
    valid = torch.tensor([[1.0, 1, 1, 1, 1, 0]])
    before = attention(queries, keys, values, pose, valid)
    keys[:, 5], values[:, 5], pose[:, 5] = 2, 50, -3
    assert torch.equal(before, attention(queries, keys, values, pose, valid))


def test_an_empty_memory_reads_as_nothing_whatever_lies_in_it() -> None:
    attention, queries = MemoryAttention(16, heads=2, mlp_ratio=2), torch.randn(1, 4, 16)
    keys, values, pose = memory()
    nothing = torch.zeros(1, 6)
    empty = attention(queries, torch.zeros_like(keys), torch.zeros_like(values), pose, nothing)
    assert torch.equal(empty, attention(queries, keys, values, pose, nothing))


def test_where_a_slot_was_written_changes_what_is_read() -> None:
    attention, queries = MemoryAttention(16, heads=2, mlp_ratio=2), torch.randn(1, 4, 16)
    keys, values, pose = memory()
    valid = torch.ones(1, 6)
    moved = pose + torch.tensor([20.0, 0, 0, 0, 0, 0])
    difference = attention(queries, keys, values, pose, valid) - attention(queries, keys, values, moved, valid)
    assert difference.abs().max() > 1e-3
