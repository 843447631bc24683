import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fsd.data.errors import UsageError
from fsd.outputs.compare_summary import CompareSummary, ProfileComparison
from fsd.outputs.compress_summary import CompressSummary
from fsd.outputs.drive_summary import DriverMetrics, DriveSummary
from fsd.outputs.profile_scenario import Percentiles
from fsd.outputs.profile_summary import ProfileSummary
from fsd.outputs.replay_summary import ReplaySummary
from fsd.outputs.run_folder import load_run
from fsd.outputs.summary_file import Summary, load_summary, write_summary

KINDS = (ReplaySummary, CompressSummary, ProfileSummary, DriveSummary, CompareSummary, ProfileComparison)
WriteRun = Callable[..., Path]


def drive_summary(**drivers: DriverMetrics) -> DriveSummary:
    return DriveSummary(
        scenarios=("S1",),
        routes=1,
        first_seed=7,
        latency="none",
        follow="trajectory",
        draw_every_ticks=1,
        drivers=drivers,
    )


def test_what_was_written_is_read_back(write_run: WriteRun, tmp_path: Path) -> None:
    summary = load_summary(write_run(tmp_path / "run") / "summary.json", ReplaySummary)
    write_summary(tmp_path, summary)
    assert load_summary(tmp_path / "summary.json", ReplaySummary) == summary
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


@pytest.mark.parametrize(
    "found", [{}, {"schema": 2}, {"schema_version": 0}, {"command": "drive", "schema_version": 99}]
)
def test_another_version_is_refused_with_both_versions(found: dict[str, Any], tmp_path: Path) -> None:
    write_summary(tmp_path, drive_summary())
    path = tmp_path / "summary.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({name: content[name] for name in content if name != "schema_version"} | found))
    with pytest.raises(UsageError) as refused:
        load_summary(path, DriveSummary)
    assert str(path) in str(refused.value)
    assert re.search(r"version 1\b", str(refused.value))
    for version in found.values():
        assert str(version) in str(refused.value)


def test_a_replay_of_the_previous_release_is_refused_with_file_and_versions(
    write_run: WriteRun, tmp_path: Path
) -> None:
    path = write_run(tmp_path / "run") / "summary.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({name: content[name] for name in content if name not in ("schema_version", "command")}))
    with pytest.raises(UsageError) as refused:
        load_run(tmp_path / "run")
    assert str(path) in str(refused.value)
    assert re.search(r"no schema version.* version 1\b", str(refused.value))


def test_a_profile_of_the_previous_release_is_refused_with_file_and_versions(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_text(json.dumps({"schema": 2, "fsd_version": "0.0.9", "scenarios": {}}))
    with pytest.raises(UsageError) as refused:
        load_summary(path, ProfileSummary)
    assert str(path) in str(refused.value)
    assert re.search(r"version 2\b.* version 3\b", str(refused.value))


def test_a_summary_of_another_command_is_refused_with_both_commands(tmp_path: Path) -> None:
    write_summary(tmp_path, drive_summary())
    with pytest.raises(UsageError, match=r"fsd drive.*fsd replay"):
        load_summary(tmp_path / "summary.json", ReplaySummary)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"command": "drive", "schema_version": 1}', b"\xff"])
def test_a_damaged_file_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"summary\.json"):
        load_summary(path, DriveSummary)


def test_a_field_of_the_wrong_type_is_named(tmp_path: Path) -> None:
    write_summary(tmp_path, drive_summary())
    path = tmp_path / "summary.json"
    path.write_text(path.read_text().replace('"routes": 1', '"routes": "one"'))
    with pytest.raises(UsageError, match="routes"):
        load_summary(path, DriveSummary)


def test_fields_of_a_later_release_are_ignored(tmp_path: Path) -> None:
    write_summary(tmp_path, drive_summary())
    path = tmp_path / "summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"weather": "rain"}))
    assert load_summary(path, DriveSummary) == drive_summary()


def test_a_number_that_is_not_finite_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_summary(tmp_path, drive_summary(expert=DriverMetrics(routes=1, pdms=float("nan"))))
    assert not (tmp_path / "summary.json").exists()


def test_every_command_has_a_name_and_a_version() -> None:
    assert len({kind.__struct_config__.tag for kind in KINDS}) == len(KINDS)
    for kind in KINDS:
        assert issubclass(kind, Summary)
        (version,) = (field.default for field in msgspec.structs.fields(kind) if field.name == "schema_version")
        assert version >= 1


def test_percentiles_have_the_names_of_the_field() -> None:
    sample = Percentiles(samples=7000, p99_9=3.0, p99_9_upper_99=4.0)
    written = msgspec.to_builtins(sample)
    assert (written["p99.9"], written["p99.9_upper_99"]) == (3.0, 4.0)
    assert sample.value("p99.9") == 3.0
    assert msgspec.convert(written, Percentiles) == sample
