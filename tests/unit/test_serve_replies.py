"""An operator's file of replies: read whole, or refused with everything that is wrong in it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from limbeck import shop
from limbeck.errors import InputFileError, RepliesError
from limbeck.serve.replies import of, read

LABELS = ["greeting", "thanks"]
GOOD = {"greeting": "Hello!", "thanks": "You are welcome.", "out_of_scope": "Pardon?"}


def written(folder: Path, content: Any) -> Path:
    path = folder / "replies.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def test_the_file_that_the_guide_shows_is_one(tmp_path: Path) -> None:
    guide = (Path(__file__).resolve().parents[2] / "docs" / "guides" / "serving.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```json\n(\{\n  \"card_lost.*?)```", guide, re.DOTALL)
    assert read(written(tmp_path, shown.encode()), ["card_lost", "invoice", "human"]).name == "Example Bank"


def test_a_flat_file_is_enough(tmp_path: Path) -> None:
    found = read(written(tmp_path, GOOD), LABELS)
    assert found.to("greeting") == "Hello!"
    assert found.to("greeting", abstain=True) == "Pardon?"
    assert found.name == "Customer service"


def test_the_page_can_be_named(tmp_path: Path) -> None:
    page = {"name": "A shop", "greeting": "Hi", "handing_over": "Wait.", "examples": ["hello?"], "person": ["thanks"]}
    found = read(written(tmp_path, {**GOOD, "page": page}), LABELS)
    assert (found.name, found.greeting, found.handing_over) == ("A shop", "Hi", "Wait.")
    assert (found.examples, found.person) == (("hello?",), frozenset({"thanks"}))


def test_a_label_may_be_called_page(tmp_path: Path) -> None:
    assert read(written(tmp_path, {**GOOD, "page": "Here."}), [*LABELS, "page"]).to("page") == "Here."


def test_the_demo_s_shop_speaks_for_its_own_labels() -> None:
    labels = [label for label in shop.replies() if label != "out_of_scope"]
    found = of(labels)
    assert (found.name, found.to("invoice")) == ("Pinecroft", shop.replies()["invoice"])
    assert found.person <= set(labels)


def test_without_replies_the_intent_is_named_and_the_way_to_replies() -> None:
    assert "card lost" in of(["card_lost"]).to("card_lost")
    assert "--replies" in of(["card_lost"]).to("card_lost")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "JSON"),
        (b'{"a": "x", "a": "y"}', "twice"),
        (b"[" * 100, "deeper"),
        ([], "list"),
        ({}, "no reply to 'greeting', 'thanks', 'out_of_scope'"),
        ({**GOOD, "greeting": ""}, "the reply to 'greeting' must be a text"),
        ({**GOOD, "greeting": 5}, "is 5"),
        ({**GOOD, "greeting": "\ud800"}, "the reply to 'greeting' must be a text"),
        ({**GOOD, "thank": "x"}, "Did you mean 'thanks'"),
        ({**GOOD, "page": {"nam": "x"}}, "Did you mean 'name'"),
        ({**GOOD, "page": {"examples": "x"}}, "page.examples must be a list"),
        ({**GOOD, "page": {"person": ["nobody"]}}, "'nobody', which the bundle does not know"),
        ({**GOOD, "page": {"name": 3}}, "page.name must be a text"),
    ],
)
def test_a_wrong_file_is_refused_by_name(content: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(RepliesError) as refusal:
        read(written(tmp_path, content), LABELS)
    assert says in str(refusal.value)
    assert "replies.json" in str(refusal.value)


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    with pytest.raises(RepliesError) as refusal:
        read(written(tmp_path, {"greeting": 1, "thank": "x"}), LABELS)
    assert str(refusal.value).count(";") == 2


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="nowhere"):
        read(tmp_path / "nowhere.json", LABELS)
