"""Teachers of pictures: read as transformers reads, trained from scratch, saved, exported, and examined where they are fed otherwise."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import transformers
from onnx import TensorProto, helper, numpy_helper
from PIL import Image as Pil

from limbeck import find
from limbeck.doctor.answers import Asked
from limbeck.errors import TeacherError
from limbeck.findings import Severity
from limbeck.modalities._picture import picture
from limbeck.modalities.image import Image
from limbeck.payloads import plain
from limbeck.pipeline.teacher_checkup import _read
from limbeck.teachers._image_processor import processing
from limbeck.teachers.huggingface_image import HuggingfaceImage
from limbeck.teachers.wide_resnet import Moved, Network, WideResnet
from limbeck.types import Record, Signal

LOGITS = frozenset({"logits_BC"})
DICE = np.random.default_rng(0)


def drawn(*shape: int) -> np.ndarray:
    return DICE.integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize("side", [16, 37])
def test_a_model_of_transformers_answers_as_behind_its_own_processor(tmp_path: Path, side: int) -> None:
    teacher = HuggingfaceImage.tiny(tmp_path)
    pixels = drawn(side, side, 3)
    kind = (
        getattr(transformers, "ViTImageProcessorPil", None) or transformers.ViTImageProcessor
    )  # before version 5 it was Pillow's
    processor = kind.from_pretrained(tmp_path)
    model = transformers.AutoModelForImageClassification.from_pretrained(tmp_path).eval()
    with torch.inference_mode():
        expected = model(**processor(images=Pil.fromarray(pixels), return_tensors="pt")).logits.numpy()
    np.testing.assert_allclose(teacher.answer([pixels], LOGITS).logits_BC, expected, atol=1e-4)


SIDES = {"height": 16, "width": 16}
PROCESSORS = {
    "blue first": ("MobileViTImageProcessor", {"size": {"shortest_edge": 16}, "crop_size": SIDES, "do_center_crop": False}),
    "divided twice": ("EfficientNetImageProcessor", {"size": SIDES, "include_top": True, "resample": 2}),
    "an offset": ("EfficientNetImageProcessor", {"size": SIDES, "include_top": False, "rescale_factor": 1 / 127.5, "rescale_offset": True, "do_normalize": False}),
    "bytes": ("ViTImageProcessor", {"size": SIDES, "do_rescale": False, "do_normalize": False}),
    "as large as it is": ("ViTImageProcessor", {"do_resize": False, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]}),
}  # fmt: skip


def processor_of(kind: str, **settings: object) -> Any:
    """Pillow's where there are two, since no other is installed."""
    return (getattr(transformers, f"{kind}Pil", None) or getattr(transformers, kind))(**settings)


@pytest.mark.parametrize("way", PROCESSORS)
def test_whatever_a_processor_does_to_colours_is_done(tmp_path: Path, way: str) -> None:
    tiny = HuggingfaceImage.tiny(tmp_path)
    kind, settings = PROCESSORS[way]
    processor = processor_of(kind, **settings)
    processor.save_pretrained(tmp_path)
    pixels = drawn(16, 16, 3)
    with torch.inference_mode():
        seen = processor(images=Pil.fromarray(pixels), return_tensors="pt")
        expected = tiny.module.backbone(**seen).logits.numpy()
    teacher = HuggingfaceImage.load(HuggingfaceImage.Settings(str(tmp_path)))
    assert teacher.module.done.reversed == (way == "blue first")
    np.testing.assert_allclose(teacher.answer([pixels], LOGITS).logits_BC, expected, atol=1e-4)
    assert (teacher.patches() is None) == (way == "blue first")


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda a: a.mean(-1, keepdims=True).repeat(3, -1), "does more to colours"),
        (lambda a: (a / 255) ** 2, "does more to colours"),
        (lambda a: a[..., ::-1] * [1, 1, 0], "does more to colours"),
        (lambda a: a[:, :40], "40 x 61 pixels; square"),
        (lambda a: a[..., :1], r"of shape \(1, 1, 61, 61\)"),
        (lambda a: a, "says a size"),
    ],
    ids=["grey", "squared", "no blue", "not square", "one channel", "no size"],
)
def test_a_processor_that_does_more_than_to_scale_is_refused(made: Any, said: str) -> None:
    def processor(images: list, **_: object) -> dict:
        return {"pixel_values": np.stack([made(a.astype(np.float32)).transpose(2, 0, 1) for a in images])}

    with pytest.raises(TeacherError, match=said):
        processing(processor, 3, None if said == "says a size" else 16, "acme/odd")


