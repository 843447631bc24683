import os
import shutil
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

pytest.importorskip("fsspec", reason="needs the extra `ray`")
from fsd.fleet.destination import files_in, is_whole, publish
from fsd.fleet.places import Place
from fsd.fleet.table_schemas import TABLES
from fsd.fleet.tables import add_unit
from fsd.fleet.units import Unit

KEY = "r" * 12 + "-" + "c" * 20
STEPS = len(TABLES) + 2
"""Renames while one recording is added and published: its rows, `unit.json`, its folder."""


def finish(results: Path, out: Path, steps: int | None) -> int:
    """Add and publish a recording, in a process that is killed before its n-th rename; its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        _count_renames(steps)
        folder = out / ".fsd-scratch" / "mine" / KEY
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(results, folder)
        unit = Unit(key=KEY, run="r" * 12, clip="c0", clip_digest="c" * 32, model_digest="m", options_digest="o",
                    seconds=1.0, ticks=40, attempts=1, wall_s=1.0, cpu_s=1.0, files=files_in(folder))  # fmt: skip
        add_unit(Place.of(out), unit, folder, f"clips/{KEY}")
        publish(Place.of(out), unit, folder)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _count_renames(steps: int | None) -> None:
    left = [steps]

    def counted(rename: Callable[..., Any]) -> Callable[..., Any]:
        def renamed(*arguments: Any) -> Any:
            if left[0] is not None:
                left[0] -= 1
                if left[0] < 0:
                    os._exit(9)  # as SIGKILL does: nothing is cleaned up
            return rename(*arguments)

        return renamed

    os.replace = counted(os.replace)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_kill_at_any_step_leaves_a_recording_whole_or_not_complete(
    write_clip: Callable[..., Path], tmp_path: Path
) -> None:
    results = write_clip(tmp_path / "c0")
    codes = []
    for steps in range(STEPS + 1):
        out = tmp_path / f"out{steps}"
        codes.append(finish(results, out, steps))
        files = {table: list(out.glob(f"tables/{table}/*/*.parquet")) for table in TABLES}
        rows = {table: [pq.read_table(path).num_rows for path in paths] for table, paths in files.items()}
        whole = is_whole(Place.of(out), KEY)
        assert all(count == [] or count == [40] for count in (rows["ticks"], rows["plans"]))
        assert whole is None or (rows["clips"], rows["ticks"], rows["plans"]) == ([1], [40], [40])
        assert finish(results, out, None) == 0
        assert is_whole(Place.of(out), KEY)
        assert len(list(out.glob("tables/*/*/*.parquet"))) == len(TABLES)
    assert codes == [9] * STEPS + [0]
