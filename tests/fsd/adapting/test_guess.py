"""What is guessed from names, shapes and types."""

from typing import Any

import pytest

from fsd.adapting.draft import Draft, Tensors
from fsd.adapting.guess import guess_adapter
from fsd.adapting.name_words import camera_in, stem
from fsd.compression.budget import ALL_BUDGETS
from fsd.data.frames import CAMERAS
from fsd.networks.contract import input_shapes
from fsd.networks.onnx_session import Signature

IMAGE = ((1, 3, 96, 160), "float32")
PATH = {"path": ((1, 10, 2), "float32")}


def draft(inputs: Signature, outputs: Signature = PATH) -> Draft:
    return guess_adapter("net", [Tensors("net.onnx", inputs, outputs)])


def first_image(name: str, shape: tuple[int, ...], dtype: str = "float32") -> dict[str, Any]:
    return draft({name: (shape, dtype)}).lists["images"][0]


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((1, 3, 96, 160), "nchw"),
        ((1, 96, 160, 3), "nhwc"),
        ((3, 96, 160), "chw"),
        ((96, 160, 3), "hwc"),
        ((1, 96, 160, 1), "nhwc"),
        ((1, 6, 3, 96, 160), "nvchw"),
        ((6, 3, 96, 160), "vchw"),
        ((1, 2, 6, 3, 96, 160), "ntvchw"),
        ((96, 160), "hw"),
    ],
)
def test_the_axes_of_an_image_follow_from_where_its_channels_stand(shape: tuple[int, ...], layout: str) -> None:
    image = first_image("image", shape)
    assert image["layout"] == layout
    assert (image["width_px"], image["height_px"]) == (160, 96)


def test_channels_in_sixes_are_yuv_frames_at_twice_the_size() -> None:
    image = first_image("input_imgs", (1, 12, 128, 256))
    assert image["colour"] == "yuv420"
    assert (image["width_px"], image["height_px"]) == (512, 256)
    assert image["history"] == [1, 0]


def test_channels_in_threes_are_colour_frames() -> None:
    image = first_image("rgb_frames", (1, 9, 96, 160))
    assert image["colour"] == "rgb"
    assert image["history"] == [2, 1, 0]


def test_an_integer_image_has_no_scale() -> None:
    assert "scale" not in first_image("image", (1, 96, 160, 3), "uint8")
    assert first_image("image", (1, 96, 160, 3))["scale"] == 1 / 255


@pytest.mark.parametrize(
    ("name", "camera"),
    [
        ("front_wide_image", "front_wide"),
        ("big_input_imgs", "front_wide"),
        ("narrow", "front_narrow"),
        ("cam_back_left", "left_repeater"),
        ("rgb_left", "left_pillar"),
        ("rearView", "rear"),
        ("CAM_FRONT", "front_main"),
        ("image", None),
    ],
)
def test_a_camera_is_read_from_a_name(name: str, camera: str | None) -> None:
    assert camera_in(name) == camera


def test_the_only_image_without_a_camera_in_its_name_is_the_front_one() -> None:
    assert first_image("x", (1, 3, 96, 160))["camera"] == "front_main"


@pytest.mark.parametrize("count", [3, 6, 7, 8])
def test_usual_numbers_of_cameras_have_a_usual_order(count: int) -> None:
    cameras = first_image("imgs", (1, count, 3, 96, 160))["cameras"]
    assert len(set(cameras)) == count
    assert set(cameras) <= set(CAMERAS)


def test_an_unusual_number_of_cameras_is_left_to_the_user() -> None:
    found = draft({"imgs": ((1, 5, 3, 96, 160), "float32")})
    assert found.lists["images"][0]["cameras"] == ["TODO"] * 5
    assert "images[0].cameras" in [guess.field for guess in found.guesses if guess.certainty == "TODO"]


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("h_in", "h_out"),
        ("h0", "hn"),
        ("hidden", "next_hidden"),
        ("past_key_values.0.key", "present.key_values.0.key"),
        ("c_0", "c_n"),
    ],
)
def test_names_of_a_state_before_and_after_a_step_have_one_stem(given: str, taken: str) -> None:
    assert stem(given) == stem(taken)


def test_states_of_equal_shape_are_told_apart_by_their_names() -> None:
    state = ((1, 1, 64), "float32")
    found = draft({"image": IMAGE, "c0": state, "h0": state}, {**PATH, "hn": state, "cn": state})
    assert {(pair["output"], pair["input"]) for pair in found.lists["state"]} == {("hn", "h0"), ("cn", "c0")}


def test_a_predicted_speed_is_no_state() -> None:
    speed = ((1, 1), "float32")
    found = draft({"image": IMAGE, "speed": speed}, {**PATH, "pred_speed": speed})
    assert "state" not in found.lists
    assert found.lists["ego"][0]["quantities"] == ["speed_mps"]


def test_a_buffer_holds_the_last_values_of_an_output_of_its_width() -> None:
    inputs = {"image": IMAGE, "feature_buffer": ((1, 8, 32), "float32")}
    found = draft(inputs, {**PATH, "features": ((1, 32), "float32")})
    assert found.lists["shift_registers"] == [{"output": "features", "input": "feature_buffer", "axis": 1}]


