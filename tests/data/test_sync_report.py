from fsd.data.sync_report import CameraCounters, SyncReport


def sentence(ticks: dict[str, int], **counters: int) -> str:
    (found,) = SyncReport(cameras={"rear": CameraCounters(**counters)}, fault_ticks={"rear": ticks}).faults()
    return found


def test_a_fault_and_its_counter_are_one_part() -> None:
    assert sentence({"black": 2}, black_frames=1, ticks_masked=2) == "rear: black at 2 ticks (1 frame), masked."


def test_a_counter_without_its_fault_stands_alone() -> None:
    assert sentence({}, black_frames=1) == "rear: 1 black frame."
    assert sentence({}, black_frames=3) == "rear: 3 black frames."


def test_masking_by_several_faults_is_a_part_of_its_own() -> None:
    found = sentence({"black": 2, "noise": 1, "lost": 4}, ticks_masked=3)
    assert found == "rear: black at 2 ticks; noise at 1 tick; lost at 4 ticks; masked at 3 ticks."


def test_stale_ticks_are_named_only_where_no_fault_names_them() -> None:
    assert "stale" not in sentence({"lost": 4}, ticks_stale=4)
    assert "stale at 4 ticks" in sentence({"clock_jump": 4}, ticks_stale=4)
