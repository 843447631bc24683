import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd.data.errors import ModelError
from fsd.networks.model_digest import METADATA_FIELD, check_digest, model_sha256


def field(number: int, content: bytes) -> bytes:
    """A protobuf field of bytes shorter than 128."""
    return bytes([number << 3 | 2, len(content)]) + content


GRAPH, METADATA = field(7, b"graph"), field(METADATA_FIELD, b"metadata")


def test_metadata_does_not_count_wherever_it_stands() -> None:
    assert model_sha256(METADATA + GRAPH, "m") == model_sha256(GRAPH + METADATA, "m") == model_sha256(GRAPH, "m")


def test_any_other_byte_counts() -> None:
    with pytest.raises(ModelError, match=r"\bm\b"):
        check_digest(field(7, b"graqh"), model_sha256(GRAPH, "m"), "m")


def test_a_file_that_records_no_digest_passes() -> None:
    check_digest(GRAPH, "", "m")


@given(st.binary(max_size=64))
@settings(derandomize=True, deadline=None)
def test_any_bytes_give_a_digest_or_a_clear_error(content: bytes) -> None:
    try:
        digest = model_sha256(content, "m")
    except ModelError:
        return
    assert len(digest) == 64
