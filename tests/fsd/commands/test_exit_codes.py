import re
from pathlib import Path

from fsd.commands.exit_codes import MEANINGS


def test_the_documentation_lists_the_same_exit_codes() -> None:
    document = Path(__file__).resolve().parents[3] / "docs" / "outputs.md"
    table = document.read_text(encoding="utf-8").split("## Exit codes")[1]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == sorted(MEANINGS)
