"""A student of a ViT's layers: with all of them it is the teacher, with some it starts from these, and from no teacher by chance."""

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from limbeck.errors import RecipeError
from limbeck.modalities.image import Image
from limbeck.students.vit_image import VitImage, _drawn_out
from limbeck.targets.numpy import evaluate
from limbeck.teachers.huggingface_image import PROCESSOR, HuggingfaceImage

LOGITS = frozenset({"logits_BC"})
PIXELS = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3)).astype(np.uint8)


def teacher_of(folder: Path, layers: int, activation: str = "gelu", bias: bool = True) -> HuggingfaceImage:
    """A ViT of some layers, with positions and a class token that matter."""
    torch.manual_seed(0)
    HuggingfaceImage.tiny(folder)
    names = dict(enumerate("abc"))
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=layers, num_attention_heads=2, intermediate_size=32, image_size=16, patch_size=8,
        hidden_act=activation, qkv_bias=bias, id2label=names, label2id={v: k for k, v in names.items()},
    )  # fmt: skip
    model = transformers.ViTForImageClassification(config)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim > 1 or "token" in name or "position" in name:
                value.normal_(0.0, 0.3)
    model.save_pretrained(folder)
    assert (folder / PROCESSOR).is_file()
    return HuggingfaceImage.load(HuggingfaceImage.Settings(str(folder)))


def student_of(teacher: HuggingfaceImage, size: int = 16, **settings) -> VitImage:
    _, fitted = Image.of(None).fitted(teacher_pictures(), (size, 3))
    return VitImage(VitImage.Settings(**settings), classes=3, **fitted.arguments(teacher), seed=1).eval()


def teacher_pictures() -> list:
    return Image.tiny()[1][-1:]


@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_with_all_layers_it_says_what_the_teacher_says(tmp_path: Path, activation: str) -> None:
    teacher = teacher_of(tmp_path, 2, activation)
    student = student_of(teacher, layers=2)
    pixels = np.ascontiguousarray(PIXELS.transpose(0, 3, 1, 2))
    expected = teacher.answer(list(PIXELS), LOGITS).logits_BC
    assert np.ptp(expected, axis=0).max() > 0.1
    with torch.inference_mode():
        np.testing.assert_allclose(student(torch.from_numpy(pixels)).logits_BC.numpy(), expected, atol=1e-4)
    np.testing.assert_allclose(evaluate(student.graph(), {"pixels": pixels}), expected, atol=1e-4)
    assert student.origin == "teacher's patches, layers 1, 2, head"


def test_it_takes_the_layers_that_are_named_and_refuses_more_than_there_are(tmp_path: Path) -> None:
    teacher = teacher_of(tmp_path, 3)
    weights = teacher.patches()
    assert weights is not None
    student = student_of(teacher, layers=(1, 3))
    for layer, number in zip(student.layers, (0, 2), strict=True):
        np.testing.assert_array_equal(layer.up.weight.detach().numpy(), weights.encoder.layers[number]["up.weight"])
    assert student_of(teacher, layers=1).chosen == (3,)
    with pytest.raises(RecipeError, match="the teacher has 3 layers"):
        student_of(teacher, layers=4)


def test_positions_are_drawn_out_to_a_larger_picture_and_a_side_is_a_multiple(tmp_path: Path) -> None:
    teacher = teacher_of(tmp_path, 1)
    assert student_of(teacher, size=24, layers=1).positions.shape == (10, 16)
    with pytest.raises(RecipeError, match="student.size=24"):
        student_of(teacher, size=25, layers=1)
    even = torch.cat([torch.zeros(1, 3), torch.ones(4, 3)])
    torch.testing.assert_close(_drawn_out(even, 10), torch.cat([torch.zeros(1, 3), torch.ones(9, 3)]))


def test_a_teacher_that_computes_something_else_lends_nothing(tmp_path: Path) -> None:
    assert teacher_of(tmp_path, 1, bias=False).patches() is None
    assert student_of(teacher_of(tmp_path, 1, bias=False), layers=1).origin == "random"
    grey = VitImage(VitImage.Settings(layers=1), classes=3, channels=1, size=16, start=teacher_of(tmp_path, 1).patches())
    assert grey.origin == "random"
