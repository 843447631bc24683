import msgspec
import pytest

from fsd.meters.quantity import Quantity, measured, modelled, unavailable


def test_a_modelled_quantity_always_says_so() -> None:
    quantity = modelled(0.1, 0.4, "J", "roofline over tesla_fsd")
    assert "modelled" in str(quantity)
    assert msgspec.to_builtins(quantity)["tag"] == "modelled"
    assert quantity.value == quantity.high == 0.4


def test_a_quantity_that_is_not_there_says_why() -> None:
    text = str(unavailable("W", "no meter"))
    assert "unavailable" in text
    assert "no meter" in text


def test_a_measured_quantity_names_its_meter() -> None:
    text = str(measured(12.5, "W", "rapl"))
    assert all(fact in text for fact in ("12.5 W", "measured", "rapl"))


def test_a_quantity_without_value_cannot_be_called_measured() -> None:
    with pytest.raises(ValueError, match="unavailable"):
        Quantity(None, "W", "measured", "rapl")


def test_a_quantity_needs_a_source() -> None:
    with pytest.raises(ValueError, match="source"):
        measured(1.0, "W", "")
