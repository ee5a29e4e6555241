"""The teacher as an ONNX bundle: it says what torch says, it is made once, and where it cannot be made the reason is said."""

import json
import logging

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from limbeck import load
from limbeck.bundle import Bundle
from limbeck.errors import ExportError, MissingExtraError, ParityError, TeacherError
from limbeck.pipeline import shipped
from limbeck.pipeline.shipped import FOLDER, WRITTEN, teacher_bundle, weighed
from limbeck.recipe import Recipe
from limbeck.run import Run
from limbeck.targets import _torch_export
from limbeck.targets._torch_export import write_module
from limbeck.teachers._averaged import Averaged
from limbeck.teachers._for_export import logits_module
from limbeck.teachers.huggingface import EncoderClassifier, Huggingface
from limbeck.types import Signal
from limbeck.verify.exported import check_exported
from limbeck.verify.footprint import Model

LOGITS = frozenset({"logits_BC"})
LABELS = ["greeting", "question", "thanks"]
TEXTS = ["hello", "where is it", "", "a b c d e f g", "x " * 200, "abc", "ada"]
SIZE = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
ROBERTA = {**SIZE, "pad_token_id": 1, "max_position_embeddings": 40, "hidden_act": "relu"}
DEBERTA = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_biased_input": False, "position_buckets": 8}
CONFIGS = {
    "bert": transformers.BertConfig(**{**SIZE, "num_hidden_layers": 2}),
    "distilbert": transformers.DistilBertConfig(vocab_size=50, dim=16, n_layers=1, n_heads=2, hidden_dim=24),
    "roberta": transformers.RobertaConfig(**ROBERTA),
    "xlm-roberta": transformers.XLMRobertaConfig(**ROBERTA),
    "mpnet": transformers.MPNetConfig(**SIZE, max_position_embeddings=40, num_labels=3),
    "deberta-v2": transformers.DebertaV2Config(**SIZE, **DEBERTA, num_labels=3),
}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory):
    """A WordPiece tokenizer whose padding is not id 0, as RoBERTa's is not; a bundle fills up with id 0."""
    folder = tmp_path_factory.mktemp("tokenizer")
    words = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", *"abcdefghijklmnopqrstuvwxyz", *(f"##{c}" for c in "abcdefghijklmnop")]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}', encoding="utf-8")
    found = transformers.AutoTokenizer.from_pretrained(folder, use_fast=True)
    assert found.pad_token_id == 1
    return found


@pytest.fixture
def run(tmp_path) -> Run:
    recipe = Recipe.read({}, [], {"data.train": "rows.jsonl", "out": str(tmp_path)})
    return Run(recipe, tmp_path, threads=1, device="cpu", environment={"limbeck": "here"}, data={})


