"""Teachers of other kinds than Hugging Face's: what each takes, what it says of it, and what it says when something is wrong."""

import gzip
import json
import sys

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from limbeck.errors import MissingExtraError, TeacherError
from limbeck.teachers._content import content_of
from limbeck.teachers._mapped import Mapped
from limbeck.teachers.boosting import Boosting
from limbeck.teachers.ensemble import Ensemble
from limbeck.teachers.function import Function
from limbeck.teachers.recorded import Recorded
from limbeck.teachers.sklearn import Sklearn
from limbeck.types import Record
from samples import ROWS, SEVERAL

LOGITS, BOTH = frozenset({"logits_BC"}), frozenset({"logits_BC", "known_BC"})
LABELS = ("greeting", "question", "thanks")
TEXTS, TRUE = [t for t, _ in ROWS], [y for _, y in ROWS]
RECORDS = [Record(t, t, y) for t, y in ROWS]


def fitted(last=None, features=None):
    return make_pipeline(features or TfidfVectorizer(analyzer="char", ngram_range=(1, 3)), last or LogisticRegression()).fit(
        TEXTS, TRUE
    )


def probabilities(teacher, texts=TEXTS) -> np.ndarray:
    logits = teacher.answer(texts, LOGITS).logits_BC.astype(np.float64)
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


# --- scikit-learn ------------------------------------------------------------------------------------------


def test_an_estimator_says_its_own_probabilities() -> None:
    model = fitted()
    np.testing.assert_allclose(probabilities(Sklearn(model)), model.predict_proba(TEXTS), atol=1e-6)


def test_scores_are_scaled_by_rows_with_a_label() -> None:
    model = fitted(LinearSVC(C=10.0))
    teacher = Sklearn(model)
    flat = probabilities(teacher).max(axis=1).mean()
    teacher.discover(RECORDS, LABELS)
    assert probabilities(teacher).max(axis=1).mean() > flat + 0.2
    assert [LABELS[i] for i in probabilities(teacher).argmax(axis=1)] == list(model.predict(TEXTS))
    assert dict(teacher.fingerprint()) != dict(Sklearn(model).fingerprint())


def test_two_classes_have_one_score() -> None:
    some = [(t, y) for t, y in ROWS if y != "thanks"]
    model = make_pipeline(CountVectorizer(analyzer="char"), LinearSVC()).fit(*zip(*some, strict=True))
    teacher = Sklearn(model)
    assert [teacher.labels[i] for i in probabilities(teacher).argmax(axis=1)] == list(model.predict(TEXTS))


def test_the_same_fit_has_the_same_fingerprint_and_other_features_another() -> None:
    before = dict(Sklearn(fitted()).fingerprint())
    assert dict(Sklearn(fitted()).fingerprint()) == before
    lower = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), lowercase=False)
    assert dict(Sklearn(fitted(features=lower)).fingerprint())["weights"] != before["weights"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (object(), "object has neither"),
        (LogisticRegression(), "has no classes_, so it is not fitted"),
    ],
)
def test_what_is_no_fitted_estimator_is_refused(given, expected) -> None:
    with pytest.raises(TeacherError, match=expected):
        Sklearn(given)
    with pytest.raises(TeacherError, match=r"teacher.labels names 2 classes, but this teacher of kind sklearn has 3"):
        Sklearn(fitted(), ["a", "b"])


def test_a_file_is_opened_by_trust_and_never_a_pickle(tmp_path) -> None:
    io = pytest.importorskip("skops.io", reason="needs the extra sklearn")
    import pickle

    path = tmp_path / "teacher.skops"
    io.dump(fitted(), path)
    found = Sklearn.load(Sklearn.Settings(str(path)))
    np.testing.assert_allclose(probabilities(found), probabilities(Sklearn(fitted())), atol=1e-6)
    io.dump(make_pipeline(CountVectorizer(tokenizer=split, token_pattern=None), LogisticRegression()).fit(TEXTS, TRUE), path)
    with pytest.raises(TeacherError, match=r"holds types that skops does not know for harmless: '.*split'.*teacher.trusted"):
        Sklearn.load(Sklearn.Settings(str(path)))
    (tmp_path / "teacher.pkl").write_bytes(pickle.dumps(fitted()))
    with pytest.raises(TeacherError, match="a pickle is never opened"):
        Sklearn.load(Sklearn.Settings(str(tmp_path / "teacher.pkl")))


