"""What the Hugging Face teacher says word by word is the mean of the last hidden state, for each kind of head."""

import numpy as np
import pytest
import torch
import transformers

from limbeck.modalities.text import Text
from limbeck.objectives.hidden_states import HiddenStates
from limbeck.teachers.huggingface import EncoderClassifier, Huggingface
from limbeck.text import words
from limbeck.types import Batch, Outputs, Shapes

TEXTS = ["hello there, friend", "", "a", "x " * 400, "👍 ok\u0301", "  where is  it?"]
BY_WORD = frozenset({"hidden_BWD", "mask_BW"})


@pytest.fixture(params=["mean pooling", "own head"])
def teacher(request: pytest.FixtureRequest, tiny_teacher):
    ours, folder = tiny_teacher
    if request.param == "mean pooling":
        return ours
    torch.manual_seed(0)
    config = transformers.AutoConfig.from_pretrained(folder, num_labels=3)
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    return Huggingface(EncoderClassifier(model, None), transformers.AutoTokenizer.from_pretrained(folder), "abc", 32)


def expected(teacher: Huggingface, text: str) -> dict[int, np.ndarray]:
    """The mean state of each word of a text, asked alone, with a loop."""
    backbone = teacher.module.backbone
    batch = {k: torch.from_numpy(v) for k, v in teacher.collate(teacher.encode([text])).items()}
    with torch.inference_mode():
        out = backbone.base_model(input_ids=batch["ids"], attention_mask=batch["mask"].long())
    hidden_TD, numbers_T = out.last_hidden_state[0].numpy(), teacher.words([text])[0]
    return {int(n): hidden_TD[numbers_T == n].mean(0) for n in set(numbers_T.tolist()) - {-1}}


def test_states_by_word_are_the_mean_over_each_words_tokens(teacher) -> None:
    found = teacher.answer(TEXTS, BY_WORD | {"logits_BC"})
    one_by_one = [expected(teacher, text) for text in TEXTS]
    most = 1 + max(n for own in one_by_one for n in own)
    assert found.hidden_BWD.shape == (len(TEXTS), most, 16)
    assert found.hidden_BWD.dtype == found.mask_BW.dtype == np.float32
    for row, own in enumerate(one_by_one):
        for number in range(most):
            assert found.mask_BW[row, number] == (number in own)
            np.testing.assert_allclose(found.hidden_BWD[row, number], own.get(number, np.zeros(16)), atol=1e-5)
    # Of 400 words it read those that its tokens hold, and of a short text all that are there.
    assert found.mask_BW[3].sum() == teacher.max_tokens - 2
    assert found.mask_BW[0].sum() == len(words(TEXTS[0]))
    assert found.mask_BW[1].sum() == 0


def test_other_fields_are_the_same_with_states_and_without(teacher) -> None:
    needs = frozenset({"logits_BC"})
    np.testing.assert_array_equal(teacher.answer(TEXTS, needs).logits_BC, teacher.answer(TEXTS, needs | BY_WORD).logits_BC)
    assert set(teacher.answer(TEXTS, frozenset({"mask_BW"})).given()) == {"mask_BW"}


def test_states_are_the_same_again_and_company_changes_only_the_padding(teacher) -> None:
    texts = TEXTS * 20
    first, again = (teacher.answer(texts, BY_WORD) for _ in range(2))
    np.testing.assert_array_equal(first.hidden_BWD, again.hidden_BWD)
    alone = teacher.answer(TEXTS[:1], BY_WORD)
    own = alone.mask_BW.shape[1]
    np.testing.assert_allclose(first.hidden_BWD[0, :own], alone.hidden_BWD[0], atol=1e-5)
    assert not first.mask_BW[0, own:].any()


def test_texts_without_words_have_states_of_width_one_word(teacher) -> None:
    found = teacher.answer(["", " "], BY_WORD)
    assert found.hidden_BWD.shape == (2, 1, 16)
    assert not found.mask_BW.any()


def test_an_encoder_with_a_decoder_gives_no_states(teacher) -> None:
    assert teacher.gives() >= BY_WORD
    teacher.module.backbone.config.is_encoder_decoder = True
    try:
        assert not teacher.gives() & BY_WORD
    finally:
        teacher.module.backbone.config.is_encoder_decoder = False


def test_the_teachers_own_states_given_by_a_student_that_stops_earlier_are_at_distance_0(teacher) -> None:
    """Teacher, modality and objective together: words are the same words, and truncation on one side hurts nothing."""
    modality = Text(teacher.tokenizer_json(), max_tokens=8)
    encoded, numbers = modality.encode(TEXTS), modality.words(TEXTS)
    arrays = {k: torch.from_numpy(v) for k, v in teacher.collate(teacher.encode(TEXTS)).items()}
    with torch.inference_mode():
        hidden_BTD = teacher.module(**arrays, hidden=True).hidden_BTD[:, 1 : 1 + max(map(len, encoded))]  # behind [CLS]
    words_BT = torch.full(hidden_BTD.shape[:2], -1)
    for row, own in enumerate(numbers):
        words_BT[row, : len(own)] = torch.from_numpy(own)
    signal = teacher.answer(TEXTS, BY_WORD).map(torch.from_numpy)
    batch = Batch({}, torch.zeros(len(TEXTS), dtype=torch.int64), signal, words_BT)
    objective, shapes = HiddenStates(), Shapes(3, 16)

    def distances(states_BTD: torch.Tensor) -> torch.Tensor:
        outputs = Outputs(torch.zeros(len(TEXTS), 3), None, states_BTD)
        return objective(outputs, signal, batch, objective.init(shapes, shapes), torch.ones(len(TEXTS))).per_element

    whole = [row for row, text in enumerate(TEXTS) if len(teacher.encode([text])[0]) <= 10 or text.startswith("x ")]
    assert len(whole) >= 4
    assert distances(hidden_BTD)[whole].max() < 1e-6
    assert distances(hidden_BTD.flip(0)).max() > 0.1
