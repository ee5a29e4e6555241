"""Bytes, latency, memory and cold start of bundles, and the same bundle through two doors."""

import io
import sys
import time
import zipfile

import pytest

from limbeck.bundle import Bundle
from limbeck.errors import BundleError, ParityError
from limbeck.runtime.predict import Predictor
from limbeck.verify import company, footprint
from limbeck.verify.company import Company
from limbeck.verify.doors import same_through_cli
from limbeck.verify.footprint import Model, compressed_bytes, footprints, interleaved_latency, new_process

TEXTS = ["hello there", "where is it", "", "a\nb", "\ud800 half", "x " * 500, "thank you 👍"]


def test_slow_and_fast_models_are_told_apart_and_asked_the_same() -> None:
    asked: list[tuple[str, int]] = []

    def model(name: str, seconds: float):
        def answer(query: int) -> None:
            asked.append((name, query))
            time.sleep(seconds)

        return answer

    slow, fast = interleaved_latency([model("slow", 0.004), model("fast", 0.0)], range(6), block=3)
    assert slow.p50_us >= 4000
    assert slow.p50_us <= slow.p95_us
    assert fast.p50_us < slow.p50_us / 4
    turns = [name for name, _ in asked]
    assert turns == (["slow"] * 5 + ["fast"] * 5) * 2  # two that warm up, three that count
    assert [q for n, q in asked if n == "fast"] == [0, 1, 0, 1, 2, 3, 4, 3, 4, 5]


def test_the_archive_is_counted_as_zip_writes_it(tiny_bundle: Bundle) -> None:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(tiny_bundle.path.iterdir()):
            archive.write(path, path.name)
    # A stream that cannot go back writes each file's size behind it, 16 bytes.
    assert 0 <= compressed_bytes(tiny_bundle) - len(whole.getvalue()) <= 16 * len(list(tiny_bundle.path.iterdir()))
    assert compressed_bytes(tiny_bundle) < tiny_bundle.bytes


def test_a_new_process_is_timed_as_a_whole_and_its_memory_is_its_own(tiny_bundle: Bundle) -> None:
    ballast = bytearray(b"x") * 300_000_000  # Linux hands a parent's peak down: it must not be charged to the child
    started = new_process(tiny_bundle, "hello")
    del ballast
    assert 0.02 < started.seconds < 60.0
    assert started.peak_memory_bytes is not None
    assert 10_000_000 < started.peak_memory_bytes < 250_000_000


def test_a_process_that_cannot_answer_says_why(tiny_bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="a text is expected; got list"):
        new_process(tiny_bundle, ["not", "a", "text"])


def test_a_process_that_never_answers_is_ended(tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footprint, "_CHILD", "import time; time.sleep(60)")
    monkeypatch.setattr(footprint, "_SECONDS", 0.2)
    before = time.perf_counter()
    with pytest.raises(BundleError, match="could not answer"):
        new_process(tiny_bundle, "hello")
    assert time.perf_counter() - before < 30.0


def test_a_process_that_never_reads_is_no_broken_pipe(tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footprint, "_CHILD", "import sys; sys.stdin.close(); sys.exit('nothing doing')")
    with pytest.raises(BundleError, match=r"ended with 1 and could not answer: nothing doing"):
        new_process(tiny_bundle, "x" * 1_000_000)


def test_footprints_of_a_bundle_and_of_a_model_without_one(tiny_bundle: Bundle) -> None:
    asked = []
    found = footprints(
        [Model("torch float32", 7, answer=asked.append, bytes=28), Model("onnx int8", 5, tiny_bundle)], TEXTS, processes=1
    )
    without, student = found.of
    assert (without.form, without.bytes, without.parameters) == ("torch float32", 28, 7)
    assert (without.bytes_compressed, without.peak_memory_bytes, without.cold_start_seconds) == (None, None, None)
    assert without.latency is not None
    assert set(asked) == set(TEXTS)
    assert (student.form, student.bytes, student.parameters) == ("onnx int8", tiny_bundle.bytes, 5)
    assert student.bytes_compressed == compressed_bytes(tiny_bundle)
    assert student.latency is not None
    assert student.latency.p50_us > without.latency.p50_us
    assert student.peak_memory_bytes is not None
    assert student.cold_start_seconds is not None


@pytest.mark.parametrize("share", [0.05, 0.4])
def test_a_busy_machine_is_said(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Company, "share", lambda self: share)
    notes = footprints([Model("torch float32", 1, answer=str, bytes=4)], ["a"] * 3).notes
    assert len(notes) == (share > company.BUSY)
    assert not notes or "40% of the cores" in notes[0]


def test_the_number_of_queries_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footprint, "MOST_QUERIES", 4)
    asked: list[int] = []
    footprints([Model("torch float32", 1, answer=asked.append, bytes=4)], range(100))
    assert max(asked) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/stat")
def test_our_own_work_is_no_company(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = {"all": 100.0, "ours": 10.0, "now": 0.0}
    monkeypatch.setattr(company, "_busy", lambda: (clock["all"], clock["ours"]))
    monkeypatch.setattr(company.time, "perf_counter", lambda: clock["now"])
    monkeypatch.setattr(company.os, "cpu_count", lambda: 2)
    alone = Company()
    clock.update({"all": 104.0, "ours": 14.0, "now": 4.0})
    assert alone.share() == 0.0
    clock.update({"all": 106.0})  # two more seconds of 2 cores for 4 seconds
    assert alone.share() == pytest.approx(0.25)
    monkeypatch.setattr(company, "_busy", lambda: None)
    assert alone.share() == 0.0


def test_the_command_line_says_what_python_says(tiny_bundle: Bundle) -> None:
    assert same_through_cli(tiny_bundle, TEXTS) <= 1e-6


def test_a_door_that_says_something_else_is_an_error(tiny_bundle: Bundle) -> None:
    predictor = Predictor(tiny_bundle)
    other = [*TEXTS[1:], "much obliged"]

    class Elsewhere:
        modality = predictor.modality

        def predict(self, payloads):
            return predictor.predict(other)

    with pytest.raises(ParityError, match=r"row \d+: limbeck predict answers .* Python answers"):
        same_through_cli(tiny_bundle, TEXTS, Elsewhere())

    class Fewer:
        modality = predictor.modality

        def predict(self, payloads):
            return predictor.predict(payloads[1:])

    with pytest.raises(ParityError, match="7 answers for 6 rows"):
        same_through_cli(tiny_bundle, TEXTS, Fewer())


def test_a_command_that_fails_is_an_error(tiny_bundle: Bundle, tmp_path) -> None:
    gone = Bundle(tmp_path / "gone", tiny_bundle.manifest, tiny_bundle.content)
    with pytest.raises(ParityError, match="limbeck predict ends with 2 where Python answers"):
        same_through_cli(gone, TEXTS, Predictor(tiny_bundle))