def split(text: str) -> list[str]:
    return text.split()


def test_without_skops_the_extra_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "skops", None)
    with pytest.raises(MissingExtraError, match=r'pip install "limbeck\[sklearn\]"\.$'):
        Sklearn.load(Sklearn.Settings(str(tmp_path / "teacher.skops")))


# --- trees -------------------------------------------------------------------------------------------------


def trees(library: str):
    pytest.importorskip(library, reason="needs the extra boosting")
    features = CountVectorizer(analyzer="char", dtype=np.float32).fit(TEXTS)
    rows, classes = features.transform(TEXTS * 4), np.array([LABELS.index(y) for y in TRUE * 4])
    if library == "lightgbm":
        import lightgbm

        settings = {"objective": "multiclass", "num_class": 3, "min_data_in_leaf": 1, "num_threads": 1, "verbose": -1}
        data = lightgbm.Dataset(rows, classes, params={"min_data_in_bin": 1, "verbose": -1})
        return lightgbm.train(settings, data, num_boost_round=5), features
    if library == "xgboost":
        import xgboost

        settings = {"objective": "multi:softprob", "num_class": 3, "nthread": 1}
        return xgboost.train(settings, xgboost.DMatrix(rows, classes), num_boost_round=5), features
    import catboost

    model = catboost.CatBoostClassifier(iterations=5, thread_count=1, verbose=False, allow_writing_files=False)
    return model.fit(rows, np.array(TRUE * 4)), features


@pytest.mark.parametrize("library", ["lightgbm", "xgboost", "catboost"])
def test_trees_go_to_disk_in_their_native_form_and_come_back(library: str, tmp_path) -> None:
    pytest.importorskip("skops", reason="needs the extra sklearn")
    model, features = trees(library)
    teacher = Boosting(model, features, LABELS)
    assert (probabilities(teacher).argmax(axis=1) == [LABELS.index(y) for y in TRUE]).mean() > 0.8
    back = Boosting.load(Boosting.Settings(str(teacher.save(tmp_path))))
    np.testing.assert_allclose(probabilities(back), probabilities(teacher), atol=1e-6)
    assert back.labels == LABELS
    assert dict(back.fingerprint())["preprocessing"] == dict(teacher.fingerprint())["preprocessing"]


def test_what_are_no_trees_is_refused(tmp_path) -> None:
    with pytest.raises(TeacherError, match="expected trees of LightGBM"):
        Boosting(fitted(), CountVectorizer(), LABELS)
    with pytest.raises(TeacherError, match=r"expected a file of trees that ends in \.txt"):
        Boosting.load(Boosting.Settings(str(tmp_path / "trees.pkl")))


# --- recorded ----------------------------------------------------------------------------------------------


def written(path, rows) -> str:
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return str(path)


def test_probabilities_are_read_from_objects_and_from_lists(tmp_path) -> None:
    given = {"greeting": 0.7, "question": 0.2, "thanks": 0.1}
    by_name = Recorded.load(Recorded.Settings(written(tmp_path / "a.jsonl.gz", [{"text": "hi", "probabilities": given}])))
    path = tmp_path / "b.csv"
    path.write_text('text,p\nhi,"[0.7, 0.2, 0.1]"\n', encoding="utf-8")
    listed = Recorded.load(Recorded.Settings(str(path), column="p", gives="probabilities", labels=LABELS))
    for teacher in (by_name, listed):
        assert teacher.says == "probabilities"
        assert teacher.labels == LABELS
        np.testing.assert_allclose(probabilities(teacher, ["hi"]), [[0.7, 0.2, 0.1]], atol=1e-6)


