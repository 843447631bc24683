"""Every mistake in the input fields is an error that names the field, alone or against the model."""

from typing import Any

import pytest

from fsd.compression.budget import ALL_BUDGETS
from fsd.data.errors import ModelError
from fsd.networks.contract import input_shapes
from fsd.third_party.input_checks import fixed_signature, input_misfits, input_problems
from fsd.third_party.input_fields import (
    CalibrationInput,
    CommandInput,
    CompressedInput,
    ConstantInput,
    Crop,
    EgoInput,
    ImageInput,
    VirtualCamera,
)
from tests.fsd.third_party._pictures import image_adapter

VIEW = {"view": ((1, 3, 12, 16), "float32")}


def image(**fields: Any) -> ImageInput:
    return ImageInput(**{"name": "view", "width_px": 16, "height_px": 12, "camera": "rear", **fields})


def first_problem(**fields: Any) -> str | None:
    fields = {"images": (image(),), **fields}
    images = fields.pop("images")
    return next((field for field, _ in input_problems(image_adapter(*images, **fields))), None)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"camera": "", "cameras": ()}, "images[0]"),
        ({"cameras": ("rear",)}, "images[0]"),
        ({"camera": "bonnet"}, "images[0].camera"),
        ({"camera": "", "cameras": ("rear", "bonnet")}, "images[0].cameras"),
        ({"mean": (0.0, 0.0)}, "images[0].mean"),
        ({"std": (1.0, 1.0, 1.0), "colour": "yuv420"}, "images[0].std"),
        ({"history": ()}, "images[0].history"),
        ({"layout": "nch"}, "images[0].layout"),
        ({"width_px": 15, "colour": "yuv420"}, "images[0].width_px"),
        ({"height_px": 13, "colour": "yuv420"}, "images[0].height_px"),
        ({"luma_order": ("00", "00", "01", "11")}, "images[0].luma_order"),
        ({"crop": Crop(left=0.5, right=0.5)}, "images[0].crop"),
        ({"virtual_camera": VirtualCamera(9, 9, 8, 6), "fit": "crop"}, "images[0].virtual_camera"),
        ({"virtual_camera": VirtualCamera(9, 9, 8, 6), "crop": Crop()}, "images[0].virtual_camera"),
        ({"mean": (0.1,) * 6, "colour": "yuv420", "camera": "fcamera", "history": (4, 0)}, None),
    ],
)
def test_a_mistake_in_an_image_names_its_field(fields: dict[str, Any], problem: str | None) -> None:
    assert first_problem(images=(image(**fields),)) == problem


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"images": ()}, "images"),
        ({"ego": (EgoInput("e", ()),)}, "ego[0]"),
        ({"ego": (EgoInput("e", ("speed_mps",), history=()),)}, "ego[0]"),
        ({"ego": (EgoInput("e", ("speed_mps",), scale=(1.0, 2.0)),)}, "ego[0].scale"),
        ({"commands": (CommandInput("c", {"left": (1.0,)}),)}, "commands[0].values"),
        ({"commands": (CommandInput("c", {"none": (1.0,), "left": (1.0, 0.0)}),)}, "commands[0].values"),
        ({"calibration": (CalibrationInput("m", "intrinsics", cameras=("rear",)),)}, "calibration[0].image"),
        ({"calibration": (CalibrationInput("m", "intrinsics", image="other"),)}, "calibration[0].image"),
        ({"calibration": (CalibrationInput("m", "camera_from_ego"),)}, "calibration[0]"),
        ({"calibration": (CalibrationInput("m", "camera_from_ego", cameras=("roof",)),)}, "calibration[0].cameras"),
        ({"compressed": CompressedInput("B1", {"retina": "r"})}, "compressed.budget"),
        ({"compressed": CompressedInput("B100", {"pictures": "r"})}, "compressed.tensors.pictures"),
        ({"compressed": CompressedInput("B100", {"memory_k": "r"})}, "compressed.tensors.memory_k"),
        ({"compressed": CompressedInput("B100", {})}, "compressed.tensors"),
        ({"images": (), "compressed": CompressedInput("B100", {"retina": "r"})}, None),
    ],
)
def test_a_mistake_in_another_input_names_its_field(fields: dict[str, Any], problem: str | None) -> None:
    assert first_problem(**fields) == problem


def first_misfit(signature: dict[str, Any], others: Any = (), **fields: Any) -> str | None:
    fields = {"images": (image(),), **fields}
    images = fields.pop("images")
    misfits = input_misfits(image_adapter(*images, **fields), signature, others)
    return next((field for field, _ in misfits), None)


def with_input(shape: tuple[int, ...], dtype: str = "float32") -> dict[str, Any]:
    return {**VIEW, "x": (shape, dtype)}


