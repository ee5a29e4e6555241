"""The embedded shop is no template text, and the demo's main job holds on it."""

import json
import re
from collections import Counter, defaultdict

import pytest

import limbeck
from limbeck import shop


def rows(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.lower())


def trigrams(text: str) -> set[tuple[str, ...]]:
    return set(zip(*(words(text)[i:] for i in range(3)), strict=False))


TRAIN, TEST, OUTSIDE = rows(shop.TRAIN), rows(shop.TEST), rows(shop.OUT_OF_SCOPE)


def test_the_sizes() -> None:
    intents = {r["label"] for r in TRAIN}
    assert len(intents) >= 25
    assert {r["label"] for r in TEST} == intents == set(shop.replies()) - {"out_of_scope"}
    assert len(TRAIN) >= 2500
    assert len(TEST) >= 1000
    assert len(OUTSIDE) >= 200
    assert min(Counter(r["label"] for r in TRAIN).values()) >= 60
    assert min(Counter(r["label"] for r in TEST).values()) >= 25


def test_no_text_stands_twice() -> None:
    texts = [" ".join(words(r["text"])) or r["text"] for r in [*TRAIN, *TEST]]
    assert len(set(texts)) == len(texts)
    assert not {r["text"] for r in OUTSIDE} & {r["text"] for r in [*TRAIN, *TEST]}


def test_no_test_text_shares_more_than_half_of_its_trigrams_with_a_training_text() -> None:
    holders = defaultdict(set)
    for number, row in enumerate(TRAIN):
        for trigram in trigrams(row["text"]):
            holders[trigram].add(number)
    for row in TEST:
        own = trigrams(row["text"])
        shared = Counter(number for trigram in own for number in holders[trigram])
        assert max(shared.values(), default=0) <= 0.5 * len(own), row["text"]


def test_no_template_covers_more_than_a_hundredth_of_the_rows() -> None:
    """A template: the text with every word masked that fewer than 2 % of the texts hold, runs of masks folded into one."""
    texts = [r["text"] for r in [*TRAIN, *TEST]]
    common = Counter(w for t in texts for w in set(words(t)))
    frequent = {w for w, n in common.items() if n >= 0.02 * len(texts)}

    def template(text: str) -> tuple[str, ...]:
        masked = [w if w in frequent else "_" for w in words(text)]
        return tuple(w for i, w in enumerate(masked) if w != "_" or i == 0 or masked[i - 1] != "_")

    # A template of one or two words ("stop _") is too short to be one.
    found = Counter(t for t in map(template, texts) if sum(w != "_" for w in t) >= 3)
    assert found.most_common(1)[0][1] <= 0.01 * len(texts)
    openings = Counter(tuple(words(t)[:4]) for t in texts if len(words(t)) > 4)
    assert openings.most_common(1)[0][1] <= 0.01 * len(texts)


def test_people_write_short_and_long() -> None:
    lengths = sorted(len(words(r["text"])) for r in TRAIN)
    assert lengths[len(lengths) // 10] <= 5
    assert lengths[-1] >= 50


def test_a_keyword_counter_is_fooled() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    for vectorizer in (TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), TfidfVectorizer()):
        model = make_pipeline(vectorizer, LinearSVC())
        model.fit([r["text"] for r in TRAIN], [r["label"] for r in TRAIN])
        assert model.score([r["text"] for r in TEST], [r["label"] for r in TEST]) <= 0.90


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory):
    return limbeck.distill(shop.recipe(), out=tmp_path_factory.mktemp("demo") / "shop")


def test_the_teacher_understands_the_customers(demo) -> None:
    assert demo.teacher.quality.accuracy.estimate >= 0.93


def test_the_student_keeps_most_of_it_in_a_small_file(demo) -> None:
    assert demo.student.quality.accuracy.estimate >= 0.92 * demo.teacher.quality.accuracy.estimate
    assert demo.student.footprint.bytes <= 3_000_000
    assert demo.student.footprint.latency.p50_us < demo.teacher.footprint.latency.p50_us / 10


def test_the_conversation_of_the_demo(demo) -> None:
    known = {r["text"] for r in [*TRAIN, *TEST]}
    assert not known & set(shop.CONVERSATION)
    answers = limbeck.load(demo.bundle).predict(shop.CONVERSATION)
    assert all(shop.replies()[a.label] for a in answers)


def test_a_model_with_other_weights_is_refused(tmp_path, monkeypatch) -> None:
    package = tmp_path / shop.MODEL_PACKAGE
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "model" / "model.safetensors").write_bytes(b"other weights")
    monkeypatch.syspath_prepend(tmp_path)
    shop.packaged_model.cache_clear()
    try:
        with pytest.raises(limbeck.LimbeckError, match="has sha256"):
            shop.packaged_model()
    finally:
        shop.packaged_model.cache_clear()