def test_a_backbone_without_a_head_gets_one_and_is_saved_with_it(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    whole = HuggingfaceImage.tiny(tmp_path)
    whole.module.backbone.base_model.save_pretrained(tmp_path / "bare")
    (tmp_path / "bare" / "preprocessor_config.json").write_bytes((tmp_path / "preprocessor_config.json").read_bytes())
    bare = HuggingfaceImage.load(HuggingfaceImage.Settings(str(tmp_path / "bare")))
    assert not bare.has_head
    bare.add_head(["cat", "dog"], seed=3)
    own = {name.split(".", 2)[0] + "." + name.split(".", 2)[1] for name, _ in bare.module.named_parameters()}
    assert own - set(bare.heads) == {f"backbone.{bare.module.backbone.base_model_prefix}"}, (
        "the head alone has a rate of its own"
    )
    assert bare.heads
    (tmp_path / "saved").mkdir()
    bare.save(tmp_path / "saved")
    again = HuggingfaceImage.load(HuggingfaceImage.Settings(str(tmp_path / "saved")))
    assert again.labels == ("cat", "dog")
    pixels = [drawn(20, 16, 3)]
    np.testing.assert_array_equal(again.answer(pixels, LOGITS).logits_BC, bare.answer(pixels, LOGITS).logits_BC)


def test_what_a_processor_would_do_otherwise_is_told(tmp_path: Path) -> None:
    teacher = HuggingfaceImage.tiny(tmp_path)
    assert teacher.remarks() == []
    teacher._processor.do_center_crop, teacher._processor.resample = True, 3
    assert "cuts the middle out of a picture and resizes by another filter" in teacher.remarks()[0]


def test_a_backbone_may_read_another_size_than_its_configuration_names(tmp_path: Path) -> None:
    config = transformers.Dinov2Config(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=42, patch_size=14)
    transformers.Dinov2Model(config).save_pretrained(tmp_path)
    crop = {"height": 28, "width": 28}
    processor_of("BitImageProcessor", size={"shortest_edge": 28}, crop_size=crop, do_center_crop=True).save_pretrained(tmp_path)
    teacher = HuggingfaceImage.load(HuggingfaceImage.Settings(str(tmp_path)))
    assert (teacher.size, teacher.has_head) == (28, False)
    assert "cuts the middle out" in teacher.remarks()[0]


def test_a_processor_of_another_size_than_the_model_is_named(tmp_path: Path) -> None:
    HuggingfaceImage.tiny(tmp_path)
    processor_of("ViTImageProcessor", size={"height": 20, "width": 20}).save_pretrained(tmp_path)
    with pytest.raises(TeacherError, match="makes pictures of 20 x 20 pixels, and its model reads 16 x 16"):
        HuggingfaceImage.load(HuggingfaceImage.Settings(str(tmp_path)))


def test_what_cannot_be_loaded_says_what_a_teacher_of_pictures_is(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "timm_wrapper", "architecture": "resnet18", "num_classes": 3})
    )
    with pytest.raises(TeacherError, match=r"is a model of timm.*torch_module"):
        HuggingfaceImage.load(HuggingfaceImage.Settings(str(tmp_path)))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(TeacherError, match=r"preprocessor_config\.json and model\.safetensors"):
        HuggingfaceImage.load(HuggingfaceImage.Settings(str(tmp_path)))