def test_the_best_few_leave_a_rest_that_is_not_known(tmp_path) -> None:
    path = written(tmp_path / "a.jsonl", [{"text": "hi", "top_k": {"greeting": float(np.log(0.6))}}])
    teacher = Recorded.load(Recorded.Settings(path, labels=LABELS))
    assert teacher.gives() == BOTH
    signal = teacher.answer(["hi"], BOTH)
    np.testing.assert_allclose(np.exp(signal.logits_BC), [[0.6, 0.2, 0.2]], atol=1e-6)
    np.testing.assert_array_equal(signal.known_BC, [[1, 0, 0]])


def test_votes_are_shares_and_a_label_is_nearly_sure(tmp_path) -> None:
    votes = Recorded.load(
        Recorded.Settings(written(tmp_path / "v.jsonl", [{"text": "hi", "votes": {"greeting": 4, "thanks": 1}}]), labels=LABELS)
    )
    assert votes.says == "votes"
    np.testing.assert_allclose(probabilities(votes, ["hi"]), [[(4 + 1 / 6) / 5.5, (1 / 6) / 5.5, (1 + 1 / 6) / 5.5]], atol=1e-6)
    named = Recorded.load(Recorded.Settings(written(tmp_path / "l.jsonl", [{"text": "hi", "label": "thanks"}]), labels=LABELS))
    np.testing.assert_allclose(probabilities(named, ["hi"]), [[0.01, 0.01, 0.98]], atol=1e-6)


@pytest.mark.parametrize(
    ("row", "more", "expected"),
    [
        ({"text": "hi", "probabilities": {"greeting": 0.5, "question": 0.1, "thanks": 0.1}}, {}, "add up to 0.7"),
        ({"text": "hi", "probabilities": {"greeting": -0.5, "question": 0.5, "thanks": 1.0}}, {}, "none below 0"),
        ({"text": "hi", "probabilities": "much"}, {}, "expected probabilities as a JSON object"),
        (
            {"text": "hi", "label": "thank"},
            {"labels": LABELS},
            r"the answer 'thank' is none of the 3 labels.*Did you mean 'thanks'",
        ),
        ({"text": "hi", "top_k": {"greeting": 1.2}}, {"labels": LABELS}, "whose sum is at most 1"),
        (
            {"text": "hi", "said": "x"},
            {},
            r"expected the columns 'text' and probabilities or top_k or votes or label; there are 'text', 'said'",
        ),
        ({"text": "hi", "said": "x"}, {"column": "said"}, "teacher.gives = probabilities or top_k"),
        ({"text": "hi", "said": "x"}, {"column": "said", "gives": "logits"}, "teacher.gives is 'logits'"),
        ({"text": "hi", "label": "thanks"}, {}, "two different labels at least"),
    ],
)
def test_bad_answers_are_named_with_the_fix(row, more, expected, tmp_path) -> None:
    with pytest.raises(TeacherError, match=expected):
        Recorded.load(Recorded.Settings(written(tmp_path / "a.jsonl", [row]), **more)).answer(["hi"], LOGITS)


# --- callables ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda texts: ["thanks"] * len(texts), "labels"),
        (lambda texts: [{"thanks": 3, "greeting": 1}] * len(texts), "votes"),
        (lambda texts: [{"thanks": 0.6, "greeting": 0.3}] * len(texts), "top_k"),
        (lambda texts: [{"thanks": 0.6, "greeting": 0.3, "question": 0.1}] * len(texts), "probabilities"),
        (lambda texts: np.tile([0.3, 0.1, 0.6], (len(texts), 1)), "probabilities"),
        (lambda texts: [[0.3, 0.1, 0.6]] * len(texts), "probabilities"),
    ],
)
def test_what_a_callable_gives_is_found_out(call, says) -> None:
    teacher = Function(call)
    teacher.discover(RECORDS, LABELS)
    assert teacher.says == says
    assert teacher.labels == LABELS
    assert (probabilities(teacher).argmax(axis=1) == LABELS.index("thanks")).all()


