from pathlib import Path

import msgspec
import numpy as np
import pytest

from fsd.compression.budget import BUDGETS
from fsd.data.ego import EgoSample
from fsd.data.errors import ModelError
from fsd.data.rig import Rig
from fsd.data.standard_rigs import assumed_rig, canonical_rig
from fsd.export.synthetic_clip import synthetic_steps
from fsd.networks.contract import input_shapes
from fsd.networks.input_buffers import InputBuffers
from fsd.third_party.adapter import Adapter, check_model, load_adapter
from fsd.third_party.input_fields import (
    CalibrationInput,
    CommandInput,
    CompressedInput,
    ConstantInput,
    EgoInput,
    ImageInput,
    VirtualCamera,
)
from fsd.third_party.observation import Observer
from fsd.third_party.output_fields import Outputs
from fsd.third_party.state_fields import StatePair
from tests.fsd.third_party._pictures import flat, frame_set, image_adapter

GREY = ImageInput("view", 16, 12, "rear", colour="gray", layout="hw")
VIEW = {"view": ((12, 16), "uint8")}
RIG = canonical_rig(64, 48)


def rig_of(*names: str) -> Rig:
    return msgspec.structs.replace(RIG, cameras=tuple(each for each in RIG.cameras if each.name in names))


def test_all_inputs_but_those_from_outputs_are_made_and_reused() -> None:
    adapter = image_adapter(
        GREY,
        ego=(EgoInput("speed", ("speed_mps",)),),
        commands=(CommandInput("turn", {"none": (0, 1), "left": (1, 0)}),),
        constants=(ConstantInput("convention", (1, 0)),),
        calibration=(CalibrationInput("k", "intrinsics", image="view", size=(3, 3)),),
        state=(StatePair("out", "memory"),),
    )
    numbers = {"speed": ((1, 1), "float32"), "turn": ((1, 2), "int64"), "convention": ((1, 2), "float16")}
    signature = {**VIEW, **numbers, "k": ((1, 3, 3), "float64"), "memory": ((1, 8), "float32")}
    observer = Observer(adapter, signature, RIG)
    first = observer.observe(frame_set(rear=flat(235)), EgoSample(3.0, 0.0), "left")
    assert {name: (array.shape, str(array.dtype)) for name, array in first.items()} == {
        name: signature[name] for name in signature if name != "memory"
    }
    assert (first["view"] == 255).all()
    assert (first["speed"].item(), first["turn"].tolist(), first["convention"].tolist()) == (
        3.0,
        [[1, 0]],
        [[1.0, 0.0]],
    )
    second = observer.observe(frame_set(rear=flat(16)), None, "right")
    assert all(second[name] is first[name] for name in first)
    assert (second["view"].max(), second["speed"].item(), second["turn"].tolist()) == (0, 0.0, [[0, 1]])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "uint8", "int8"])
def test_constants_fill_a_tensor_or_come_in_memory_order(dtype: str) -> None:
    constants = (ConstantInput("one", (3,)), ConstantInput("all", tuple(range(6))))
    signature = {**VIEW, "one": ((2, 2), dtype), "all": ((1, 2, 3), dtype)}
    made = Observer(image_adapter(GREY, constants=constants), signature, RIG).observe(frame_set(), None, "none")
    assert made["one"].tolist() == [[3, 3], [3, 3]]
    assert made["all"].tolist() == [[[0, 1, 2], [3, 4, 5]]]
    assert made["all"].dtype == np.dtype(dtype)


def test_free_axes_are_fixed_by_shapes() -> None:
    adapter = image_adapter(msgspec.structs.replace(GREY, layout="nchw"), shapes={"view": (1, 1, 12, 16)})
    observer = Observer(adapter, {"view": ((-1, 1, -1, 16), "float32")}, RIG)
    assert observer.observe(frame_set(), None, "none")["view"].shape == (1, 1, 12, 16)


def test_no_camera_of_the_model_in_the_recording_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(ModelError) as error:
        Observer(image_adapter(GREY), VIEW, rig_of("front_main", "left_pillar"))
    assert error.value.field == "images"
    assert all(name in str(error.value) for name in ("rear", "front_main", "left_pillar"))
    with pytest.raises(ModelError, match="front_wide"):
        Observer(image_adapter(GREY), VIEW, RIG, recorded=["front_wide"])


def test_one_of_several_cameras_is_enough() -> None:
    image = ImageInput("view", 16, 12, cameras=("rear", "front"), layout="vchw")
    observer = Observer(image_adapter(image), {"view": ((2, 3, 12, 16), "uint8")}, rig_of("front_main"))
    made = observer.observe(frame_set(front_main=flat(235)), None, "none")["view"]
    assert (made[0].min(), made[0].max(), made[1].min()) == (128, 128, 255)


VIRTUAL = ImageInput("view", 16, 12, cameras=("rear", "front"), layout="vchw", virtual_camera=VirtualCamera(9, 9, 8, 6))


