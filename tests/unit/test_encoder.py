"""The encoder student is its teacher when it takes all of it; chosen layers, a factorised table and a start without a teacher."""

import numpy as np
import pytest
import torch
import transformers
from scipy.special import softmax
from scipy.stats import entropy
from torch import nn

from limbeck.errors import RecipeError, TeacherError
from limbeck.students._transformer import chosen_layers
from limbeck.students.encoder import Encoder
from limbeck.targets.numpy import evaluate
from limbeck.teachers._encoder_weights import encoder_weights
from limbeck.teachers._layer_importance import most_missed, stack_of
from limbeck.teachers.huggingface import EncoderClassifier, Huggingface

V, S, L = 40, 16, 3
BERT = {
    "vocab_size": V, "hidden_size": S, "num_hidden_layers": L, "num_attention_heads": 2, "intermediate_size": 24,
    "max_position_embeddings": 32,
}  # fmt: skip
FAMILIES = {
    "bert": lambda **k: transformers.BertModel(transformers.BertConfig(**BERT, **k)),
    "bert, relu": lambda **k: transformers.BertModel(transformers.BertConfig(**BERT, hidden_act="relu", **k)),
    "bert with a head": lambda **k: transformers.BertForSequenceClassification(transformers.BertConfig(**BERT, **k)).bert,
    "roberta": lambda **k: transformers.RobertaModel(transformers.RobertaConfig(**BERT, pad_token_id=1, **k)),
    "xlm-roberta": lambda **k: transformers.XLMRobertaModel(transformers.XLMRobertaConfig(**BERT, pad_token_id=1, **k)),
    "camembert": lambda **k: transformers.CamembertModel(transformers.CamembertConfig(**BERT, pad_token_id=1, **k)),
    "electra": lambda **k: transformers.ElectraModel(transformers.ElectraConfig(**BERT, embedding_size=S, **k)),
    "distilbert": lambda **k: transformers.DistilBertModel(
        transformers.DistilBertConfig(vocab_size=V, dim=S, n_layers=L, n_heads=2, hidden_dim=24, max_position_embeddings=32)
    ),
}


def shaken(module: torch.nn.Module) -> torch.nn.Module:
    """Random numbers everywhere, in biases, norms and padding rows too, which a fresh model leaves at 0 and 1."""
    dice = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=dice))
    return module.eval()


def teacher(family: str) -> Huggingface:
    torch.manual_seed(0)
    module = EncoderClassifier(FAMILIES[family](), None)
    found = Huggingface(module, None, (), 30)
    found.add_head(["a", "b", "c"], seed=0)
    shaken(found.module)
    return found


def batch() -> dict[str, np.ndarray]:
    dice = np.random.default_rng(0)
    lengths = np.array([20, 1, 7, 3])
    mask = (np.arange(20)[None, :] < lengths[:, None]).astype(np.float32)
    ids = np.where(mask > 0, dice.integers(2, V, mask.shape), 1)  # 1 pads, as RoBERTa does
    return {"ids": ids, "mask": mask}


def logits(module: torch.nn.Module, inputs: dict[str, np.ndarray]) -> np.ndarray:
    with torch.inference_mode():
        return module(**{k: torch.from_numpy(v) for k, v in inputs.items()}).logits_BC.numpy()


WHOLE = Encoder.Settings(layers=L, embedding_width=0, precision="float32")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_layers_that_a_teacher_misses_most_by_students_that_take_them(family: str) -> None:
    the_teacher, inputs = teacher(family), batch()
    stack = stack_of(the_teacher.module.backbone)
    before, layers = logits(the_teacher.module, inputs), list(stack)

    def most(number: int) -> tuple[int, ...]:
        return most_missed(stack, number, lambda: logits(the_teacher.module, inputs))

    def divergence(chosen: tuple[int, ...]) -> float:
        settings = Encoder.Settings(layers=chosen, embedding_width=0, precision="float32")
        student = Encoder(settings, V, 3, start=the_teacher.start(np.arange(V))).eval()
        return float(entropy(softmax(before, 1), softmax(logits(student, inputs), 1), axis=1).mean())

    pair = min(((1, 2), (1, 3), (2, 3)), key=divergence)
    assert most(2) == pair
    assert most(1) == min(((n,) for n in pair), key=divergence)
    assert most(3) == (1, 2, 3)
    assert list(stack) == layers
    np.testing.assert_array_equal(logits(the_teacher.module, inputs), before)