def fails(texts):
    raise OSError("no network")


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (fails, "teacher fails failed on .*OSError: no network"),
        (lambda texts: ["thanks"], "gave 1 answers to"),
        (lambda texts: [None] * len(texts), "expected for each text its label.*got NoneType"),
        (lambda texts: np.ones((len(texts), 3)), "whose sum is 1; those of row 1 add up to 3"),
        (lambda texts: np.full((len(texts), 2), 0.5), "expected the probabilities of 3 classes"),
        (lambda texts: ["bye"] * len(texts), "the answer 'bye' is none of the 3 labels"),
    ],
)
def test_a_callable_that_answers_with_something_else_is_refused(call, expected) -> None:
    with pytest.raises(TeacherError, match=expected):
        Function(call).discover(RECORDS, LABELS)


def test_a_callable_is_found_by_its_name(tmp_path, monkeypatch) -> None:
    (tmp_path / "own_teacher.py").write_text(
        "def says(texts):\n    return ['question' if '?' in t else 'thanks' for t in texts]\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    teacher = Function.load(Function.Settings("own_teacher:says"))
    teacher.discover(RECORDS, LABELS)
    assert probabilities(teacher, ["why?", "ta"]).argmax(axis=1).tolist() == [1, 2]
    for name, expected in (
        ("own_teacher:nothing", "has no attribute 'nothing'"),
        ("own_teacher", "package.module:callable"),
        ("os:sep", "cannot be called"),
    ):
        with pytest.raises(TeacherError, match=expected):
            Function.load(Function.Settings(name))


def test_other_weights_behind_the_same_source_show_in_the_fingerprint() -> None:
    weights = {"thanks": 0.9}

    def call(texts):
        return [{"thanks": weights["thanks"], "greeting": 1 - weights["thanks"], "question": 0.0}] * len(texts)

    teacher = Function(call, LABELS)
    before = dict(teacher.fingerprint())
    weights["thanks"] = 0.8
    assert [k for k, v in teacher.fingerprint().items() if before[k] != v] == ["weights"]


# --- ensembles ---------------------------------------------------------------------------------------------


def of(row, labels=LABELS) -> Function:
    return Function(lambda texts: np.tile(row, (len(texts), 1)), labels)


def test_an_ensemble_is_the_weighted_mean_and_knows_where_its_members_disagree() -> None:
    alike, apart = of([0.8, 0.1, 0.1]), of([0.1, 0.8, 0.1])
    teacher = Ensemble([alike, apart], [3.0, 1.0])
    np.testing.assert_allclose(probabilities(teacher, ["x"]), [[0.625, 0.275, 0.1]], atol=1e-6)

    def entropy(p):
        return -float(np.sum(np.asarray(p) * np.log(p)))

    expected = entropy([0.625, 0.275, 0.1]) - entropy([0.8, 0.1, 0.1])  # by hand: both members have the same entropy
    found = teacher.answer(["x"], teacher.gives()).disagreement_B
    np.testing.assert_allclose(found, [expected], atol=1e-5)
    np.testing.assert_allclose(Ensemble([alike, alike]).answer(["x"], teacher.gives()).disagreement_B, [0.0], atol=1e-6)


def test_members_may_list_their_classes_in_other_orders() -> None:
    teacher = Ensemble([of([0.8, 0.1, 0.1]), of([0.1, 0.1, 0.8], LABELS[::-1])])
    np.testing.assert_allclose(probabilities(teacher, ["x"]), [[0.8, 0.1, 0.1]], atol=1e-6)


def test_an_ensemble_of_labels_is_votes() -> None:
    teacher = Ensemble([Function(lambda texts: ["thanks"] * len(texts)), Function(lambda texts: ["question"] * len(texts))])
    teacher.discover(RECORDS, LABELS)
    assert teacher.says == "votes"


@pytest.mark.parametrize(
    ("members", "weights", "expected"),
    [
        ([of([0.8, 0.1, 0.1])], (), "two members at least"),
        ([of([0.8, 0.1, 0.1])] * 2, (1.0,), "2 members and 1 weights"),
        ([of([0.8, 0.1, 0.1]), of([0.5, 0.5], ["greeting", "bye"])], (), r"teacher.members.1: its classes are not.*'bye'"),
    ],
)
def test_an_ensemble_that_is_none_is_refused(members, weights, expected) -> None:
    with pytest.raises(TeacherError, match=expected):
        Ensemble(members, weights)


def test_a_wrong_member_is_named_by_its_place() -> None:
    with pytest.raises(TeacherError, match=r"teacher.members.1: no_such_key: unknown key"):
        Ensemble.load(Ensemble.Settings(({"kind": "function", "model": "math:sqrt"}, {"kind": "recorded", "no_such_key": 1})))
    with pytest.raises(TeacherError, match=r"teacher.members.0.kind: .*'sklern' is not among the teachers"):
        Ensemble.load(Ensemble.Settings(({"kind": "sklern"}, {"kind": "sklearn"})))


# --- another set of labels ----------------------------------------------------------------------------------


def test_finer_classes_are_summed_and_some_left_out() -> None:
    fine = of([0.1, 0.2, 0.3, 0.4], ["hi", "good day", "why", "noise"])
    teacher = Mapped(fine, {"hi": "greeting", "good day": "greeting", "why": "question", "noise": None})
    assert teacher.labels == ("greeting", "question")
    np.testing.assert_allclose(probabilities(teacher, ["x"]), [[0.5, 0.5]], atol=1e-6)
    assert set(teacher.fingerprint()) == {*fine.fingerprint(), "map"}
    assert teacher.says == "probabilities"
    assert teacher.form == "Python"


def test_a_label_is_known_where_all_its_classes_are() -> None:
    call = Function(lambda texts: [{"hi": 0.5, "why": 0.2}] * len(texts), ["hi", "good day", "why"])
    signal = Mapped(call, {"good day": "hi"}).answer(["x"], BOTH)
    np.testing.assert_allclose(np.exp(signal.logits_BC), [[0.8, 0.2]], atol=1e-6)
    np.testing.assert_array_equal(signal.known_BC, [[0, 1]])


def test_a_table_that_fits_no_class_is_refused() -> None:
    with pytest.raises(TeacherError, match=r"teacher.map: the teacher has no class 'hello'.*It knows 'greeting'"):
        Mapped(of([0.8, 0.1, 0.1]), {"hello": "greeting"})
    with pytest.raises(TeacherError, match="two different ones"):
        Mapped(of([0.8, 0.1, 0.1]), dict.fromkeys(LABELS, "all"))


def test_content_does_not_depend_on_memory_or_order() -> None:
    a, b = {"x": np.arange(3), "y": {1, 2}}, {"y": {2, 1}, "x": np.arange(3)}
    assert content_of(a) == content_of(b)
    assert content_of(a) != content_of({**a, "x": np.arange(3.0)})
    ring: list = []
    ring.append(ring)
    assert content_of(ring) == content_of(ring)


# --- several labels ---------------------------------------------------------------------------------------


def of_several(call, labels=LABELS) -> Function:
    teacher = Function(call, labels)
    teacher.answers_with(True)
    return teacher


@pytest.mark.parametrize(
    ("answer", "says", "expected"),
    [
        (["thanks", "greeting"], "labels", [0.98, 0.02, 0.98]),
        ([], "labels", [0.02, 0.02, 0.02]),
        ({"thanks": 0.9, "greeting": 0.8, "question": 0.0}, "probabilities", [0.8, 0.0, 0.9]),
        ([0.8, 0.1, 0.9], "probabilities", [0.8, 0.1, 0.9]),
        (np.array([1, 0, 1]), "probabilities", [1.0, 0.0, 1.0]),
    ],
)
def test_what_a_callable_says_of_several_labels_is_read_with_a_sigmoid(answer, says, expected) -> None:
    teacher = of_several(lambda texts: [answer] * len(texts))
    assert teacher.says == says
    logits_BC = teacher.answer(["x", "y"], LOGITS).logits_BC
    np.testing.assert_allclose(1 / (1 + np.exp(-logits_BC)), [expected] * 2, atol=1e-5)
    assert np.isfinite(logits_BC).all()


def test_the_reading_is_part_of_the_fingerprint() -> None:
    def call(texts):
        return np.tile([0.2, 0.2, 0.6], (len(texts), 1))

    one, several = Function(call, LABELS), of_several(call)
    with pytest.raises(TeacherError, match="sum to 1, as a softmax makes them"):
        several.answer(TEXTS, LOGITS)
    assert "labels of a text" not in one.fingerprint()
    three = of_several(lambda texts: [["thanks"]] * len(texts))
    assert three.fingerprint()["labels of a text"] == "several"


def test_doubt_that_never_sums_to_one_is_no_softmax() -> None:
    sure = np.tile([0.999, 0.0005, 0.0005], (40, 1))  # of texts with one label each a sigmoid may say this
    of_several(lambda texts: sure[: len(texts)]).answer(["x"] * 40, LOGITS)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"text": "a", "votes": {"thanks": 3}}], "holds votes, which are of one label among all"),
        ([{"text": "a", "label": "thanks"}, {"text": "b", "label": "question"}], "for each a list of labels"),
        ([{"text": "a", "probabilities": {"thanks": 0.5, "question": 1.5}}], "lie between 0.5 and 1.5.*give their sigmoid"),
    ],
)
def test_a_file_of_one_label_is_refused_for_several(tmp_path, rows, expected) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    teacher = Recorded.load(Recorded.Settings(str(path), labels=("thanks", "question")))

    def asked() -> None:
        teacher.answers_with(True)
        teacher.answer(["a"], LOGITS)

    with pytest.raises(TeacherError, match=expected):
        asked()


