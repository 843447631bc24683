"""Every fault of a picture has one name, at the faulty camera alone; healthy cameras have none."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.monitor import CameraMonitor
from fsd.data.clock import tick_time_ns
from fsd.data.ego import EgoSample
from fsd.data.frames import CAMERAS, Frame, FrameSet
from fsd.data.standard_rigs import canonical_rig

HEIGHT, WIDTH = 120, 160
REAR = CAMERAS.index("rear")
DRIVES, STANDS = EgoSample(10.0, 0.0), EgoSample(0.0, 0.0)
Luma = np.ndarray
Change = Callable[[Luma, int], Luma]


def scene(camera: int) -> Luma:
    """(H, 6 W) a textured street that passes by, without specks."""
    coarse = np.random.default_rng(camera).integers(40, 200, (HEIGHT // 8, 6 * WIDTH // 8)).astype(np.uint8)
    return coarse.repeat(8, axis=0).repeat(8, axis=1)


SCENES = [scene(camera) for camera in range(len(CAMERAS))]


def street(camera: int, tick: int) -> Luma:
    """The picture of a camera of a car that drives: it moves by eight pixels per tick."""
    left = 8 * tick % (5 * WIDTH)
    return SCENES[camera][:, left : left + WIDTH]


def parked(camera: int, tick: int) -> Luma:
    return SCENES[camera][:, :WIDTH]


def frame(luma: Luma, tick: int, green: slice = slice(0)) -> Frame:
    u_plane, v_plane = (np.full((luma.shape[0] // 2, luma.shape[1] // 2), 128, np.uint8) for _ in range(2))
    u_plane[green], v_plane[green] = 43, 21
    return Frame(np.ascontiguousarray(luma), u_plane, v_plane, tick_time_ns(tick), tick)


def frame_set(frames: list[Frame | None], tick: int) -> FrameSet:
    has_frame = np.array([each is not None for each in frames])
    return FrameSet(tick, tick_time_ns(tick), tuple(frames), np.where(has_frame, 0, -1), has_frame, has_frame.copy())


def drive(
    ticks: int,
    change: Change | None = None,
    view: Callable[[int, int], Luma] = street,
    cameras: tuple[int, ...] = tuple(range(len(CAMERAS))),
    faulty: int = REAR,
) -> Iterator[FrameSet]:
    """Frame sets in which the picture of one camera is `change(luma, tick)`."""
    for tick in range(ticks):
        frames: list[Frame | None] = [None] * len(CAMERAS)
        for camera in cameras:
            luma = view(camera, tick)
            frames[camera] = frame(change(luma, tick) if change and camera == faulty else luma, tick)
        yield frame_set(frames, tick)


def watch(
    frame_sets: Iterator[FrameSet], ego: EgoSample | None = DRIVES, mask_cameras: bool = True
) -> tuple[dict[str, list[int]], list[FrameSet]]:
    """Ticks by `camera fault`, and the frame sets as returned; repeated pictures have their own tests."""
    monitor, named, seen = CameraMonitor(canonical_rig(WIDTH, HEIGHT), mask_cameras), {}, []  # type: ignore[var-annotated]
    for each in frame_sets:
        seen.append(monitor.step(each, ego))
        for name, faults in zip(CAMERAS, seen[-1].faults, strict=True):
            for fault in set(faults) - {CameraFault.DUPLICATES}:
                named.setdefault(f"{name} {fault.value}", []).append(each.tick)
    return named, seen


def frozen_from(start: int, until: int = 10**6) -> Change:
    return lambda luma, tick: street(REAR, start - 1) if start <= tick < until else luma


def suburb(camera: int, tick: int) -> Luma:
    """A street with less contrast, which passes by more slowly."""
    left = 2 * tick % (5 * WIDTH)
    return (70 + SCENES[camera][:, left : left + WIDTH] // 4).astype(np.uint8)


def noisy(luma: Luma, tick: int) -> Luma:
    noise = np.random.default_rng(tick).normal(0, 20, luma.shape)
    return np.clip(luma + noise, 16, 235).astype(np.uint8) if 30 <= tick < 60 else luma


def covered(luma: Luma, tick: int, value: int) -> Luma:
    """A third of the picture has one colour from tick 130 on, but for a weak shine of what is behind."""
    if tick < 130:
        return luma
    spoilt = luma.copy()
    spoilt[30:90, 40:110] = value + spoilt[30:90, 40:110] // 128
    return spoilt


def test_a_healthy_drive_has_no_fault() -> None:
    named, seen = watch(drive(150))
    assert named == {}
    assert all(each.is_valid.all() and not each.is_masked.any() for each in seen)


def test_a_frozen_camera_is_named_and_masked_within_a_quarter_of_a_second() -> None:
    named, seen = watch(drive(70, frozen_from(30)))
    assert named == {"rear frozen": list(range(38, 70))}
    assert [bool(each.is_masked[REAR]) for each in seen] == [False] * 38 + [True] * 32
    assert not seen[-1].is_valid[REAR]
    assert seen[-1].is_valid.sum() == len(CAMERAS) - 1


def test_a_camera_that_goes_on_is_unmasked_after_nine_pictures_that_move() -> None:
    named, _ = watch(drive(90, frozen_from(30, until=60)))
    assert named["rear frozen"][-1] == 67


def test_a_frozen_picture_that_is_coded_anew_is_frozen() -> None:
    def recoded(luma: Luma, tick: int) -> Luma:
        return street(REAR, 29) + np.uint8(tick % 2) if tick >= 30 else luma

    assert watch(drive(60, recoded))[0] == {"rear frozen": list(range(38, 60))}


def test_without_ego_motion_other_cameras_tell_that_the_car_drives() -> None:
    assert watch(drive(60, frozen_from(30)), ego=None)[0] == {"rear frozen": list(range(38, 60))}


@pytest.mark.parametrize("ego", [STANDS, None])
def test_nobody_is_blamed_at_standstill_with_a_small_moving_thing(ego: EgoSample | None) -> None:
    def with_bird(luma: Luma, tick: int) -> Luma:
        spoilt = luma.copy()
        spoilt[20:23, tick % 150 : tick % 150 + 3] = 230
        return spoilt

    assert watch(drive(150, with_bird, view=parked), ego)[0] == {}
    assert watch(drive(150, with_bird, view=parked, cameras=(0, REAR)), ego)[0] == {}


def test_traffic_before_one_camera_does_not_make_the_others_of_a_parked_car_frozen() -> None:
    def traffic(luma: Luma, tick: int) -> Luma:
        return street(REAR, tick)

    assert watch(drive(150, traffic, view=parked), None)[0] == {}


def test_every_picture_twice_is_not_frozen() -> None:
    twice = drive(80, lambda luma, tick: street(REAR, tick // 2 * 2))
    assert watch(twice)[0] == {}


def test_of_a_single_camera_without_ego_motion_it_is_said_that_nobody_can_know() -> None:
    named, seen = watch(drive(100, frozen_from(30), cameras=(REAR,)), None)
    assert named == {"rear still": list(range(65, 100))}
    assert seen[-1].is_valid[REAR]


def test_a_bird_shows_that_a_single_camera_works() -> None:
    def with_bird(luma: Luma, tick: int) -> Luma:
        spoilt = luma.copy()
        spoilt[21, 41 + tick % 2] = 230  # between the pixels of the sample
        return spoilt

    assert watch(drive(100, with_bird, view=parked, cameras=(REAR,)), None)[0] == {}


def test_the_speed_of_a_single_camera_must_hold_for_three_seconds() -> None:
    named, _ = watch(drive(160, frozen_from(30), cameras=(REAR,)))
    assert named["rear frozen"] == list(range(145, 160))


def test_a_black_camera_has_one_name_at_once() -> None:
    def black(luma: Luma, tick: int) -> Luma:
        return np.full_like(luma, 17) if 20 <= tick < 50 else luma

    named, seen = watch(drive(60, black))
    assert named == {"rear black": list(range(20, 50))}
    assert seen[50].is_valid[REAR]


@pytest.mark.parametrize("kind", ["gaussian", "snow"])
def test_noise_is_named_within_a_quarter_of_a_second(kind: str) -> None:
    def snow(luma: Luma, tick: int) -> Luma:
        return np.random.default_rng(tick).integers(16, 236, luma.shape, np.uint8) if 30 <= tick < 60 else luma

    named, seen = watch(drive(100, snow if kind == "snow" else noisy))
    assert named == {"rear noise": list(range(33, 77))}
    assert seen[40].is_masked[REAR]


def test_blocks_without_data_are_damage() -> None:
    frames = [[frame(street(c, tick), tick) for c in range(len(CAMERAS))] for tick in range(40)]
    for tick in range(20, 25):
        frames[tick][REAR] = frame(street(REAR, tick), tick, green=slice(0, 20))
    named, _ = watch(frame_set(list(each), tick) for tick, each in enumerate(frames))
    assert named == {"rear corrupt": list(range(20, 33))}


def test_a_picture_of_another_size_is_named() -> None:
    named, _ = watch(drive(40, lambda luma, tick: luma[:60, :80] if 20 <= tick < 30 else luma))
    assert named == {"rear resized": list(range(20, 30))}


@pytest.mark.parametrize(("value", "fault"), [(50, "obstructed"), (234, "glare")])
def test_a_part_that_stops_while_the_rest_goes_on_is_dirt_or_glare(value: int, fault: str) -> None:
    def spoilt(luma: Luma, tick: int) -> Luma:
        return covered(luma, tick, value) if tick < 230 else luma

    named, seen = watch(drive(270, spoilt, view=suburb))
    assert list(named) == [f"rear {fault}"]
    assert named[f"rear {fault}"][0] == 130 + 72
    assert 230 <= named[f"rear {fault}"][-1] < 230 + 36
    assert [bool(seen[tick].is_masked[REAR]) for tick in (201, 202, 269)] == [False, True, False]


def test_what_passes_close_by_or_light_that_changes_is_not_dirt() -> None:
    def lorry(luma: Luma, tick: int) -> Luma:
        return covered(luma, tick, 50) if 130 <= tick < 148 else luma

    def lit(camera: int, tick: int) -> Luma:
        luma = suburb(camera, tick)
        return covered(luma + np.uint8(20), tick, 234) if tick >= 130 else luma

    assert watch(drive(230, lorry, view=suburb))[0] == {}
    assert watch(drive(230, view=lit))[0] == {}


def test_what_never_moved_is_not_dirt() -> None:
    def bonnet(luma: Luma, tick: int) -> Luma:
        spoilt = luma.copy()
        spoilt[90:] = 60
        return spoilt

    assert watch(drive(220, bonnet))[0] == {}


def test_exposure_that_swings_is_named_and_one_step_is_not() -> None:
    def hunts(luma: Luma, tick: int) -> Luma:
        gain = 1.0 + 0.3 * np.sin(2 * np.pi * 1.5 * tick / 36) if tick >= 30 else 1.0
        return np.clip(luma * gain, 16, 235).astype(np.uint8)

    def steps(luma: Luma, tick: int) -> Luma:
        return np.clip(luma * (0.65 if 40 <= tick < 80 else 1.0), 16, 235).astype(np.uint8)

    named, _ = watch(drive(120, hunts, view=parked), STANDS)
    assert list(named) == ["rear exposure"]
    assert named["rear exposure"][0] <= 30 + 36
    assert watch(drive(120, steps, view=parked), STANDS)[0] == {}


def test_light_that_changes_for_all_cameras_is_not_hunting() -> None:
    def lamps(camera: int, tick: int) -> Luma:
        return np.clip(parked(camera, tick) * (1 + 0.3 * np.sin(tick / 4)), 16, 235).astype(np.uint8)

    assert watch(drive(120, view=lamps), STANDS)[0] == {}


def test_without_masking_faults_are_named_all_the_same() -> None:
    named, seen = watch(drive(60, frozen_from(30)), mask_cameras=False)
    assert "rear frozen" in named
    assert all(each.is_valid.all() and not each.is_masked.any() for each in seen)


def test_a_new_run_of_the_recording_starts_anew() -> None:
    monitor = CameraMonitor(canonical_rig(WIDTH, HEIGHT))
    for each in drive(60, frozen_from(30)):
        seen = monitor.step(each, DRIVES)
    assert seen.is_masked[REAR]
    later = next(drive(1))
    later = FrameSet(60, later.timestamp_ns, later.frames, later.age_ns, later.is_valid, later.is_new, run=1)
    assert monitor.step(later, DRIVES).is_valid.all()


def test_a_fault_knows_its_flag_and_whether_it_masks() -> None:
    assert CameraFault("frozen") is CameraFault.FROZEN
    assert {fault.value for fault in CameraFault if fault.masks} >= {"black", "frozen", "noise"}
    assert all("{}" in fault.text for fault in CameraFault)