@pytest.mark.parametrize(
    ("signature", "fields", "misfit"),
    [
        (VIEW, {}, None),
        ({"image": VIEW["view"]}, {}, "images[0].name"),
        ({"view": ((1, 3, 16, 12), "float32")}, {}, "images[0].name"),
        ({"view": ((1, 3, 12, 16), "uint8")}, {}, None),
        ({"view": ((1, 3, 12, 16), "int8")}, {}, "images[0].scale"),
        ({"view": ((1, 3, 12, 16), "uint8")}, {"images": (image(mean=(0.5,)),)}, "images[0].scale"),
        ({"view": ((1, 3, 12, 16), "bool")}, {}, "images[0].scale"),
        ({"view": ((1, 3, 12, 16), "tensor(bfloat16)")}, {}, "images[0].name"),
        (with_input((2,)), {"ego": (EgoInput("x", ("speed_mps",)),)}, "ego[0].name"),
        (with_input((1,), "int32"), {"ego": (EgoInput("x", ("speed_mps",)),)}, "ego[0].name"),
        (with_input((1, 4)), {"ego": (EgoInput("x", ("speed_mps", "yaw_rate_rps"), history=(1, 0)),)}, None),
        (with_input((2,)), {"commands": (CommandInput("x", {"none": (0.0,)}),)}, "commands[0].name"),
        (with_input((1,), "int64"), {"commands": (CommandInput("x", {"none": (3,)}),)}, None),
        (with_input((1,), "int64"), {"commands": (CommandInput("x", {"none": (0.5,)}),)}, "commands[0].values"),
        (with_input((3,)), {"constants": (ConstantInput("x", (1, 2)),)}, "constants[0].values"),
        (with_input((3,), "uint8"), {"constants": (ConstantInput("x", (-1,)),)}, "constants[0].values"),
        (with_input((3, 3)), {"calibration": (CalibrationInput("x", "intrinsics", "view"),)}, "calibration[0].name"),
        (with_input((1, 4, 4)), {"calibration": (CalibrationInput("x", "intrinsics", "view"),)}, None),
        (with_input((2, 4, 4)), {"calibration": (CalibrationInput("x", "intrinsics", "view"),)}, "calibration[0].name"),
        (
            with_input((4, 4), "int32"),
            {"calibration": (CalibrationInput("x", "intrinsics", "view"),)},
            "calibration[0].name",
        ),
        (with_input((8,)), {"compressed": CompressedInput("B100", {"camera_valid": "x"})}, None),
        (with_input((1, 8)), {"compressed": CompressedInput("B100", {"camera_valid": "x"})}, None),
        (
            with_input((8, 1)),
            {"compressed": CompressedInput("B100", {"camera_valid": "x"})},
            "compressed.tensors.camera_valid",
        ),
        (
            with_input((8,), "float16"),
            {"compressed": CompressedInput("B100", {"camera_valid": "x"})},
            "compressed.tensors.camera_valid",
        ),
        (with_input((8,)), {}, "x"),
        (VIEW, {"constants": (ConstantInput("view", (1,)),)}, "constants[0].name"),
    ],
)
def test_what_does_not_fit_the_model_names_its_field(
    signature: dict[str, Any], fields: dict[str, Any], misfit: str | None
) -> None:
    assert first_misfit(signature, **fields) == misfit


def test_inputs_from_outputs_have_a_source_and_only_one() -> None:
    assert first_misfit(with_input((8,)), [("x", "state[0].input")]) is None
    assert first_misfit(VIEW, [("y", "state[0].input")]) == "state[0].input"
    assert first_misfit(with_input((8,)), [("x", "state[0].input"), ("x", "links[0].input")]) == "links[0].input"
    assert first_misfit(VIEW, [("view", "state[0].input")]) == "state[0].input"


def test_the_retina_of_every_budget_fits() -> None:
    for name, budget in ALL_BUDGETS.items():
        compressed = CompressedInput(name, {"retina": "retina"})
        assert first_misfit({"retina": input_shapes(budget)["retina"]}, images=(), compressed=compressed) is None


@pytest.mark.parametrize(
    ("shapes", "field", "facts"),
    [
        ({}, "shapes.view", ['"view": [1, 3, 12, 16]', "[?, 3, ?, 16]"]),
        ({"view": (1, 3, 12, 16)}, "shapes.memory", ['"memory": [1, 512]']),
        ({"image": (1, 3, 12, 16)}, "shapes.image", ["view, memory"]),
        ({"view": (1, 4, 12, 16)}, "shapes.view", ["[1, 4, 12, 16]", "[?, 3, ?, 16]"]),
        ({"view": (1, 3, 12)}, "shapes.view", []),
    ],
)
def test_free_axes_need_an_entry_that_the_message_spells_out(
    shapes: dict[str, tuple[int, ...]], field: str, facts: list[str]
) -> None:
    signature = {"view": ((-1, 3, -1, 16), "float32"), "memory": ((-1, 512), "float32")}
    with pytest.raises(ModelError) as error:
        fixed_signature(image_adapter(image(), shapes=shapes), signature)
    assert error.value.field == field
    assert all(fact in str(error.value) for fact in facts)


def test_fixed_axes_stay_and_free_ones_take_their_entry() -> None:
    signature = {"view": ((-1, 3, 12, 16), "float32"), "memory": ((1, 512), "float16")}
    fixed = fixed_signature(image_adapter(image(), shapes={"view": (1, 3, 12, 16)}), signature)
    assert fixed == {"view": ((1, 3, 12, 16), "float32"), "memory": ((1, 512), "float16")}