def test_no_model_is_an_error_with_a_way_out() -> None:
    with pytest.raises(TeacherError, match="wide_resnet is trained here"):
        HuggingfaceImage.load(HuggingfaceImage.Settings())


@pytest.mark.parametrize(("depth", "width", "millions"), [(16, 4, 2.75), (40, 2, 2.24), (28, 10, 36.5)])
def test_a_wide_residual_network_has_the_weights_of_the_paper(depth: int, width: int, millions: float) -> None:
    with torch.device("meta"):
        network = Network(WideResnet.Settings(depth=depth, width=width))
        head = torch.nn.Linear(64 * width, 10)
    count = sum(p.numel() for part in (network, head) for p in part.parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.06)


def test_it_begins_anew_for_each_seed_and_is_saved_with_what_its_norms_keep(tmp_path: Path) -> None:
    settings = WideResnet.Settings(depth=10, width=1, size=8)
    one, same, other = (WideResnet.load(settings) for _ in range(3))
    assert one.fingerprint() == same.fingerprint()  # else a run that is taken up would be another one
    for teacher, seed in ((one, 1), (same, 1), (other, 2)):
        assert not teacher.has_head
        teacher.add_head(["a", "b"], seed)
    pixels = [drawn(8, 8, 3) for _ in range(5)]
    one.module.train()
    one.module(torch.from_numpy(one.collate(one.encode(pixels))["pixels"]))  # the norms see a batch
    found = [t.answer(pixels, LOGITS).logits_BC for t in (one, same, other)]
    assert not np.array_equal(found[0], found[1])
    assert not np.array_equal(found[1], found[2])
    one.save(tmp_path)
    np.testing.assert_array_equal(
        WideResnet.load(WideResnet.Settings(str(tmp_path))).answer(pixels, LOGITS).logits_BC, found[0]
    )
    with pytest.raises(TeacherError, match="holds no wide residual network"):
        WideResnet.load(WideResnet.Settings(str(tmp_path / "absent")))


def test_it_may_answer_at_each_offset_of_its_stride() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)
    settings = WideResnet.Settings(depth=10, width=1, size=8, stride=2)
    one, all_of = (WideResnet.load(replace(settings, offsets=offsets, both=offsets)) for offsets in (False, True))
    for teacher in (one, all_of):
        teacher.add_head(["a", "b"], 0)
        teacher.module.head.weight.data.normal_(generator=torch.Generator().manual_seed(0))
    wide = np.pad(pixels, ((0, 0), (1, 0), (1, 0), (0, 0)), mode="edge")
    moved = [wide[:, down : down + 8, right : right + 8] for down in (0, 1) for right in (0, 1)]
    each = [one.answer(list(p), LOGITS).logits_BC for m in moved for p in (m, m[:, :, ::-1].copy())]
    assert np.ptp(np.stack(each), axis=0).max() > 1e-3
    with pytest.raises(ValueError, match="stride is 1"):
        replace(settings, offsets=True, stride=1)
    np.testing.assert_allclose(all_of.answer(list(pixels), LOGITS).logits_BC, np.mean(each, axis=0), atol=1e-5)


def test_it_may_answer_for_a_picture_and_its_mirror_image(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3)).astype(np.uint8)
    both = WideResnet.load(WideResnet.Settings(depth=10, width=1, size=8, both=True))
    both.add_head(["a", "b"], 0)
    both.module.head.weight.data.normal_(generator=torch.Generator().manual_seed(0))
    both.save(tmp_path)
    alone = json.loads((tmp_path / "wide_resnet.json").read_text())
    alone["settings"]["both"] = False
    found = both.answer(list(pixels), LOGITS).logits_BC
    (tmp_path / "wide_resnet.json").write_text(json.dumps(alone))
    one = WideResnet.load(WideResnet.Settings(str(tmp_path)))
    seen, mirrored = (one.answer(list(p), LOGITS).logits_BC for p in (pixels, pixels[:, :, ::-1].copy()))
    assert np.abs(seen - mirrored).max() > 1e-3
    np.testing.assert_allclose(found, (seen + mirrored) / 2, atol=1e-5)
    assert both.fingerprint() != one.fingerprint()
    again = WideResnet.load(WideResnet.Settings(str(tmp_path), both=True))
    assert again.fingerprint() == both.fingerprint(), "how it answers may be said of a trained one"
    np.testing.assert_array_equal(again.answer(list(pixels), LOGITS).logits_BC, found)


