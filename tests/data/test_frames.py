import numpy as np

from fsd.data.frames import CAMERAS, Frame, FrameSet


def test_held_pictures_grow_older_and_are_not_new() -> None:
    plane = np.zeros((4, 4), np.uint8)
    frames = tuple(Frame(plane, plane, plane, 100, 3) for _ in CAMERAS)
    fresh = FrameSet(5, 100, frames, np.zeros(8, np.int64), np.ones(8, bool), np.ones(8, bool))
    later = fresh.held(6, 140)
    assert (later.age_ns == 40).all()
    assert not later.is_new.any()
    assert later.frames is fresh.frames
    assert (fresh.age_ns == 0).all()