def a_teacher(tokenizer, backbone: nn.Module, head: bool = True, seed: int = 0) -> Huggingface:
    """A teacher of 12 tokens; its weights are drawn large, so that wrong positions or padding show in the logits."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in backbone.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0.0, 0.3, generator=generator)
    teacher = Huggingface(EncoderClassifier(backbone, None), tokenizer, () if head else LABELS, 12)
    if head:
        teacher.add_head(LABELS, seed)
        with torch.no_grad():
            teacher.module.head.weight.mul_(50.0)
    return teacher


def of_kind(tokenizer, kind: str, own_head: bool, seed: int = 0) -> Huggingface:
    made_by = transformers.AutoModelForSequenceClassification if own_head else transformers.AutoModel
    return a_teacher(tokenizer, made_by.from_config(CONFIGS[kind]), not own_head, seed)


@pytest.fixture
def bert(tokenizer) -> Huggingface:
    return of_kind(tokenizer, "bert", own_head=False)


def says_the_same(bundle: Bundle, teacher) -> None:
    predictor = load(bundle.path)
    expected_BC = teacher.answer(TEXTS, LOGITS).logits_BC
    assert np.ptp(expected_BC, axis=0).max() > 0.05  # a file that ignores its input would not pass
    np.testing.assert_allclose(predictor.logits(TEXTS), expected_BC, atol=1e-4)
    alone_BC = np.concatenate([predictor.logits([t]) for t in TEXTS])
    np.testing.assert_allclose(alone_BC, expected_BC, atol=1e-4)
    assert predictor.labels == teacher.labels


@pytest.mark.parametrize("kind", ["bert", "distilbert", "roberta", "xlm-roberta"])
def test_a_backbone_of_berts_kind_is_written_operator_by_operator(kind: str, tokenizer, run, monkeypatch) -> None:
    monkeypatch.setattr(shipped, "_export", lambda *a: pytest.fail("torch's exporter was asked"))
    teacher = of_kind(tokenizer, kind, own_head=False)
    bundle = teacher_bundle(run, teacher)
    assert isinstance(bundle, Bundle), bundle
    says_the_same(bundle, teacher)


def test_a_teacher_with_a_head_of_its_own_goes_through_the_exporter(tokenizer, run, capfd, caplog) -> None:
    teacher = of_kind(tokenizer, "deberta-v2", own_head=True)
    teacher.precision = "bfloat16"
    attention = teacher.module.backbone.config._attn_implementation
    bundle = teacher_bundle(run, teacher)
    assert isinstance(bundle, Bundle), bundle
    assert teacher.precision == "bfloat16"
    assert teacher.module.backbone.config._attn_implementation == attention
    teacher.precision = "float32"
    says_the_same(bundle, teacher)
    assert capfd.readouterr() == ("", "")
    assert not [r for r in caplog.records if r.levelno > logging.INFO]
    for trace in (b".py", b"site-packages", b"pkg.torch"):  # the exporter's notes on its caller
        assert trace not in (bundle.path / "model.onnx").read_bytes()


def test_several_seeds_become_one_file(tokenizer, run) -> None:
    teacher = Averaged([of_kind(tokenizer, "mpnet", own_head=True, seed=seed) for seed in range(2)])
    bundle = teacher_bundle(run, teacher)
    assert isinstance(bundle, Bundle), bundle
    says_the_same(bundle, teacher)
    member = Averaged(teacher.members[:1])
    assert np.abs(member.answer(TEXTS, LOGITS).logits_BC - teacher.answer(TEXTS, LOGITS).logits_BC).max() > 0.05


def test_it_is_made_once_and_taken_only_by_proof(bert, run, tokenizer, monkeypatch) -> None:
    bundle = teacher_bundle(run, bert)
    assert isinstance(bundle, Bundle)
    assert bundle.path == run.folder / FOLDER
    made, sha256 = shipped._written, bundle.sha256
    asked = []
    monkeypatch.setattr(shipped, "_written", lambda *a: asked.append(1) or made(*a))
    assert teacher_bundle(run, bert) == bundle
    bert.precision = "bfloat16"  # the file is float32 whatever the teacher labels in
    assert teacher_bundle(run, bert) == bundle
    assert not asked
    (bundle.path / "model.onnx").write_bytes(b"damaged")
    assert teacher_bundle(run, bert) == bundle
    (run.folder / WRITTEN).write_text("{", encoding="utf-8")
    assert teacher_bundle(run, bert) == bundle
    assert len(asked) == 2
    other = of_kind(tokenizer, "bert", own_head=False, seed=1)
    assert teacher_bundle(run, other).sha256 != sha256
    assert not (run.folder / ".teacher-draft").exists()


class Untraceable(nn.Module):
    """A backbone that torch.export cannot follow."""

    def __init__(self) -> None:
        super().__init__()
        self.config = transformers.PretrainedConfig(hidden_size=16)
        self.embedding = nn.Embedding(50, 16)

    def get_input_embeddings(self) -> nn.Module:
        return self.embedding

    def forward(self, input_ids, attention_mask):
        if torch.compiler.is_exporting():
            raise NotImplementedError("it looks at its numbers\nand more")
        return transformers.modeling_outputs.BaseModelOutput(last_hidden_state=self.embedding(input_ids))


def test_a_teacher_that_reads_its_padding_has_no_file(bert, run, monkeypatch) -> None:
    # The file is held against torch with the same padding, and then against the teacher with its own.
    answer = bert.answer
    monkeypatch.setattr(bert, "answer", lambda texts, needs: Signal(logits_BC=answer(texts, needs).logits_BC + 0.5))
    reason = teacher_bundle(run, bert)
    assert isinstance(reason, str)
    assert "answers otherwise by 0.5 in a logit when shorter texts are filled up with id 0" in reason
    assert not (run.folder / FOLDER).exists()


def test_a_teacher_that_cannot_be_exported_is_measured_in_torch(tokenizer, run, tiny_bundle, monkeypatch) -> None:
    teacher = a_teacher(tokenizer, Untraceable())
    reason = teacher_bundle(run, teacher)
    assert isinstance(reason, str)
    assert reason == "torch's exporter cannot write it: NotImplementedError: it looks at its numbers"
    assert json.loads((run.folder / WRITTEN).read_text(encoding="utf-8"))["reason"] == reason
    monkeypatch.setattr(shipped, "_written", lambda *a: pytest.fail("it was tried again"))
    assert teacher_bundle(run, teacher) == reason
    found = weighed(run, teacher, reason, Model("onnx int8", 9, tiny_bundle), TEXTS, processes=1)
    asked, student = found.of
    assert (asked.form, asked.bytes, asked.cold_start_seconds) == ("torch float32", 4 * teacher.parameters, None)
    assert asked.latency is not None
    assert asked.latency.p50_us > 0
    assert (student.form, student.bytes) == ("onnx int8", tiny_bundle.bytes)
    assert found.notes[-1].endswith(reason)


def test_the_file_and_the_student_are_weighed_alike(bert, run, tiny_bundle) -> None:
    written = teacher_bundle(run, bert)
    asked, student = weighed(run, bert, written, Model("onnx int8", 9, tiny_bundle), TEXTS, processes=1).of
    assert (asked.form, asked.bytes, asked.parameters) == ("onnx float32", written.bytes, bert.parameters)
    for footprint in (asked, student):
        assert None not in (footprint.bytes_compressed, footprint.latency, footprint.cold_start_seconds)


def test_a_teacher_of_large_logits_makes_a_bundle_that_loads(bert, run) -> None:
    with torch.no_grad():
        bert.module.head.weight.mul_(300 / bert.module.head.weight.abs().max())
    written = teacher_bundle(run, bert)
    assert isinstance(written, Bundle)
    found_BC = load(written.path).logits(TEXTS)
    assert np.abs(found_BC).max() > 11  # so that the tolerance would lie above what a bundle may ask for
    np.testing.assert_allclose(found_BC, bert.answer(TEXTS, LOGITS).logits_BC, rtol=1e-4)


def test_a_tokenizer_that_a_bundle_cannot_follow_is_a_reason(bert, run, monkeypatch) -> None:
    encode = bert.encode
    monkeypatch.setattr(bert, "encode", lambda texts: [ids[:-1] for ids in encode(texts)])
    reason = teacher_bundle(run, bert)
    assert isinstance(reason, str)
    assert reason.startswith("its tokenizer reads 'hello' as [2, ")


def test_a_teacher_that_is_no_network_is_a_reason() -> None:
    with pytest.raises(TeacherError, match="a teacher of kind object is no torch module"), logits_module(object()):
        pass


def test_weights_that_one_file_cannot_hold(bert, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(_torch_export, "_MOST_BYTES", 1000)
    example = torch.ones(2, 3, dtype=torch.int64), torch.ones(2, 3)
    with pytest.raises(ExportError, match="one ONNX file holds at most 1,000"):
        write_module(bert.module, *example, tmp_path / "model.onnx", 12)


def test_an_onnxscript_that_is_too_old_is_no_fault_of_the_teacher(bert, tmp_path, monkeypatch) -> None:
    def export(*args, **settings):
        raise ModuleNotFoundError("No module named 'onnxscript._framework_apis.torch_9'")

    monkeypatch.setattr(torch.onnx, "export", export)
    example = torch.ones(2, 3, dtype=torch.int64), torch.ones(2, 3)
    with pytest.raises(MissingExtraError, match=r"newer onnxscript than .*torch_9.*pip install --upgrade onnxscript"):
        write_module(bert.module, *example, tmp_path / "model.onnx", 12)


class Sum(nn.Module):
    def forward(self, ids, mask):
        return (ids.float() * mask).sum(1, keepdim=True)


def test_parity_goes_over_all_shapes_and_is_relative_to_large_logits() -> None:
    shapes = []

    def written(inputs, wrong=0.0, only=None):
        shapes.append(inputs["ids"].shape)
        logits_BC = (inputs["ids"] * inputs["mask"]).sum(1, keepdims=True).astype(np.float32)
        assert (inputs["mask"][0] == 1).all()
        assert (inputs["ids"][inputs["mask"] == 0] == 0).all()
        return logits_BC + (wrong if only in (None, inputs["ids"].shape) else 0.0)

    assert check_exported(Sum(), written, ids_V=np.arange(9), longest=11) == 0.0
    assert set(shapes) == {(b, t) for b in (1, 2, 7, 32) for t in (1, 5, 11)}
    assert check_exported(Sum(), lambda i: written(i, 0.05), ids_V=np.arange(10_000), longest=11, batch_sizes=(2,)) > 0.0
    with pytest.raises(ParityError, match="differs from torch by 0.05 in a logit at batch 7 and length 5"):
        check_exported(Sum(), lambda i: written(i, 0.05, (7, 5)), ids_V=np.arange(2), longest=11)
    with pytest.raises(ParityError, match=r"gives logits \(1, 2\) at batch 1 and length 1, torch gives \(1, 1\)"):
        check_exported(Sum(), lambda i: np.zeros((len(i["ids"]), 2), np.float32), ids_V=np.arange(9), longest=11)
    with pytest.raises(ParityError, match="differs from torch by nan"):
        check_exported(Sum(), lambda i: written(i, float("nan")), ids_V=np.arange(9), longest=11)

    def fails(inputs):
        raise RuntimeError("bad dimension\nand more")

    with pytest.raises(ParityError, match="fails at batch 1 and length 1: bad dimension$"):
        check_exported(Sum(), fails, ids_V=np.arange(9), longest=11)


def test_a_file_that_says_something_else_is_an_error(bert, run, monkeypatch) -> None:
    graph = shipped.teacher_graph

    def spoiled(teacher):
        with torch.no_grad():
            teacher.module.head.bias[1] += 0.01
        try:
            return graph(teacher)
        finally:
            with torch.no_grad():
                teacher.module.head.bias[1] -= 0.01

    monkeypatch.setattr(shipped, "teacher_graph", spoiled)
    with pytest.raises(ParityError, match="differs from torch by 0.01"):
        teacher_bundle(run, bert)
    assert not (run.folder / WRITTEN).exists()