def test_a_batch_is_moved_in_training_alone_and_follows_its_seed() -> None:
    moved = Moved(shift=2, flip=True, erase=3)
    x = torch.arange(4 * 1 * 8 * 8, dtype=torch.float32).reshape(4, 1, 8, 8) + 1.0
    assert torch.equal(moved.eval()(x), x)
    moved.train()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first = moved(x)
        torch.manual_seed(0)
        again = moved(x)
        other = moved(x)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == x.shape
    inside = (first == 0).float().mean(dim=(1, 2, 3))
    assert ((inside > 0) & (inside < 0.7)).all()
    for row in range(4):  # what is left comes from the same picture
        values = set(first[row].flatten().tolist()) - {0.0}
        assert values <= set(x[row].flatten().tolist())


def test_what_a_shift_uncovers_goes_on_as_the_edge_does() -> None:
    ramp = torch.arange(5.0).expand(32, 1, 5, 5) - 0.8
    with torch.random.fork_rng():
        torch.manual_seed(0)
        moved = Moved(shift=2, flip=False, erase=0).train()(ramp)[:, 0, 0]
    rows = {tuple(row) for row in (moved + 0.8).round().tolist()}
    assert rows == {(0, 0, 0, 1, 2), (0, 0, 1, 2, 3), (0, 1, 2, 3, 4), (1, 2, 3, 4, 4), (2, 3, 4, 4, 4)}


def test_a_batch_is_turned_zoomed_and_lit() -> None:
    x = torch.zeros(64, 1, 15, 15)
    x[:, :, 7, 11] = 1.0  # to the right of the middle
    with torch.random.fork_rng():
        torch.manual_seed(0)
        turned = Moved(0, False, 0, turn=90.0).train()(x)
        zoomed = Moved(0, False, 0, zoom=0.5).train()(x)
        lit = Moved(0, False, 0, light=0.3).train()(torch.ones(64, 1, 4, 4))
    place = torch.arange(15.0) - 7
    down, right = ((turned * axis).sum(dim=(1, 2, 3)) / turned.sum(dim=(1, 2, 3)) for axis in (place[:, None], place))
    torch.testing.assert_close((down**2 + right**2).sqrt(), torch.full((64,), 4.0), atol=0.3, rtol=0.0)
    assert down.min() < -3
    assert down.max() > 3
    assert right.min() > -0.5  # at most a quarter of a turn
    right = (zoomed * place).sum(dim=(1, 2, 3)) / zoomed.sum(dim=(1, 2, 3))
    assert 4 / 1.5 - 0.3 <= right.min() < 3.3
    assert 5 < right.max() <= 4 * 1.5 + 0.3
    assert lit.std(dim=(1, 2, 3)).max() < 1e-6
    assert 0.4 <= lit.min() < 0.8
    assert 1.2 < lit.max() <= 1.6


