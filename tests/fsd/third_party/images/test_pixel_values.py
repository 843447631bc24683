import numpy as np
import pytest

from fsd.third_party.images.pixel_values import exact_values, value_table, write_values
from fsd.third_party.input_fields import ImageInput

FLOATS = ("float16", "float32", "float64")
INTEGERS = ("uint8", "int32", "int64", "uint16")


def image(**fields: object) -> ImageInput:
    return ImageInput("i", 4, 4, "rear", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", FLOATS)
def test_floats_are_scaled_to_one_unless_the_adapter_says_otherwise(dtype: str) -> None:
    table = value_table(image(), dtype)
    assert (table.shape, table.dtype) == ((3, 256), np.dtype(dtype))
    assert np.array_equal(table[0], (np.arange(256) * (1 / 255)).astype(dtype))
    mean, std = np.array([0.4, 0.5, 0.6]), np.array([0.2, 0.3, 0.25])
    table = value_table(image(scale=0.5, mean=tuple(mean), std=tuple(std)), dtype)
    expected = (np.arange(256) * 0.5 - mean[:, None]) / std[:, None]
    assert np.array_equal(table, expected.astype(dtype))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_are_the_pixels_themselves_unless_the_adapter_says_otherwise(dtype: str) -> None:
    assert np.array_equal(value_table(image(), dtype)[2], np.arange(256))


def test_int8_takes_pixels_around_zero() -> None:
    assert np.array_equal(value_table(image(mean=(128.0,)), "int8")[0], np.arange(-128, 128))


@pytest.mark.parametrize(
    ("dtype", "fields"),
    [
        ("int8", {}),
        ("uint8", {"mean": (1.0,)}),
        ("uint8", {"scale": 1 / 255}),
        ("uint8", {"scale": 2.0}),
        ("int32", {"std": (0.3,)}),
        ("int32", {"mean": (0.0, 0.5, 0.0)}),
        ("int32", {"scale": 1e9}),
        ("float16", {"scale": 300.0}),
        ("bool", {}),
    ],
)
def test_values_that_the_type_cannot_hold_are_refused(dtype: str, fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=dtype):
        value_table(image(**fields), dtype)


def test_whole_numbers_survive_rounding_errors() -> None:
    assert np.array_equal(value_table(image(scale=0.1, std=(0.1,)), "uint8")[0], np.arange(256))
    assert exact_values(np.array([1.0, 0.0]), "bool").tolist() == [True, False]


@pytest.mark.parametrize("dtype", ["uint8", "int8", *FLOATS, "int32"])
def test_values_are_written_through_any_strides(dtype: str) -> None:
    table = value_table(image(mean=(128.0,), scale=1.0) if dtype == "int8" else image(), dtype)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 5), np.uint8)
    tensor = np.zeros((4, 5, 3), dtype)
    write_values(table, pixels, tensor.transpose(2, 0, 1))
    assert np.array_equal(tensor, np.stack([table[c][pixels[c]] for c in range(3)], axis=-1))
