"""A teacher behind an endpoint, against a real server over a socket: what is asked, kept, paid, and said when something is wrong."""

import sqlite3
import threading
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from limbeck.errors import TeacherError
from served import LABELS, TEXTS, Served, chat_server

_endpoint = import_module("limbeck.teachers._endpoint")
BOTH = frozenset({"logits_BC", "known_BC"})
KEY = "sk-very-secret-0123456789"


@pytest.fixture
def served(tmp_path, monkeypatch) -> Iterator[Served]:
    monkeypatch.setattr(_endpoint, "_FIRST_WAIT", 0.01)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    found = Served(tmp_path)
    yield found
    found.close()


def named(teacher: Any, texts=TEXTS) -> list[str]:
    logits = teacher.answer(texts, BOTH).logits_BC
    return [LABELS[i] for i in logits.argmax(axis=1)]


def test_every_fault_is_outlasted_and_every_answer_is_right(served) -> None:
    teacher = served.teacher(timeout=2.0)  # all other tests wait longer than a busy machine takes
    served.chat.faults = list(chat_server.FAULTS)
    more = [f"{t} please" for t in TEXTS]
    assert named(teacher, more) == served.expected(more)
    assert not served.chat.faults
    assert served.chat.most_in_flight <= teacher.settings.concurrency


def test_what_was_answered_is_never_asked_again(served) -> None:
    first = named(served.teacher())
    before = served.asked()
    assert before == len(TEXTS)
    again = served.teacher()
    assert named(again) == first == served.expected(TEXTS)
    assert served.asked() == before
    assert again.spent().calls == len(TEXTS)
    assert again.spent().tokens_in == sum(r["charged"]["prompt_tokens"] for r in served.chat.requests)


def test_log_probabilities_become_the_best_with_a_rest(served) -> None:
    teacher = served.teacher()
    assert teacher.says == "top_k"
    signal = teacher.answer(TEXTS[:3], BOTH)
    expected = [[served.chat.probabilities(t)[label] for label in LABELS] for t in TEXTS[:3]]
    np.testing.assert_allclose(np.exp(signal.logits_BC), expected, atol=1e-5)
    assert (signal.known_BC == 1).all()  # three labels, of which an endpoint names up to twenty


def test_without_log_probabilities_labels_are_taken(served) -> None:
    served.chat.logprobs = False
    teacher = served.teacher()
    assert teacher.says == "labels"
    assert named(teacher) == served.expected(TEXTS)
    with pytest.raises(TeacherError, match="does not support logprobs"):
        served.teacher(logprobs=True)


def test_several_samples_are_votes(served) -> None:
    teacher = served.teacher(samples=5)
    assert teacher.says == "votes"
    shares = np.exp(teacher.answer(TEXTS[:4], frozenset({"logits_BC"})).logits_BC)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, atol=1e-5)
    assert len(np.unique(np.round(shares, 3))) > 2  # at its temperature it does not always say the same
    assert teacher.spent().calls == 5 * len(TEXTS)


def test_any_text_can_be_asked(served) -> None:
    odd = ["", " ", "\ud800b", "\x00", "👍", "w" * 100_000]
    assert served.teacher().answer(odd, BOTH).logits_BC.shape == (6, 3)


def test_structured_output_holds_answers_to_the_set(served) -> None:
    teacher = served.teacher(form="json")
    assert teacher.says == "labels"
    assert named(teacher) == served.expected(TEXTS)


def test_an_answer_that_cannot_be_read_is_asked_again_then_set_aside(served) -> None:
    teacher = served.teacher(concurrency=1)
    served.chat.faults = ["wrong"]
    assert named(teacher, ["once wrong"]) == served.expected(["once wrong"])
    served.chat.faults = ["wrong"] * 3
    signal = teacher.answer(["always wrong"], BOTH)
    np.testing.assert_allclose(signal.logits_BC, -np.log(3), atol=1e-6)
    assert not signal.known_BC.any()
    ((raw, why),) = teacher._store.unusable(teacher._job)
    assert raw == "999999"
    assert "asked 3 times" in why
    before = served.asked()
    teacher.answer(["always wrong"], BOTH)
    assert served.asked() == before  # what was set aside was paid for as well


def test_a_smoke_test_comes_before_the_rest(served) -> None:
    served.chat.faults = ["wrong"] * 60
    with pytest.raises(TeacherError, match=r"of the first 15 answers cannot be used, so no more were asked .*'999999'"):
        served.teacher()


def test_a_key_comes_from_the_environment_and_goes_nowhere_else(served, monkeypatch, tmp_path) -> None:
    served.chat.key = KEY
    with pytest.raises(TeacherError, match="OPENAI_API_KEY, which is not set"):
        served.teacher()
    monkeypatch.setenv("OTHER", "sk-wrong-9876543210")
    with pytest.raises(TeacherError, match="environment variable OTHER") as caught:  # the server repeats the wrong key
        served.teacher(key_env="OTHER")
    assert "sk-wrong" not in str(caught.value)
    assert "Incorrect API key provided: ***" in str(caught.value)
    monkeypatch.setenv("OTHER", KEY)
    teacher = served.teacher(key_env="OTHER")
    assert named(teacher) == served.expected(TEXTS)
    assert KEY not in str(teacher.settings) + str(dict(teacher.fingerprint()))
    teacher.close()
    for path in tmp_path.iterdir():
        assert KEY.encode() not in path.read_bytes()


