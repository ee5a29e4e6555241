"""Golden examples and tokenizers that must not open; every hash is right. Adds to the cases of `hostile_cases`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hostile_cases import Made, add, good, plain, resealed

# --- golden examples and modality ---------------------------------------------------------------------------


def _json(name: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Path], Made]:
    return plain(lambda: resealed({name: json.dumps({**(old := json.loads(good()[name])), **change(old)}).encode()}))


def _text(name: str, data: bytes) -> Callable[[Path], Made]:
    return plain(lambda: resealed({name: data}))


add(
    "golden_wrong",
    "golden examples differ",
    _json("golden.json", lambda g: {"logits": [[v + 0.5 for v in r] for r in g["logits"]]}),
)
add("golden_none", "golden.json holds no golden", _json("golden.json", lambda g: {"payloads": [], "logits": []}))
add("golden_tolerance_huge", "tolerance is 1000", _json("golden.json", lambda g: {"tolerance": 1e9}))
add("golden_tolerance_zero", "tolerance is 0", _json("golden.json", lambda g: {"tolerance": 0}))
add("golden_rows_missing", "golden.json.*as many rows", _json("golden.json", lambda g: {"logits": g["logits"][1:]}))
add("golden_text_as_logit", "golden.json.*finite", _json("golden.json", lambda g: {"logits": [["x"] * 3] * 4}))
add(
    "golden_infinite",
    "golden.json.*finite",
    _text("golden.json", b'{"payloads":["a"],"logits":[[1e999,0,0]],"tolerance":0.001}'),
)
add("golden_nan", "'golden.json'.*NaN", _text("golden.json", b'{"payloads":["a"],"logits":[[NaN,0,0]],"tolerance":0.001}'))
add("golden_payload_a_number", "TypeError.*a text is expected", _json("golden.json", lambda g: {"payloads": [1, 2, 3, 4]}))
add("golden_nesting_bomb", "'golden.json'.*nests", _text("golden.json", b"[" * 1_000_000))
add("golden_more_keys", "golden.json.*'surprise'", _json("golden.json", lambda g: {"surprise": 1}))
add("modality_a_list", "'modality.json' must hold an object", _text("modality.json", b"[]"))
add("modality_nesting_bomb", "'modality.json'.*nests", _text("modality.json", b'{"tokenizer":' * 100_000))
add("modality_key_twice", "'modality.json'.*twice", _text("modality.json", b'{"a":1,"a":2}'))
add("modality_junk", "'modality.json' is not JSON", _text("modality.json", b"\x80\x04junk"))
add("max_tokens_huge", "max_tokens is 10000", _json("modality.json", lambda m: {"max_tokens": 10**12}))
add("max_tokens_true", "max_tokens is True", _json("modality.json", lambda m: {"max_tokens": True}))
add("around_a_million", "'before' is", _json("modality.json", lambda m: {"before": [1] * 10**6}))


def _tokenizer(**changes: Any) -> Callable[[Path], Made]:
    return _json("modality.json", lambda m: {"tokenizer": {**m["tokenizer"], **changes}})


def _split(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


add("regex_bomb", "pattern.*repeats a group", _tokenizer(pre_tokenizer=_split(r"(a+)+$")))
add("regex_bomb_counted", "pattern.*repeats a group", _tokenizer(pre_tokenizer=_split(r"(a|aa){1,99}b")))
add("regex_bomb_nested", "pattern.*repeats a group", _tokenizer(normalizer={"type": "Sequence", "normalizers": [
    {"type": "Replace", "pattern": {"Regex": r"((\s*)*)*x"}, "content": ""}]}))  # fmt: skip
add("regex_back_reference", "pattern.*refers", _tokenizer(pre_tokenizer=_split(r"(a*)\1")))
add("regex_recursive", "pattern.*refers", _tokenizer(pre_tokenizer=_split(r"(?R)?a")))
add("regex_long", "pattern.*characters", _tokenizer(pre_tokenizer=_split("a" * 100_000)))
add(
    "vocabulary_id_huge",
    "vocabulary",
    _tokenizer(model={"type": "WordLevel", "vocab": {"[UNK]": 0, "a": 2**60}, "unk_token": "[UNK]"}),
)
add(
    "vocabulary_id_negative",
    "vocabulary",
    _tokenizer(model={"type": "WordLevel", "vocab": {"[UNK]": -1}, "unk_token": "[UNK]"}),
)
add(
    "vocabulary_sparse",
    "vocabulary has 1 pieces",
    _tokenizer(model={"type": "WordLevel", "vocab": {"[UNK]": 2**30}, "unk_token": "[UNK]"}),
)
add("tokenizer_of_no_type", "tokenizer cannot be read", _tokenizer(model={"type": "Oracle", "vocab": {}}))
add("tokenizer_without_model", "tokenizer holds no model", _tokenizer(model=None))
add(
    "unknown_token_missing",
    "modality.json|model.onnx|golden.json",
    _tokenizer(model={"type": "Unigram", "vocab": [], "unk_id": 7}),
)
add(
    "precompiled_junk",
    "modality.json|model.onnx|golden.json",
    _tokenizer(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAAAAAA"}),
)