def test_layers_that_cannot_be_left_out_are_said() -> None:
    with pytest.raises(TeacherError, match="layers is 9, but the teacher has 3"):
        teacher("bert").most_missed(9, ["a"])
    model = transformers.MPNetModel(transformers.MPNetConfig(**BERT))
    with pytest.raises(TeacherError, match=r"cannot be left out one by one\. Set it to even"):
        Huggingface(EncoderClassifier(model, None), None, (), 30).most_missed(1, ["a"])


def test_layers_come_back_when_a_teacher_fails_without_them() -> None:
    stack = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    layers = list(stack)

    def answer() -> np.ndarray:
        if len(stack) < 3:
            raise RuntimeError("out of memory")
        return np.zeros((1, 2), np.float32)

    with pytest.raises(RuntimeError, match="out of memory"):
        most_missed(stack, 1, answer)
    assert list(stack) == layers


@pytest.mark.parametrize("family", FAMILIES)
def test_an_encoder_that_takes_the_whole_teacher_says_what_it_says(family: str) -> None:
    the_teacher, inputs = teacher(family), batch()
    student = Encoder(WHOLE, V, 3, start=the_teacher.start(np.arange(V))).eval()
    expected = logits(the_teacher.module, inputs)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(logits(student, inputs), expected, atol=1e-4)
    np.testing.assert_allclose(evaluate(student.graph(), inputs), expected, atol=1e-4)
    assert student.origin == "teacher's layers 1, 2, 3, token embeddings, head"


def test_the_base_model_is_found_behind_a_head() -> None:
    torch.manual_seed(0)
    model = shaken(transformers.RobertaForSequenceClassification(transformers.RobertaConfig(**BERT, pad_token_id=1)))
    found, inner = encoder_weights(model), encoder_weights(model.roberta)
    assert found is not None
    assert inner is not None
    np.testing.assert_array_equal(found.positions_PS, inner.positions_PS)
    assert Huggingface(EncoderClassifier(model, None), None, ("a", "b"), 30).start(np.arange(V)).head is None