def test_texts_are_not_in_the_file_of_answers(served, tmp_path) -> None:
    teacher = served.teacher()
    teacher.close()
    for path in tmp_path.iterdir():
        assert all(t.encode() not in path.read_bytes() for t in TEXTS if len(t) > 8)


def test_what_points_to_a_person_may_stay_here(served, monkeypatch) -> None:
    heard = []
    given = served.chat.probabilities
    monkeypatch.setattr(served.chat, "probabilities", lambda text: heard.append(text) or given(text))
    teacher = served.teacher(redact=True)
    text = "this is Ann Lee, where is it? ann@example.com"
    teacher.answer([text], BOTH)
    assert heard[-1] == "this is [NAME 1], where is it? [E-MAIL 1]"
    before = served.asked()
    teacher.answer(["call +44 20 7946 0000", "call +44 20 7946 1111"], BOTH)
    assert served.asked() == before + 1  # one question, once it is told of neither
    assert "texts were pseudonymised" in " ".join(teacher.remarks())


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"endpoint": "http://user:pw@localhost/v1"}, "holds a user, a password or a query"),
        ({"endpoint": "http://localhost/v1?key=sk-1"}, "holds a user, a password or a query"),
        ({"endpoint": "localhost:8000"}, "teacher.endpoint is 'localhost:8000'"),
        ({"model": "other"}, r"The model 'other' does not exist.*Mend teacher.model.*It offers sorter"),
        ({"max_cost": 1.0}, "teacher.max_cost needs the prices"),
        ({"labels": ("only",)}, "two different labels"),
    ],
)
def test_what_will_not_pass_is_said_at_once(served, more, expected) -> None:
    with pytest.raises(TeacherError, match=expected) as caught:
        served.teacher(**more)
    assert "pw" not in str(caught.value)
    assert served.asked() <= 1


def test_an_endpoint_that_is_down_is_given_up(served) -> None:
    with pytest.raises(TeacherError, match=r"teacher.endpoint: .* counts as down|failed 8 times"):
        served.teacher(endpoint="http://127.0.0.1:9/v1")


def test_it_stops_before_it_costs_too_much_and_goes_on_from_there(served) -> None:
    prices = {"price_in": 1000.0, "price_out": 0.0}
    named(served.teacher(**prices))
    more = [f"{t} {n}" for n in range(4) for t in TEXTS]
    spent = served.teacher(**prices).spent().money
    poor = served.teacher(**prices, max_cost=spent * 2, concurrency=2)
    with pytest.raises(TeacherError, match="stopped before teacher.max_cost"):
        poor.answer(more, BOTH)
    assert spent < poor.spent().money <= spent * 2
    rich = served.teacher(**prices, max_cost=spent * 100)
    left = rich.estimate(more)
    assert 0 < left.calls < len(more)
    before = served.asked()
    assert named(rich, more) == served.expected(more)
    assert served.asked() - before == left.calls
    charged = sum(r["charged"]["prompt_tokens"] for r in served.chat.requests if r["charged"])
    assert rich.spent().money == pytest.approx(charged * 1000.0 / 1e6)


def test_an_estimate_asks_nothing(served) -> None:
    teacher = served.teacher(found=False, labels=tuple(LABELS), price_in=2.0, price_out=8.0)
    found = teacher.estimate([*TEXTS, TEXTS[0]])
    assert (found.rows, found.calls) == (len(TEXTS), len(TEXTS))
    assert found.money == pytest.approx((found.tokens_in * 2.0 + found.tokens_out * 8.0) / 1e6, rel=0.01)
    assert served.asked() == 0
    served.chat.logprobs = False
    served.teacher()
    assert (
        served.teacher(found=False, labels=tuple(LABELS)).estimate(TEXTS).calls == 0
    )  # what was answered without them counts too
    assert teacher.gives() >= {"logits_BC"}


def test_several_processes_may_share_the_file(served, tmp_path) -> None:
    teachers = [served.teacher() for _ in range(2)]
    threads = [threading.Thread(target=named, args=(t, [f"{x} {n}" for x in TEXTS])) for n, t in enumerate(teachers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with sqlite3.connect(tmp_path / "answers.sqlite") as connection:
        assert connection.execute("SELECT COUNT(*) FROM answers").fetchone() == (3 * len(TEXTS),)
    connection.close()


def test_a_damaged_file_of_answers_is_kept(served, tmp_path) -> None:
    path = tmp_path / "answers.sqlite"
    path.write_bytes(b"these were dear" * 100)
    with pytest.raises(TeacherError, match="cannot hold paid answers"):
        served.teacher()
    assert path.read_bytes() == b"these were dear" * 100


def test_the_official_client_speaks_to_the_same_server(served) -> None:
    openai = pytest.importorskip("openai", reason="needs the openai package, which comes with the extra dev")
    with openai.OpenAI(base_url=served.url, api_key="any", max_retries=2) as client:
        assert [m.id for m in client.models.list()] == ["sorter"]
        served.chat.faults = ["429", "500"]
        system = "Answer with a number.\n\nLabels:\n1: greeting\n2: question\n3: thanks"
        messages = [{"role": "system", "content": system}, {"role": "user", "content": "where is it"}]
        answer = client.chat.completions.create(model="sorter", messages=messages, logprobs=True, top_logprobs=2)
        assert answer.choices[0].message.content == "2"
        best = answer.choices[0].logprobs.content[0].top_logprobs
        assert next(t.token for t in best) == "2"
        assert answer.usage.prompt_tokens > 10
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="other", messages=messages)