def test_where_a_flat_output_has_the_buffers_values_is_left_to_the_user() -> None:
    found = draft({"image": IMAGE, "features_buffer": ((1, 9, 32), "float32")}, {"outputs": ((1, 600), "float32")})
    assert found.lists["shift_registers"][0]["start"] == "TODO"


def test_an_output_of_an_earlier_model_enters_the_next_one() -> None:
    vision = Tensors("vision.onnx", {"image": IMAGE}, {"features": ((1, 64), "float32")})
    policy = Tensors("policy.onnx", {"features": ((1, 64), "float32")}, PATH)
    found = guess_adapter("two", [vision, policy])
    assert found.lists["links"] == [{"output": "features", "input": "features"}]


def test_a_command_is_one_hot_and_always_has_none() -> None:
    values = draft({"image": IMAGE, "command": ((1, 4), "float32")}).lists["commands"][0]["values"]
    assert values["none"] == [1.0, 0.0, 0.0, 0.0]
    assert values["right"] == [0.0, 0.0, 1.0, 0.0]


def test_a_matrix_refers_to_the_image_with_as_many_cameras() -> None:
    found = draft({"img": ((1, 6, 3, 96, 160), "float32"), "lidar2img": ((1, 6, 4, 4), "float32")})
    (matrix,) = found.lists["calibration"]
    assert (matrix["matrix"], matrix["image"], matrix["size"]) == ("image_from_ego", "img", [4, 4])


def test_an_input_that_nothing_explains_must_be_decided() -> None:
    found = draft({"image": IMAGE, "weather": ((1, 18), "float32")})
    assert found.lists["constants"] == [{"name": "weather", "values": ["TODO"]}]


@pytest.mark.parametrize(
    ("shape", "points", "columns"), [((1, 10, 2), 10, 2), ((12, 3), 12, 3), ((1, 40), 20, 2), ((1, 8, 4), 8, 4)]
)
def test_a_path_has_rows_of_two_to_four_numbers(shape: tuple[int, ...], points: int, columns: int) -> None:
    path = draft({"image": IMAGE}, {"waypoints": (shape, "float32")}).outputs["waypoints"]
    assert (path["points"], len(path["columns"])) == (points, columns)


def test_several_paths_with_a_number_each_are_a_mixture() -> None:
    outputs = {"trajectories": ((1, 5, 20, 2), "float32"), "scores": ((1, 5), "float32")}
    mixture = draft({"image": IMAGE}, outputs).outputs["waypoints"]["mixture"]
    assert mixture == {"count": 5, "stride": 40, "probability_start": 0, "probability_name": "scores"}


def test_as_many_paths_as_commands_are_chosen_by_the_command() -> None:
    inputs = {"image": IMAGE, "command": ((1, 3), "float32")}
    path = draft(inputs, {"plans": ((1, 3, 6, 2), "float32")}).outputs["waypoints"]
    assert {name: place["start"] for name, place in path["by_command"].items()} == {
        "right": 0,
        "left": 12,
        "straight": 24,
        "none": 24,
    }


def test_steering_and_pedals_are_found_by_name() -> None:
    one = ((1, 1), "float32")
    outputs = draft({"image": IMAGE}, {"steer": one, "throttle": one, "brake": one}).outputs
    assert outputs["steering"]["name"] == "steer"
    assert [pedal["name"] for pedal in outputs["acceleration_mps2"]] == ["throttle", "brake"]
    assert outputs["acceleration_mps2"][1]["scale"] < 0


def test_without_a_path_the_outputs_must_be_decided() -> None:
    found = draft({"image": IMAGE}, {"classes": ((1, 1000), "float32")})
    assert found.outputs == {"waypoints": "TODO"}


def test_a_free_batch_axis_becomes_one() -> None:
    found = draft({"image": ((-1, 3, 96, 160), "float32")})
    assert found.shapes == {"image": [1, 3, 96, 160]}


def test_every_entry_has_a_reason() -> None:
    found = draft(
        {"image": IMAGE, "speed": ((1,), "float32"), "h": ((1, 8), "float32")}, {**PATH, "h_out": ((1, 8), "float32")}
    )
    places = " ".join(guess.field for guess in found.guesses)
    for section in ("images[0]", "ego[0]", "state[0]", "outputs.waypoints"):
        assert section in places
    assert all(guess.reason for guess in found.guesses)


@pytest.mark.parametrize(("budget", "batch"), [("B200", ()), ("B200", (1,)), ("F200", (1,))])
def test_inputs_of_our_compressor_are_known_by_the_contract(budget: str, batch: tuple[int, ...]) -> None:
    contract = input_shapes(ALL_BUDGETS[budget])
    named = ("retina", "patches", "patch_meta", "memory_k", "ego")
    inputs: Signature = {name: ((*batch, *contract[name][0]), contract[name][1]) for name in named}
    found = draft(inputs, {**PATH, "new_k": ((16, 64), "float32")})
    assert found.compressed["budget"] == budget
    assert set(found.compressed["tensors"]) == {"retina", "patches", "patch_meta", "ego"}
    assert found.lists == {"state": [{"output": "new_k", "input": "memory_k", "slots": True}]}


def test_an_ego_input_alone_is_not_the_compressors() -> None:
    found = draft({"image": IMAGE, "ego": ((2,), "float32")})
    assert found.compressed == {}
    assert found.lists["ego"][0]["quantities"] == ["speed_mps", "yaw_rate_rps"]
