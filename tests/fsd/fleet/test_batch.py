"""The job file of docs/fleet.md in a process of its own, which Ctrl-C ends; then again, to its end."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fsd.cli import main
from fsd.commands.exit_codes import INTERRUPTED

pytest.importorskip("ray", reason="needs the extra `ray`")
import ray

from fsd.fleet.places import Place
from fsd.fleet.units import CLIPS, RUNS, UNIT_FILE, read_run, read_unit

DOCS = Path(__file__).resolve().parents[3] / "docs" / "fleet.md"
CLIP_NAMES = ("friday", "monday", "tuesday")


@pytest.fixture
def job(small_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The job file, in the current folder, with recordings for it."""
    (text,) = re.findall(r"^```toml\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for name in CLIP_NAMES:
        shutil.copytree(small_clip, tmp_path / "my_drives" / name)
    (tmp_path / "my_drives" / "tuesday" / "command.parquet").unlink()  # other content, so another clip of a data set
    (tmp_path / "nightly.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    return "nightly.toml"


@pytest.mark.usefixtures("local_ray")
def test_a_batch_that_ctrl_c_ended_goes_on(job: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    address = ray.get_runtime_context().gcs_address
    arguments = ["batch", job, "--ray", address]
    code = (
        "import signal, sys\nfrom fsd.cli import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # unlike background jobs of a shell
        f"sys.exit(main({arguments!r}))"
    )
    log = tmp_path / "log.txt"
    with log.open("w") as file:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=file, stderr=file)
    replays = tmp_path / "runs" / "replay"
    while not (done := list(replays.glob(f"{CLIPS}/*/{UNIT_FILE}"))):
        assert process.poll() is None, log.read_text()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == INTERRUPTED, log.read_text()
    before = done[0].stat().st_mtime_ns

    assert main(["batch", job, "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    replayed, compressed, built = result["jobs"]
    assert replayed["kept"] >= 1
    assert done[0].stat().st_mtime_ns == before
    assert (replayed["complete"] + replayed["kept"], compressed["complete"], built["clips"]) == (3, 3, 2)
    for out, name in ((replays, "replay"), (tmp_path / "runs" / "compress", "compress")):
        place = Place.of(out)
        (run,) = (place / RUNS).names()
        record = read_run(place, run)
        assert record is not None
        assert record.work == name
        units = [read_unit(place, key) for key in (place / CLIPS).names()]
        assert sorted(Path(unit.clip).name for unit in units if unit) == list(CLIP_NAMES)
    assert len(list((tmp_path / "runs" / "dataset" / "clips").iterdir())) == 2