def test_callables_modules_and_files_may_read_pictures(tmp_path: Path) -> None:
    def brightness(arrays: list) -> np.ndarray:
        assert all(a.dtype == np.uint8 and a.ndim == 3 for a in arrays)
        light = np.array([a.mean() / 255 for a in arrays])
        return np.stack([1 - light, light], axis=1)

    payloads = [picture(drawn(5, 4, 3)), picture(np.full((3, 3), 250, np.uint8)), picture(np.zeros((2, 2, 3), np.uint8))]
    function = find("teachers", "function")(brightness, ["dark", "light"], reads="image")
    assert function.answer(payloads, LOGITS).logits_BC.argmax(1).tolist()[1:] == [1, 0]
    found_out = find("teachers", "function")(brightness)
    found_out.discover([Record("k", p, "dark") for p in payloads], ["dark", "light"])
    assert found_out.fingerprint()["weights"]

    class Mean(torch.nn.Module):
        def forward(self, values: torch.Tensor) -> torch.Tensor:
            return torch.stack([-values, values], dim=1)

    def encode(arrays: list) -> dict:
        return {"values": np.array([a.mean() / 255 - 0.5 for a in arrays], np.float32)}

    module = find("teachers", "torch_module")(Mean(), encode, ["dark", "light"], reads="image")
    assert module.answer(payloads, LOGITS).logits_BC.argmax(1).tolist()[1:] == [1, 0]