def test_lists_in_a_csv_file_are_json(tmp_path) -> None:
    path = tmp_path / "answers.csv"
    path.write_text('text,label\na,"[""thanks"", ""question""]"\nb,[]\n', encoding="utf-8")
    teacher = Recorded.load(Recorded.Settings(str(path)))
    teacher.answers_with(True)
    assert teacher.labels == ("question", "thanks")
    assert (teacher.answer(["a", "b"], LOGITS).logits_BC > 0).tolist() == [[True, True], [False, False]]
    one = Recorded.load(Recorded.Settings(str(path)))
    with pytest.raises(TeacherError, match="expected for each text its label.*got tuple"):
        one.answer(["a"], LOGITS)


def test_scores_of_several_labels_get_one_factor() -> None:
    rows = [Record(t, t, tuple(sorted(y))) for t, y in SEVERAL]
    applies = np.array([[label in y for label in LABELS] for _, y in SEVERAL], int)
    features = TfidfVectorizer(token_pattern=r"\w+")
    model = make_pipeline(features, OneVsRestClassifier(LinearSVC())).fit([t for t, _ in SEVERAL], applies)
    teacher = Sklearn(model, LABELS)
    teacher.answers_with(True)
    teacher.discover(rows, LABELS)
    logits_BC = teacher.answer([t for t, _ in SEVERAL], LOGITS).logits_BC
    assert ((logits_BC > 0) == applies).mean() > 0.9
    assert float(teacher.fingerprint()["factor"]) > 1.0
