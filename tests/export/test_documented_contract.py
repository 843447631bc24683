"""The documentation names everything that a model file holds, and its example adapter is one."""

import re
from pathlib import Path

import pytest

from fsd.compression.budget import BUDGETS
from fsd.export.recipes import RECIPES
from fsd.networks.contract import ModelMetadata, input_shapes, output_shapes

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(tuple(input_shapes(BUDGETS["B100"])), id="inputs"),
        pytest.param(tuple(name for name in output_shapes() if not name.endswith("_scale")), id="outputs"),
        pytest.param(ModelMetadata.__struct_fields__, id="metadata"),
    ],
)
def test_the_contract_page_names_every_field(names: tuple[str, ...]) -> None:
    page = (DOCS / "model_contract.md").read_text()
    assert [name for name in names if f"`{name}`" not in page] == []


def test_the_export_page_names_every_target() -> None:
    page = (DOCS / "export.md").read_text()
    assert [target for target in RECIPES if f"`{target}`" not in page] == []


def test_the_example_adapter_is_valid(tmp_path: Path) -> None:
    from fsd.third_party.adapter import load_adapter

    example = re.search(r"^```json\n(.*?)^```", (DOCS / "adapter.md").read_text(), re.MULTILINE | re.DOTALL)
    assert example is not None
    (tmp_path / "adapter.json").write_text(example.group(1))
    assert load_adapter(tmp_path / "adapter.json").state[0].input == "hidden_in"
