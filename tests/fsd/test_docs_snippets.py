"""Snippets of the documentation run in order beside a folder `my_drive`; commands, links and paths in it exist."""

import re
import shlex
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from fsd.cli import main
from fsd.commands.parser import build_parser
from fsd.data.frames import CAMERAS
from fsd.data.rig import load_rig
from fsd.data.standard_rigs import canonical_rig
from fsd.replay.rig_picture import draw_rig

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "benchmarks"))
from teslacam_events import EventForm, write_event  # noqa: E402

DOCS = ROOT / "docs"
PAGES = (
    "tutorial.md",
    "rig.md",
    "api.md",
    "compress.md",
    "formats.md",
    "cross_check.md",
    "dataset.md",
    "evaluation.md",
)
INSTALLING = ("git ", "python3 -m venv", "pip ")
"""Beginnings of lines that install the package. They need a network and are not run."""


def printed_commands() -> list[tuple[str, str]]:
    """(page, command line) of every `fsd` command in a code block."""
    blocks = [
        (path.name, block)
        for path in sorted(DOCS.glob("*.md"))
        for block in re.findall(r"^```\w*\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    ]
    lines = [(page, line.removeprefix("$ ")) for page, block in blocks for line in block.splitlines()]
    return [(page, line) for page, line in lines if line.startswith("fsd ")]


def snippets(page: str) -> list[tuple[str, str]]:
    """(language, content) of every Python or shell block."""
    found = re.findall(r"^```(\w+)\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [(language, content) for language, content in found if language in ("python", "sh")]


@pytest.fixture(scope="session")
def stick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TeslaCam stick with one event of 2 s."""
    root = tmp_path_factory.mktemp("stick") / "TeslaCam"
    write_event(root / "SavedClips" / "2026-01-02_15-16-40", EventForm(segments=1))
    return root


@pytest.fixture
def dash_cam(stick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a stick `TeslaCam`, and a folder `my_drive` that has two short dash-cam videos."""
    (tmp_path / "TeslaCam").symlink_to(stick)
    (tmp_path / "my_drive").mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (72, 200, 3), dtype=np.uint8)
    for name, rate in (("front_main", 30), ("rear", 25)):
        with av.open(str(tmp_path / "my_drive" / f"{name}.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=Fraction(rate))
            stream.width, stream.height, stream.pix_fmt = 128, 72, "yuv420p"
            for index in range(rate * 2 // 3):
                image = np.ascontiguousarray(noise[:, index : index + 128])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode(None))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_every_snippet_runs(page: str, dash_cam: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = snippets(page)
    assert found
    for language, content in found:
        if language == "python":
            exec(compile(content, f"docs/{page}", "exec"), {"__name__": "__main__"})
            continue
        for line in content.splitlines():
            words = shlex.split(line, comments=True)
            if not words or line.startswith(INSTALLING):
                continue
            assert words[0] == "fsd", f"{page}: {line} is neither an fsd command nor a step of the installation"
            assert main(words[1:]) == 0, line
    capsys.readouterr()


def test_the_tutorial_leaves_the_files_that_it_names(dash_cam: Path) -> None:
    for language, content in snippets("tutorial.md"):
        if language == "sh" and "fsd replay my_drive --out out/my_drive" in content:
            assert main(shlex.split(content)[1:]) == 0
    named = re.findall(r"^\| `([\w.]+)`", (DOCS / "tutorial.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {"report.html", "overlay.mp4", "drive.mcap"} <= set(named)
    for name in named:
        assert (dash_cam / "out" / "my_drive" / name).exists(), name


def test_every_printed_command_is_understood() -> None:
    """Commands that take minutes are not run above, only parsed here."""
    parser, found = build_parser("all"), printed_commands()
    assert {"profile.md", "compress.md", "tutorial.md"} <= {page for page, _ in found}
    for page, line in found:
        try:
            parser.parse_args(shlex.split(line, comments=True)[1:])
        except SystemExit:
            pytest.fail(f"{page}: {line}")


def test_the_rig_that_the_clip_format_shows_is_one(tmp_path: Path) -> None:
    (shown,) = re.findall(
        r"^```json\n(.*?)^```", (DOCS / "clip_format.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    (tmp_path / "rig.json").write_text(shown, encoding="utf-8")
    assert load_rig(tmp_path / "rig.json").camera("front_main") is not None


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_every_link_inside_the_documentation_leads_somewhere(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in target:
            assert (DOCS / target).exists(), f"{page}: {target}"


def test_every_path_in_the_documentation_exists() -> None:
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for path in re.findall(r"\b(?:data|compression|networks|export|fsd|benchmarks|tests|docs)/[\w./]*\w", text):
            assert (ROOT / path).exists(), f"{page.name}: {path}"


def test_the_architecture_page_lists_every_part_of_fsd() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8").split("Inside `fsd/`")[1].split("\n## ")[0]
    first_cells = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    listed = [name for cell in first_cells for name in re.findall(r"`(\w+)(?:/|\.py)`", cell)]
    found = {path.stem for path in (ROOT / "fsd").iterdir() if (path / "__init__.py").exists() or path.suffix == ".py"}
    assert set(listed) == found - {"__init__"}


def test_the_picture_of_the_cameras_is_that_of_the_rig() -> None:
    drawn = set(re.findall(r'd="(M[^"]*)"', draw_rig(canonical_rig(), CAMERAS)))
    assert drawn <= set(re.findall(r"d='(M[^']*)'", (DOCS / "rig_cameras.svg").read_text(encoding="utf-8")))
