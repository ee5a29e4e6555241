"""Bundles of every schema that was ever written keep loading, and answer what they answered."""

import json
import math

import pytest

import limbeck
from bundles import KEPT
from limbeck.bundle import SCHEMA_VERSION, Bundle

THRESHOLDS = (0.7, 0.45, 0.4)
"""Of the bundle of schema 3."""


def test_a_bundle_of_every_schema_is_kept() -> None:
    assert sorted(p.name for p in KEPT.iterdir()) == [f"v{n}" for n in range(1, SCHEMA_VERSION + 1)]
    for folder in KEPT.iterdir():
        assert f"v{json.loads((folder / 'manifest.json').read_bytes())['schema_version']}" == folder.name


@pytest.mark.parametrize(("schema", "temperature", "threshold"), [("v1", 1.0, 0.0), ("v2", 0.5, 0.336)])
def test_it_answers_what_it_answered(schema: str, temperature: float, threshold: float) -> None:
    golden = json.loads((KEPT / schema / "golden.json").read_text(encoding="utf-8"))
    predictor = limbeck.load(KEPT / schema)
    assert predictor.labels == ("greeting", "question", "thanks")
    abstained = set()
    for row, answer in zip(golden["logits"], predictor.predict(golden["payloads"]), strict=True):
        powers = [math.exp(logit / temperature) for logit in row]  # by hand: softmax(logits / temperature)
        assert answer.probability == pytest.approx(max(powers) / sum(powers), abs=1e-5)
        assert predictor.labels.index(answer.label) == powers.index(max(powers))
        assert answer.abstain == (answer.probability < threshold)
        abstained.add(answer.abstain)
    assert abstained == ({False} if schema == "v1" else {False, True})


def test_what_old_manifests_did_not_say_has_its_old_meaning() -> None:
    manifest = Bundle.open(KEPT / "v1").manifest
    assert (manifest.precision, manifest.calibration.temperature, manifest.calibration.threshold) == ("float32", 1.0, 0.0)


def test_several_labels_are_given_from_their_kept_thresholds() -> None:
    golden = json.loads((KEPT / "v3" / "golden.json").read_text(encoding="utf-8"))
    predictor = limbeck.load(KEPT / "v3")
    thresholds = dict(zip(predictor.labels, THRESHOLDS, strict=True))
    given = set()
    for row, answer in zip(golden["logits"], predictor.predict(golden["payloads"]), strict=True):
        likely = {
            label: 1 / (1 + math.exp(-logit / 0.004)) for label, logit in zip(predictor.labels, row, strict=True)
        }  # by hand
        assert set(answer.labels) == {label for label, p in likely.items() if p >= thresholds[label]}
        assert answer.probabilities == pytest.approx([likely[label] for label in answer.labels], abs=1e-5)
        given.add(len(answer.labels))
    assert len(given) > 1
