"""Teachers that are networks: ONNX files, bundles, torch modules; what they give, and what is said where it is not clear."""

import json

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from torch import nn

from limbeck import load
from limbeck.errors import TeacherError
from limbeck.teachers.onnx import Onnx
from limbeck.teachers.torch_module import TorchModule

LOGITS = frozenset({"logits_BC"})
LABELS = ("greeting", "question", "thanks")
TEXTS = ["hello", "where is it?", "", "thank you " * 30]


def tokenizer(folder) -> None:
    """The tokenizer of the contract tests' instance."""
    Onnx.tiny(folder)


def classifier(
    path, outputs=("logits",), classes: int = 3, softmax: bool = False, inputs=("input_ids", "attention_mask")
) -> None:
    """An ONNX file: the mean of the ids, times a row."""
    row = numpy_helper.from_array(np.linspace(-1.0, 1.0, classes, dtype=np.float32)[None], "row")
    nodes = [
        helper.make_node("Cast", [inputs[0]], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["ids"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("MatMul", ["mean", "row"], ["scores"]),
        *(helper.make_node("Softmax" if softmax else "Identity", ["scores"], [name]) for name in outputs),
    ]
    given = [helper.make_tensor_value_info(name, TensorProto.INT64, ["B", "T"]) for name in inputs]
    found = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", classes]) for name in outputs]
    graph = helper.make_graph(nodes, "g", given, found, [row])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def test_a_file_gives_logits_or_the_logarithm_of_its_probabilities(tmp_path) -> None:
    tokenizer(tmp_path)
    found = []
    for softmax in (False, True):
        classifier(tmp_path / "own.onnx", softmax=softmax)
        logits = Onnx.load(Onnx.Settings(str(tmp_path / "own.onnx"))).answer(TEXTS, LOGITS).logits_BC
        found.append(np.exp(logits - logits.max(1, keepdims=True)))
        found[-1] /= found[-1].sum(1, keepdims=True)
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)


def test_a_bundle_answers_as_it_does_anywhere(tiny_bundle) -> None:
    teacher = Onnx.load(Onnx.Settings(str(tiny_bundle.path)))
    np.testing.assert_allclose(teacher.answer(TEXTS, LOGITS).logits_BC, load(tiny_bundle.path).logits(TEXTS), atol=1e-5)
    assert teacher.labels == LABELS
    assert teacher.bundle is not None
    assert teacher.tokenizer_json() is not None


@pytest.mark.parametrize(
    ("made", "more", "expected"),
    [
        ({"outputs": ("logits", "other")}, {}, r"has the outputs 'logits', 'other'. Name the one .*teacher.output"),
        ({}, {"output": "nothing"}, r"has the outputs 'logits'.*teacher.output"),
        ({"inputs": ("input_ids", "pixels")}, {}, "has the input 'pixels'"),
        ({"classes": 4}, {}, r"the output is \(3, 4\), but there are 3 labels.*teacher.labels"),
        ({}, {"tokenizer": "no.json"}, "teacher.tokenizer: no.json cannot be read"),
        ({}, {"labels": ("a",)}, "two different labels at least"),
    ],
)
def test_what_is_not_clear_of_a_file_is_asked(made, more, expected, tmp_path) -> None:
    tokenizer(tmp_path)
    classifier(tmp_path / "own.onnx", **made)
    with pytest.raises(TeacherError, match=expected):
        Onnx.load(Onnx.Settings(str(tmp_path / "own.onnx"), **more))


def test_two_outputs_are_no_matter_where_one_is_named(tmp_path) -> None:
    tokenizer(tmp_path)
    classifier(tmp_path / "own.onnx", outputs=("logits", "other"))
    assert Onnx.load(Onnx.Settings(str(tmp_path / "own.onnx"), output="other")).answer(TEXTS, LOGITS).logits_BC.shape == (4, 3)


class Network(nn.Module):
    """Logits inside a dict, and from a submodule."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.embedding, self.drop, self.head = nn.Embedding(64, 8), nn.Dropout(0.9), nn.Linear(8, classes)

    def forward(self, input_ids, attention_mask=None):
        hidden = self.embedding(input_ids).mean(1)
        return {"out": self.head(self.drop(hidden)), "hidden": hidden}


def ids(texts):
    return {"input_ids": np.array([[len(t) % 64, t.count("e")] for t in texts])}


def test_logits_are_found_by_name_or_by_a_hook() -> None:
    torch.manual_seed(0)
    network = Network()
    named = TorchModule(network, ids, LABELS, output="out").answer(TEXTS, LOGITS).logits_BC
    hooked = TorchModule(network, ids, LABELS, hook="head").answer(TEXTS, LOGITS).logits_BC
    np.testing.assert_array_equal(named, hooked)
    assert not network.head._forward_hooks


def test_each_module_keeps_the_mode_that_it_had() -> None:
    network = Network().train()
    network.embedding.eval()
    teacher = TorchModule(network, ids, LABELS, output="out")
    first = teacher.answer(TEXTS, LOGITS).logits_BC
    np.testing.assert_array_equal(first, teacher.answer(TEXTS, LOGITS).logits_BC)  # without dropout
    assert network.training
    assert network.drop.training
    assert not network.embedding.training


@pytest.mark.parametrize(
    ("classes", "more", "expected"),
    [
        (3, {}, r"returns a dict with 'out', 'hidden', and not one tensor. Name the logits in it \(teacher.output\)"),
        (3, {"output": "logits"}, "no tensor 'logits'"),
        (3, {"hook": "encoder.head"}, "teacher.hook is 'encoder.head', but Network has the modules 'embedding'"),
        (4, {"output": "out"}, r"expected logits of the shape \(texts, 3\).*got \(3, 4\).*teacher.labels"),
    ],
)
def test_an_output_that_is_not_clear_is_refused(classes, more, expected) -> None:
    with pytest.raises(TeacherError, match=expected):
        TorchModule(Network(classes), ids, LABELS, **more)


def test_other_inputs_are_another_teacher() -> None:
    torch.manual_seed(0)
    network = Network()
    first = dict(TorchModule(network, ids, LABELS, output="out").fingerprint())
    second = dict(
        TorchModule(network, lambda texts: {"input_ids": ids(texts)["input_ids"] + 1}, LABELS, output="out").fingerprint()
    )
    assert [k for k in first if first[k] != second[k]] == ["preprocessing"]


def test_a_recipe_names_the_module_its_weights_and_its_tokenizer(tmp_path, monkeypatch) -> None:
    tokenizer(tmp_path)
    source = "from torch import nn\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    source += "        self.embedding, self.head = nn.Embedding(64, 8), nn.Linear(8, 3)\n\n"
    source += "    def forward(self, input_ids, attention_mask):\n        return self.head(self.embedding(input_ids).mean(1))\n"
    (tmp_path / "own_network.py").write_text(source, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    torch.manual_seed(3)
    weights = {"embedding.weight": torch.randn(64, 8), "head.weight": torch.randn(3, 8), "head.bias": torch.randn(3)}
    save_file(weights, tmp_path / "own.safetensors")
    settings = TorchModule.Settings("own_network:Net", "own.safetensors", "tokenizer.json", LABELS)
    teacher = TorchModule.load(settings)
    assert torch.equal(teacher.network.head.bias, weights["head.bias"])
    assert teacher.tokenizer_json()["model"]["type"] == "WordPiece"
    assert teacher.answer(TEXTS, LOGITS).logits_BC.shape == (4, 3)
    save_file({"head.weight": torch.randn(3, 8)}, tmp_path / "part.safetensors")
    with pytest.raises(TeacherError, match=r"cannot load the teacher 'own_network:Net'.*[Mm]issing"):
        TorchModule.load(TorchModule.Settings("own_network:Net", "part.safetensors", "tokenizer.json", LABELS))
    assert json.loads((tmp_path / "labels.json").read_text(encoding="utf-8")) == list(LABELS)