@pytest.mark.parametrize(
    ("adapter", "field"),
    [
        (image_adapter(VIRTUAL), "images[0].virtual_camera"),
        (image_adapter(calibration=(CalibrationInput("m", "camera_from_ego", cameras=("rear",)),)), "calibration[0]"),
    ],
)
def test_a_camera_without_calibration_is_an_error_where_one_is_needed(adapter: Adapter, field: str) -> None:
    signature = {"view": ((2, 3, 12, 16), "uint8"), "m": ((4, 4), "float32")}
    with pytest.raises(ModelError) as error:
        Observer(adapter, signature, rig_of("front_main"))
    assert (error.value.field, error.value.camera) == (field, "rear")


def test_an_assumed_calibration_is_a_warning_that_names_the_field() -> None:
    signature = {"view": ((2, 3, 12, 16), "uint8")}
    assert Observer(image_adapter(VIRTUAL), signature, RIG).warnings == ()
    assumed = assumed_rig({"rear": (64, 48), "front_main": (64, 48)})
    for observer in (
        Observer(image_adapter(VIRTUAL), signature, assumed),
        Observer(image_adapter(VIRTUAL), signature, RIG, rig_is_assumed=True),
    ):
        (warning,) = observer.warnings
        assert "images[0].virtual_camera" in warning
        assert "rear" in warning
    assert Observer(image_adapter(GREY), VIEW, assumed).warnings == ()


OPENPILOT = """{"name": "openpilot", "schema_version": 2, "rate_hz": 20,
 "images": [
  {"name": "img", "camera": "fcamera", "width_px": 512, "height_px": 256, "colour": "yuv420", "history": [4, 0],
   "virtual_camera": {"fx_px": 910, "fy_px": 910, "cx_px": 256, "cy_px": 47.6}},
  {"name": "big_img", "camera": "ecamera", "width_px": 512, "height_px": 256, "colour": "yuv420", "history": [4, 0],
   "virtual_camera": {"fx_px": 455, "fy_px": 455, "cx_px": 256, "cy_px": 113.8, "pitch_rad": 0.02}}],
 "constants": [{"name": "traffic_convention", "values": [1, 0]}],
 "outputs": {"waypoints": {"name": "path", "points": 10, "step_s": 0.5, "columns": ["x_m", "y_m"]}}}"""


def test_openpilots_frames_come_from_a_file_of_its_fields(tmp_path: Path) -> None:
    (tmp_path / "adapter.json").write_text(OPENPILOT)
    adapter = load_adapter(tmp_path / "adapter.json")
    images = dict.fromkeys(("img", "big_img"), ((1, 12, 128, 256), "uint8"))
    signature = {**images, "traffic_convention": ((1, 2), "float32")}
    check_model(adapter, signature, {"path": ((1, 10, 2), "float32")}, "the model")
    observer = Observer(adapter, signature, canonical_rig(1280, 960))
    large = {"height": 960, "width": 1280}
    for luma in (20, 30, 40, 50, 60):
        pictures = frame_set(front_main=flat(luma, 90, 240, **large), front_wide=flat(luma + 100, **large))
        made = observer.observe(pictures, None, "none")
    narrow, wide = made["img"][0, :, 64, 128], made["big_img"][0, :, 64, 128]
    assert narrow.tolist() == [20] * 4 + [90, 240] + [60] * 4 + [90, 240]
    assert wide.tolist() == [120] * 4 + [128] * 2 + [160] * 4 + [128] * 2


BUDGET = BUDGETS["B400"]
CONTRACT = {name: each for name, each in input_shapes(BUDGET).items() if name not in ("memory_k", "memory_v")}


@pytest.mark.parametrize("leading", [(), (1,)])
def test_compressed_inputs_are_those_of_our_own_network(leading: tuple[int, ...]) -> None:
    compressed = CompressedInput("B400", {name: f"my_{name}" for name in CONTRACT})
    signature = {f"my_{name}": ((*leading, *shape), dtype) for name, (shape, dtype) in CONTRACT.items()}
    observer = Observer(Adapter("a", Outputs(), compressed=compressed), signature, RIG)
    own = InputBuffers(BUDGET)
    for step in synthetic_steps(BUDGET, 3):
        own.load(step)
        made = observer.observe(frame_set(), step.ego, step.command, step.tick)
        for name in CONTRACT:
            assert np.array_equal(made[f"my_{name}"].reshape(own.arrays[name].shape), own.arrays[name])


def test_compressed_inputs_stand_beside_whole_images_and_need_a_tick() -> None:
    adapter = image_adapter(GREY, compressed=CompressedInput("B400", {"retina": "retina"}))
    observer = Observer(adapter, {**VIEW, "retina": CONTRACT["retina"]}, RIG)
    step = next(synthetic_steps(BUDGET, 1))
    made = observer.observe(frame_set(rear=flat(235)), None, "none", step.tick)
    assert np.array_equal(made["retina"], step.tick.retina)
    assert (made["view"] == 255).all()
    with pytest.raises(ModelError, match="compressor"):
        observer.observe(frame_set(), None, "none")
    with pytest.raises(ModelError, match="B400"):
        observer.observe(frame_set(), None, "none", next(synthetic_steps(BUDGETS["B100"], 1)).tick)
