"""Snippets of the documentation run in order beside a folder `my_drive`; commands, links and paths in it exist."""

import re
import shlex
import shutil
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from fsd.cli import main
from fsd.data.frames import CAMERAS
from fsd.data.rig import load_rig
from fsd.data.standard_rigs import canonical_rig
from fsd.replay.rig_picture import draw_rig
from tests.fsd._docs import DOCS, ROOT, Printed, blocks, text_of

sys.path.append(str(ROOT / "benchmarks"))
from teslacam_events import EventForm, write_event

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


@pytest.fixture(scope="session")
def stick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TeslaCam stick with one event of 2 s."""
    root = tmp_path_factory.mktemp("stick") / "TeslaCam"
    write_event(root / "SavedClips" / "2026-01-02_15-16-40", EventForm(segments=1))
    return root


@pytest.fixture
def dash_cam(stick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a stick `TeslaCam`, a video `phone.mp4`, and short videos of two cameras in three folders.

    Those in `my_drive` are named after cameras, those in `dashcam` as a dash-cam does, and those in `clips` at random.
    """
    (tmp_path / "TeslaCam").symlink_to(stick)
    for folder in ("my_drive", "dashcam", "clips"):
        (tmp_path / folder).mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (72, 200, 3), dtype=np.uint8)
    for name, rate in (("front_main", 30), ("rear", 25)):
        with av.open(str(tmp_path / "my_drive" / f"{name}.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=Fraction(rate))
            stream.width, stream.height, stream.pix_fmt = 128, 72, "yuv420p"
            for index in range(rate * 2 // 3):
                image = np.ascontiguousarray(noise[:, index : index + 128])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode(None))
    front, rear = tmp_path / "my_drive" / "front_main.mp4", tmp_path / "my_drive" / "rear.mp4"
    for name in ("phone.mp4", "dashcam/20260102_151632_NF.mp4", "clips/VID_0001.mp4"):
        shutil.copy(front, tmp_path / name)
    for name in ("dashcam/20260102_151632_NR.mp4", "clips/holiday.mp4"):
        shutil.copy(rear, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_every_snippet_runs(page: str, dash_cam: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = [(language, content) for language, content in blocks(page) if language in ("python", "sh")]
    assert found
    for language, content in found:
        if language == "python":
            exec(compile(content, f"docs/{page}", "exec"), {"__name__": "__main__"})
            continue
        for line in content.splitlines():
            if not shlex.split(line, comments=True) or line.startswith(INSTALLING):
                continue
            assert line.startswith("fsd "), f"{page}: {line} is neither an fsd command nor a step of the installation"
            assert main(Printed(page, line).words) == 0, line
    capsys.readouterr()
    if page == "tutorial.md":
        assert_files_of_the_tutorial_are_there(dash_cam)


def assert_files_of_the_tutorial_are_there(folder: Path) -> None:
    named = re.findall(r"^\| `([\w.]+)`", text_of("tutorial.md"), re.MULTILINE)
    assert {"report.html", "overlay.mp4", "drive.mcap"} <= set(named)
    for name in named:
        assert (folder / "out" / "my_drive" / name).exists(), name
    assert len(list((folder / "out" / "clips").glob("*/plan.parquet"))) == 2


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
        text = re.sub(r"https?://\S+", "", page.read_text(encoding="utf-8"))
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