@pytest.mark.parametrize(
    "model",
    [
        lambda: FAMILIES["bert"](is_decoder=True),
        lambda: transformers.BertModel(transformers.BertConfig(**BERT, hidden_act="gelu_new")),
        lambda: transformers.ElectraModel(transformers.ElectraConfig(**BERT, embedding_size=S // 2)),
        lambda: transformers.MPNetModel(transformers.MPNetConfig(**BERT)),
        lambda: torch.nn.Linear(2, 2),
    ],
)
def test_other_models_are_not_taken_apart(model) -> None:
    assert encoder_weights(model()) is None


def test_layers_are_spread_evenly_with_the_last_or_named() -> None:
    assert [chosen_layers(n, 6) for n in (1, 2, 3, 6)] == [(6,), (3, 6), (2, 4, 6), (1, 2, 3, 4, 5, 6)]
    assert chosen_layers(4, 12) == (3, 6, 9, 12)  # TinyBERT's g(m) = 3m
    assert chosen_layers((1, 6), 6) == (1, 6)
    assert chosen_layers(2, None) == (1, 2)
    for wanted in (7, (1, 7)):
        with pytest.raises(RecipeError, match="the teacher has 6 layers"):
            chosen_layers(wanted, 6)


def test_the_chosen_layers_are_the_teachers() -> None:
    start = teacher("bert").start(np.arange(V))
    student = Encoder(Encoder.Settings(layers=(2,), embedding_width=0), V, 3, start=start)
    np.testing.assert_array_equal(student.layers[0].up.weight.detach().numpy(), start.encoder.layers[1]["up.weight"])
    np.testing.assert_array_equal(student.layers[0].qkv.bias[S : 2 * S].detach().numpy(), start.encoder.layers[1]["key.bias"])


@pytest.mark.parametrize("width", [1, 5, S - 1])
def test_a_factorised_table_starts_as_the_best_approximation_of_its_rank(width: int) -> None:
    """By the Eckart-Young theorem: the singular values that are left out, of the centred table."""
    start = teacher("bert").start(np.arange(V))
    student = Encoder(Encoder.Settings(embedding_width=width), V, 3, start=start)
    found = student.projection(student.embedding.weight[1:]).detach().numpy()
    centred = start.tokens_VS - start.tokens_VS.mean(0)
    left_out = np.linalg.svd(centred, compute_uv=False)[width:]
    assert np.linalg.norm(found - start.tokens_VS) == pytest.approx(np.linalg.norm(left_out), rel=1e-3)


def test_unused_pieces_share_the_mean_of_their_rows() -> None:
    start, used_V = teacher("bert").start(np.arange(V)), np.arange(V) % 3 > 0
    student = Encoder(Encoder.Settings(embedding_width=0), V, 3, start=start, used_V=used_V)
    assert student.embedding.num_embeddings == used_V.sum() + 1
    np.testing.assert_allclose(student.embedding.weight[0].detach(), start.tokens_VS[~used_V].mean(0), atol=1e-6)
    np.testing.assert_array_equal(student.embedding.weight[student.row_of_piece[4]].detach(), start.tokens_VS[4])


def test_without_a_teacher_of_its_kind_it_starts_from_random_numbers() -> None:
    start = Huggingface(EncoderClassifier(transformers.MPNetModel(transformers.MPNetConfig(**BERT)), None), None, (), 30).start(
        np.arange(V)
    )
    student = Encoder(Encoder.Settings(layers=1), V, 3, start=start)
    assert student.origin == f"teacher's token embeddings ({S} principal components)"
    assert student.shapes().width == 256
    assert np.isfinite(logits(student.eval(), batch())).all()
    assert Encoder(Encoder.Settings(layers=1), V, 3).origin == "random"


def test_a_text_longer_than_the_positions_is_said() -> None:
    network, _ = Encoder.tiny()
    with pytest.raises(RecipeError, match="teacher.max_tokens=128"):
        network(torch.zeros(1, 129, dtype=torch.int64), torch.ones(1, 129))


def test_hidden_states_are_given_and_their_mean_is_the_representation() -> None:
    network, inputs = Encoder.tiny()
    with torch.inference_mode():
        out = network.eval()(**{k: torch.from_numpy(v) for k, v in inputs.items()})
    mask = torch.from_numpy(inputs["mask"]).unsqueeze(-1)
    mean = (out.hidden_BTD * mask).sum(1) / mask.sum(1).clamp_min(1)
    torch.testing.assert_close(out.embedding_BD, mean)


def test_it_trains_in_bfloat16_near_to_what_it_says_in_float32() -> None:
    network, inputs = Encoder.tiny()
    tensors = {k: torch.from_numpy(v) for k, v in inputs.items()}
    exact = logits(network.eval(), inputs)
    network.train()
    network.settings = Encoder.Settings(dropout=0.0)
    with torch.autocast("cpu", torch.bfloat16):
        out = network(**tensors)
    assert torch.isfinite(out.logits_BC).all()
    out.logits_BC.float().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)
    network.eval()
    with torch.autocast("cpu", torch.bfloat16), torch.inference_mode():
        np.testing.assert_allclose(network(**tensors).logits_BC.float(), exact, atol=0.1)


def test_settings_take_a_list_of_layers_from_a_recipe() -> None:
    from limbeck.settings import complete, made

    assert made(Encoder.Settings, {"layers": [3, 6]}).layers == (3, 6)
    assert complete(Encoder.Settings, {"layers": [3, 6]})["layers"] == [3, 6]
    assert made(Encoder.Settings, {"layers": 2}).layers == 2
    for wrong in ([], [0], 0, "2", [1.5], True):
        with pytest.raises(ValueError, match="layers"):
            made(Encoder.Settings, {"layers": wrong})