class Fixed(torch.nn.Module):
    """A network that reads colours of 4 x 4 and nothing else, and says whether they are light; trained on numbers from -1 to 1."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        light = 10 * pixels.reshape(len(pixels), 48).mean(dim=1)
        return torch.stack([-light, light], dim=1)


def stacked(arrays: list) -> np.ndarray:
    """What fails where pictures are not of one size."""
    return np.stack([a.transpose(2, 0, 1) for a in arrays]).astype(np.float32) / 255


def test_a_network_of_one_size_is_a_teacher(tmp_path: Path) -> None:
    labels, payloads = ["dark", "light"], [picture(drawn(4, 4, 3)) for _ in range(3)]
    rows = [Record(str(n), p, "dark") for n, p in enumerate(payloads)]
    weights = [numpy_helper.from_array(np.repeat([[-10 / 48, 10 / 48]], 48, axis=0).astype(np.float32), "w")]
    weights.append(numpy_helper.from_array(np.array([-1, 48]), "shape"))
    nodes = [helper.make_node("Reshape", ["pixels", "shape"], ["x"]), helper.make_node("MatMul", ["x", "w"], ["y"])]
    given = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["B", 3, 4, 4])
    graph = helper.make_graph(nodes, "g", [given], [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["B", 2])], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "fixed.onnx")
    file = find("teachers", "onnx")
    made = [
        find("teachers", "torch_module")(Fixed(), stacked, labels, reads="image"),
        file.load(
            file.Settings(str(tmp_path / "fixed.onnx"), labels=tuple(labels), reads="image", encode=f"{__name__}:stacked")
        ),
        find("teachers", "function")(lambda a: Fixed()(torch.tensor(stacked(a))).softmax(1).numpy(), labels, reads="image"),
    ]
    made[2].discover(rows, labels)
    for teacher in made:
        assert teacher.fingerprint() == teacher.fingerprint()
        assert teacher.answer(payloads, LOGITS).logits_BC.shape == (3, 2)
        with pytest.raises(TeacherError, match="failed on 1 payloads"):
            teacher.answer([picture(drawn(9, 9, 3))], LOGITS)
    np.testing.assert_allclose(*(t.answer(payloads, LOGITS).logits_BC for t in made[:2]), rtol=1e-4)
    other = find("teachers", "torch_module")(Fixed(), lambda a: 2 * stacked(a), labels, reads="image")
    assert other.fingerprint()["preprocessing"] != made[0].fingerprint()["preprocessing"]
    with pytest.raises(TeacherError, match="expected logits of the shape"):
        find("teachers", "torch_module")(
            Fixed(), lambda a: stacked([np.zeros((4, 4, 3))] * len(a)), [*labels, "grey"], reads="image"
        )


@pytest.mark.parametrize("last", [False, True])
def test_a_module_whose_inputs_are_scaled_otherwise_than_it_was_trained_is_found(last: bool) -> None:
    levels = np.concatenate([np.arange(20, 100), np.arange(150, 230)])
    rows = [
        Record(str(n), picture(np.full((4, 4, 3), v, np.uint8)), "light" if v > 127 else "dark") for n, v in enumerate(levels)
    ]
    labels, payloads = ("dark", "light"), [r.payload for r in rows]

    class Either(Fixed):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return super().forward(pixels.permute(0, 3, 1, 2) if last else pixels)

    def encode(arrays: list) -> dict:
        return {"pixels": stacked(arrays).transpose(0, 2, 3, 1) if last else stacked(arrays)}

    teacher = find("teachers", "torch_module")(Either(), encode, labels, reads="image")
    true_N = np.array([labels.index(r.label) for r in rows])
    logits_NC = teacher.answer(payloads, LOGITS).logits_BC
    told = Asked(logits_NC, true_N, true_N, true_N, labels)
    order = np.argsort([f"{n * 7919 % 160:03}" for n in range(160)])
    rows, told = [rows[i] for i in order], replace(told, logits_NC=logits_NC[order], true_N=true_N[order])
    found = [f.what for f in _read(Image, teacher, told, rows)]
    assert any(what.endswith("when it is given them as numbers from -1 to 1.") for what in found)
    assert not any("from 0 to 1." in what for what in found)  # its own
    np.testing.assert_array_equal(teacher.answer(payloads, LOGITS).logits_BC, logits_NC)

    def thresholded(arrays: list) -> np.ndarray:
        return (stacked(arrays) > 0.5).astype(np.float32)

    assert find("teachers", "torch_module")(Fixed(), thresholded, labels, reads="image").otherwise(payloads) == {}


class Inverted:
    """A teacher that would be right if light were dark."""

    labels = ("dark", "light")

    def answer(self, payloads, needs) -> Signal:
        light = np.array([plain(p).mean() / 255 - 0.5 for p in payloads])
        return Signal(logits_BC=np.stack([10 * light, -10 * light], axis=1))

    def otherwise(self, payloads) -> dict:
        found = self.answer(payloads, LOGITS)
        return {
            "as numbers from -1 to 1": lambda: replace(found, logits_BC=-found.logits_BC),
            "as bytes from 0 to 255": lambda: found,
        }


def test_a_teacher_that_is_fed_otherwise_than_it_was_trained_is_found() -> None:
    levels = np.concatenate([np.arange(20, 100), np.arange(150, 230)])
    rows = [
        Record(str(n), picture(np.full((4, 4, 3), level, np.uint8)), "light" if level > 127 else "dark")
        for n, level in enumerate(levels)
    ]
    order = DICE.permutation(len(rows))
    rows = [rows[i] for i in order]
    teacher = Inverted()
    true_N = np.array([teacher.labels.index(r.label) for r in rows])
    told = Asked(teacher.answer([r.payload for r in rows], LOGITS).logits_BC, true_N, true_N, true_N, teacher.labels)
    read = list(_read(Image, teacher, told, rows))
    assert {f.severity for f in read} == {Severity.REFUSAL}, "labels in another order would say no more"
    found = [f.what for f in read]
    assert found == [
        "The teacher is better on your pictures when it is given them with dark and light exchanged.",
        "The teacher is better on your pictures when it is given them as numbers from -1 to 1.",
    ]
    right = SimpleNamespace(answer=lambda p, n: replace(s := teacher.answer(p, n), logits_BC=-s.logits_BC))
    told = replace(told, logits_NC=right.answer([r.payload for r in rows], LOGITS).logits_BC)
    assert list(_read(Image, right, told, rows)) == []


def test_another_scaling_is_tried_and_taken_back(tmp_path: Path) -> None:
    teacher = HuggingfaceImage.tiny(tmp_path)
    pixels = [drawn(16, 16, 3)]
    before, ways = teacher.answer(pixels, LOGITS).logits_BC, teacher.otherwise(pixels)
    assert "as numbers from -1 to 1" not in ways  # its own
    other = ways["as numbers from 0 to 1"]().logits_BC
    assert np.abs(other - before).max() > 1e-3
    np.testing.assert_array_equal(teacher.answer(pixels, LOGITS).logits_BC, before)
