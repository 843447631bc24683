import pytest

from fsd.meters.quantity import Figure, measured, modelled, unavailable


def test_a_modelled_figure_always_says_so() -> None:
    figure = modelled(0.1, 0.4, "J", "roofline over tesla_fsd")
    assert "modelled" in str(figure)
    assert figure.to_dict()["tag"] == "modelled"
    assert figure.value == figure.high == 0.4


def test_a_figure_that_is_not_there_says_why() -> None:
    assert str(unavailable("W", "no meter")) == "unavailable (no meter)"


def test_a_measured_figure_names_its_meter() -> None:
    assert str(measured(12.5, "W", "rapl")) == "12.5 W (measured: rapl)"


def test_a_figure_without_value_cannot_be_called_measured() -> None:
    with pytest.raises(ValueError, match="unavailable"):
        Figure(None, "W", "measured", "rapl")


def test_a_figure_needs_a_source() -> None:
    with pytest.raises(ValueError, match="source"):
        measured(1.0, "W", "")
