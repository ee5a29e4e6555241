"""The parts of a search: the race, the fit, the cache, the files that travel, the front."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.archive import packed
from limbeck.budget import Budget
from limbeck.errors import BudgetError, BundleError, InputFileError
from limbeck.plain_json import canonical
from limbeck.search import ladder as ladders
from limbeck.search import measure, profile
from limbeck.search.cache import cached
from limbeck.search.candidates import Candidate, candidates
from limbeck.search.fit import finest, fitting, weighed
from limbeck.search.front import Front, Point, Reference, front, page, with_fronts
from limbeck.search.measure import Cost
from limbeck.search.race import Score, race
from limbeck.sections import SearchSection

MADE_FROM = {"candidates": "a" * 64, "vocabulary": "b" * 64}


class Quiet:
    """A machine with nobody else on it."""

    def share(self) -> float:
        return 0.0


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(measure, "Company", Quiet)
    return tmp_path / "cache"


# --- the race -------------------------------------------------------------------------------------------------------------


def ran(scores: dict[str, tuple[float, ...]], enough: float):
    """The result of a race with these scores, and what was asked in which order."""
    asked: list[tuple[str, int]] = []

    def score(name: str, rung: int) -> Score:
        assert all((name, before) in asked for before in range(rung)), "a rung without those before"
        asked.append((name, rung))
        return Score(scores[name][rung], scores[name][rung])

    return race(dict.fromkeys(scores, "bag"), 3, score, enough), asked


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0, 1))
def test_where_rungs_tell_the_truth_the_smallest_that_keeps_enough_wins(final: list[float], enough: float) -> None:
    scores = {f"c{i:02}": (value,) * 3 for i, value in enumerate(final)}
    result, asked = ran(scores, enough)
    good = [name for name in scores if scores[name][-1] >= enough]
    assert result.enough is bool(good)
    assert result.winner == (good[0] if good else max(scores, key=lambda n: scores[n][-1]))
    if good:  # nobody larger was ever trained
        assert max(name for name, _ in asked) == good[0]


@given(
    st.dictionaries(
        st.integers(0, 11), st.tuples(st.sampled_from(["bag", "conv", "encoder"]), *[st.floats(-1, 0)] * 3), min_size=1
    ),
    st.booleans(),
)
def test_the_winner_is_the_nearest_that_was_trained_and_each_family_has_one(rows, nearest: bool) -> None:
    near = {f"c{i:02}": row[1:] for i, row in sorted(rows.items())}
    families = {f"c{i:02}": row[0] for i, row in rows.items()}
    families = {name: families[name] for name in near}
    result = race(families, 3, lambda name, rung: Score(0.0, near[name][rung]), None if nearest else 0.5)
    finished = [name for name, scores in result.scores.items() if len(scores) == 3]
    assert near[result.winner][2] == max(near[name][2] for name in finished)
    assert {families[name] for name in finished} == set(families.values())


def test_what_diverged_goes_on_before_nobody() -> None:
    scores = {"a": float("nan"), "b": -0.5, "c": -0.1, "d": -0.3}
    result = race(dict.fromkeys(scores, "bag"), 2, lambda name, rung: Score(0.0, scores[name]), None)
    assert result.winner == "c"
    assert len(result.scores["a"]) == 1


@given(
    st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=1, max_size=12),
    st.floats(0, 1),
)
def test_whatever_the_scores_it_ends_and_says_the_truth(rows: list[tuple[float, ...]], enough: float) -> None:
    scores = {f"c{i:02}": row for i, row in enumerate(rows)}
    result, _ = ran(scores, enough)
    assert len(result.scores[result.winner]) == 3, "the winner is trained to the end"
    assert result.enough is (scores[result.winner][-1] >= enough)
    finished = [n for n, s in result.scores.items() if len(s) == 3]
    if result.enough:
        assert not [n for n in finished if n < result.winner and scores[n][-1] >= enough]
    else:
        assert scores[result.winner][-1] == max(scores[n][-1] for n in finished)
    assert ran(scores, enough)[0] == result


def test_larger_ones_get_their_turn_where_the_smaller_falls_short_in_the_end() -> None:
    result, asked = ran({"a": (0.9, 0.9, 0.7), "b": (0.5, 0.6, 0.8), "c": (0.9, 0.9, 0.95)}, 0.85)
    assert (result.winner, result.enough) == ("c", True)
    assert asked.index(("a", 2)) < asked.index(("b", 0))


def test_a_quarter_goes_on_and_two_at_least() -> None:
    for number, rungs in ((24, [24, 6, 2]), (8, [8, 2, 2]), (3, [3, 2, 2]), (1, [1, 1, 1])):
        scores = {f"c{i:02}": (0.01 * i,) * 3 for i in range(number)}
        _, asked = ran(scores, 2.0)
        assert [sum(r == rung for _, r in asked) for rung in range(3)] == rungs


def test_where_the_nearest_is_looked_for_small_ones_do_not_go_first() -> None:
    near = {"a": -0.9, "b": -0.5, "c": -0.2, "d": -0.21, "e": -0.22}
    asked: list[tuple[str, int]] = []

    def score(name: str, rung: int) -> Score:
        asked.append((name, rung))
        return Score(1.0, near[name])

    for enough, expected in ((None, ["c", "d"]), (2.0, ["b", "c"])):
        asked.clear()
        result = race(dict.fromkeys(near, "bag"), 2, score, enough)
        assert [name for name, rung in asked if rung == 1] == expected
        assert (result.winner, result.enough) == ("c", False)


def test_the_nearest_goes_on_and_the_quality_is_what_has_to_be_enough() -> None:
    scores = {
        "a": Score(0.9, -0.5),
        "b": Score(0.8, -0.1),
        "c": Score(0.7, -0.2),
        "d": Score(0.6, -0.05),
        "e": Score(0.95, -0.9),
    }
    asked: list[tuple[str, int]] = []

    def score(name: str, rung: int) -> Score:
        asked.append((name, rung))
        return scores[name]

    bags = dict.fromkeys(scores, "bag")
    result = race(bags, 3, score, 0.99)
    assert (result.winner, result.enough) == ("b", False), "of those that went on the one that falls least short"
    assert [name for name, rung in asked if rung == 1] == ["b", "d"]
    asked.clear()
    assert race(bags, 3, score, None).winner == "d"
    assert [name for name, rung in asked if rung == 1] == ["b", "d"]
    assert race(bags, 3, score, 0.92).winner == "e", "what keeps enough goes on, however near"


def test_a_family_that_starts_slowly_is_not_left_behind() -> None:
    near = {f"bag-{n}": [-0.2 + n / 100] * 2 + [-0.1 + n / 1000] for n in range(8)}
    near |= {"encoder-1": [-0.9, -0.5, -0.2], "encoder-2": [-0.8, -0.4, -0.01]}
    families = {name: name.split("-")[0] for name in near}
    result = race(families, 3, lambda name, rung: Score(0.5, near[name][rung]), None)
    assert result.winner == "encoder-2"
    assert [name for name in near if len(result.scores[name]) == 3] == ["bag-6", "bag-7", "encoder-2"]


# --- what fits ------------------------------------------------------------------------------------------------------------


def candidate(name: str, twin: str | None = None) -> Candidate:
    return Candidate(name, "bag", {"width": 4}, 1, "int8", twin)


def test_one_that_leaves_rare_pieces_out_has_to_save_something() -> None:
    def of(family: str, count: int, precision: str = "int8") -> Candidate:
        return Candidate(f"{family}-{count}-{precision}", family, {"width": 4}, count, precision)

    costs = {"bag-1-int8": 500, "bag-4-int8": 300, "encoder-1-int8": 2000, "encoder-4-int8": 1900, "encoder-4-int4": 1900}
    given = [of("encoder", 4), of("encoder", 1), of("bag", 1), of("bag", 4), of("encoder", 4, "int4")]
    for limit, left_out in ((5000, {"encoder-4-int8"}), (1950, set())):
        found = weighed(given, Budget(limit), lambda c: Cost(costs[c.name]))
        assert {w.candidate.name for w in found} == set(costs) - left_out
        assert [w.cost.bytes for w in found] == sorted(w.cost.bytes for w in found)


def test_whatever_the_order_of_precisions_float32_comes_last_and_what_fits_is_found() -> None:
    costs = {"int8": Cost(500_000), "float32": Cost(2_000_000), "int4": Cost(300_000)}
    for order in (("int8", "float32"), ("float32", "int8"), ("float32", "int4", "int8")):
        section = SearchSection(families=("bag",), precisions=order, min_counts=(1,))
        asked = [c for c in candidates(section) if c.name.startswith("bag-1-")]
        assert asked[-1].precision == "float32"
        found = weighed(asked, Budget(1_000_000), lambda c: costs[c.precision])
        assert {w.candidate.precision for w in fitting(found, Budget(1_000_000))} == set(order) - {"float32"}


def test_where_the_nearest_is_looked_for_fewer_bits_of_the_same_student_do_not_run() -> None:
    costs = {"int8": Cost(500_000), "float32": Cost(2_000_000), "int4": Cost(300_000)}
    section = SearchSection(families=("bag",), precisions=("int8", "int4", "float32"), min_counts=(1, 4))
    asked = [c for c in candidates(section) if c.name.startswith(("bag-1-", "bag-2-"))]
    for limit, precision in ((1_000_000, "int8"), (400_000, "int4"), (5_000_000, "int8")):
        found = weighed(asked, Budget(limit), lambda c: costs[c.precision])
        left = finest(found)
        assert {w.candidate.precision for w in left} == {precision}
        sizes = {(w.candidate.size, w.candidate.min_count) for w in found if not w.misses}
        assert len(left) == len(sizes) > 1  # one of each student


def test_the_nearest_is_named_with_what_it_misses() -> None:
    costs = {"far": Cost(9_000_000, 40.0), "near": Cost(1_200_000, 90.0), "slow": Cost(900_000, 900.0)}
    budget = Budget(1_000_000, 100.0)
    found = weighed([candidate(n) for n in costs], budget, lambda c: costs[c.name])
    with pytest.raises(BudgetError) as caught:
        fitting(found, budget)
    for said in ("none of 3 candidates fits", "The nearest, near (width 4)", "bytes is 1,200,000, the budget allows 990,000"):
        assert said in str(caught.value)
    assert "1% of bytes, 5% of latency_p50 kept in reserve" in str(caught.value)


def test_a_reserve_is_kept_and_what_was_not_measured_does_not_fit() -> None:
    budget = Budget(1_000_000, 100.0, 50_000_000)
    costs = {
        "fits": Cost(990_000, 95.0, memory=49_000_000),
        "large": Cost(990_001, 95.0, memory=1),
        "slow": Cost(1, 95.1, memory=1),
        "hungry": Cost(1, 1.0, memory=49_000_001),
        "unknown": Cost(1),
    }
    found = weighed([candidate(n) for n in costs], budget, lambda c: costs[c.name])
    assert [w.candidate.name for w in fitting(found, budget)] == ["fits"]
    free = weighed([candidate(n) for n in costs], Budget(), lambda c: costs[c.name])
    assert [w.candidate.name for w in fitting(free, Budget())] == ["slow", "hungry", "unknown", "fits", "large"]


def test_a_twin_is_measured_only_where_the_first_precision_does_not_fit() -> None:
    costs = {"a-int8": Cost(10, 50.0), "a-float32": Cost(40, 5.0), "b-int8": Cost(20, 5.0), "b-float32": Cost(80, 5.0)}
    asked: list[str] = []

    def cost(c: Candidate) -> Cost:
        asked.append(c.name)
        return costs[c.name]

    given = [candidate("a-int8"), candidate("a-float32", "a-int8"), candidate("b-int8"), candidate("b-float32", "b-int8")]
    found = weighed(given, Budget(latency_p50=10.0), cost)
    assert asked == ["a-int8", "a-float32", "b-int8"]
    assert [(w.candidate.name, bool(w.misses)) for w in found] == [("a-int8", True), ("b-int8", False), ("a-float32", False)]


# --- measurements ---------------------------------------------------------------------------------------------------------


def test_a_measurement_is_made_once_on_a_machine(own_cache: Path) -> None:
    made: list[Cost] = []

    def make(cost: Cost) -> Cost:
        made.append(cost)
        return cost

    for _ in range(2):
        assert cached({"graph": "x"}, lambda: make(Cost(3, 1.5))) == Cost(3, 1.5)
    assert len(made) == 1
    assert cached({"graph": "y"}, lambda: make(Cost(4))) == Cost(4)
    for file in (own_cache / "measurements").iterdir():
        file.write_bytes(file.read_bytes()[:-9])
    cached({"graph": "x"}, lambda: make(Cost(3, 1.5)))
    assert len(made) == 3, "a damaged file is no measurement"


def test_what_was_measured_in_company_is_measured_again() -> None:
    made = [cached({"graph": "x"}, lambda: Cost(3, 9.0, company=0.5)), cached({"graph": "x"}, lambda: Cost(3, 2.0))]
    assert made == [Cost(3, 9.0, company=0.5), Cost(3, 2.0)]


def test_in_company_each_query_is_asked_three_times_and_the_quickest_counts(
    tiny_bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = iter([0.5, 0.2, 0.4])
    monkeypatch.setattr(measure, "Company", lambda: type("Busy", (), {"share": lambda self: next(shares)})())
    found = measure.cost(tiny_bundle, ["hello"] * 4)
    assert (found.company, found.void) == (0.2, True)
    assert found.bytes == tiny_bundle.bytes
    assert found.latency_p50 is not None
    assert 10_000_000 < (found.memory or 0) < 250_000_000

    def seconds(*rounds: tuple[list[float], float]) -> None:
        times, shares = (iter(one) for one in zip(*rounds, strict=True))
        monkeypatch.setattr(measure, "answer_seconds", lambda *_: np.array([next(times)]) / 1e6)
        monkeypatch.setattr(measure, "Company", lambda: type("Busy", (), {"share": lambda self: next(shares)})())

    seconds(([90.0, 400.0, 110.0], 0.5), ([300.0, 100.0, 500.0], 0.6), ([95.0, 900.0, 700.0], 0.7))
    found = measure.cost(tiny_bundle, ["hello"] * 3)
    assert (found.latency_p50, found.company, found.void) == (100.0, 0.5, True)  # of 90, 100 and 110
    seconds(([1.0, 1.0, 1.0], 0.5), ([90.0, 100.0, 110.0], 0.05))
    assert measure.cost(tiny_bundle, ["hello"] * 3).latency_p50 == 100.0  # what was measured in company says nothing beside it


# --- files that travel ----------------------------------------------------------------------------------------------------


def written(tmp_path: Path, bundle) -> Path:
    path = tmp_path / "candidates.zip"
    ladders.write(path, MADE_FROM, ["i would", "", "like to know where my"], [("bag-1-count1-int8", bundle)])
    return path


def test_a_ladder_travels_and_its_profile_comes_back(tiny_bundle, tmp_path) -> None:
    ladder = ladders.read(written(tmp_path, tiny_bundle))
    found = ladder.measured()
    found.write(tmp_path / "profile.json")
    back = profile.read(tmp_path / "profile.json", MADE_FROM)
    assert back == found
    assert back.costs["bag-1-count1-int8"].bytes == tiny_bundle.bytes


def test_no_more_queries_are_made_than_a_ladder_holds(tiny_bundle, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladders, "MOST_QUERY_BYTES", 100)
    asked: list[int] = []

    def sizes(*many: int):
        asked.clear()
        for size in many:
            asked.append(size)
            yield "a" * size

    def carried(*many: int) -> list[int]:
        ladders.write(tmp_path / "c.zip", MADE_FROM, sizes(*many), [("bag-1-count1-int8", tiny_bundle)])
        return [len(query) for query in ladders.read(tmp_path / "c.zip").queries]

    assert carried(500, 500, 500) == [500]
    assert asked == [500, 500], "a large one takes long to make"
    assert carried(30, 500, 30, 30) == [30, 30, 30], "a large one among small ones is left out"
    assert carried(*[30] * 9) == [30, 30, 30]
    assert len(asked) == 4


def test_a_changed_ladder_is_refused(tiny_bundle, tmp_path) -> None:
    path = written(tmp_path, tiny_bundle)
    data = path.read_bytes()
    for place in (3, 40, len(data) // 2, len(data) - 5):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(BundleError, match="is not a ladder that limbeck wrote"):
            ladders.read(path)
    tiny_bundle.pack(path)
    with pytest.raises(BundleError, match=r"ladder\.json must hold.*limbeck ladder RECIPE"):
        ladders.read(path)
    with pytest.raises(InputFileError, match="cannot read the ladder"):
        ladders.read(tmp_path / "absent.zip")


def test_a_ladder_of_another_bundle_schema_is_refused(tmp_path) -> None:
    content = {"ladder": 1, "bundle_schema": 99, "made_from": MADE_FROM, "queries": ["x"]}
    (tmp_path / "c.zip").write_bytes(b"".join(packed({"ladder.json": canonical(content), "a.zip": b"x"})))
    with pytest.raises(BundleError, match="bundles of schema 99; this limbeck reads 2"):
        ladders.read(tmp_path / "c.zip")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bundle_schema": 1}, "measured on bundles of schema 1; this limbeck writes schema 2"),
        ({"made_from": {**MADE_FROM, "vocabulary": "c" * 64}}, "another ladder.*vocabulary: cccccccccccccccc there, bbbbbbbbbbbbbbbb here"),
        ({"profile": 2}, "its form is 2; this limbeck reads 1"),
        ({"costs": {"x": {"bytes": 3}}}, "costs of 'x' must hold"),
        ({"costs": {"x": {**Cost(3).to_json(), "bytes": -3}}}, "bytes of 'x' is -3; a number above 0"),
        ({"costs": {"x": {**Cost(3).to_json(), "latency_p50": "fast"}}}, "latency_p50 of 'x' is 'fast'"),
        ({"costs": []}, "costs must be an object"),
        ({"machine": {"cores": 2}}, "machine must hold texts"),
        ({"more": 1}, "and nothing else"),
    ],
)  # fmt: skip
def test_a_profile_that_does_not_belong_is_refused(change: dict, message: str, tmp_path) -> None:
    path = tmp_path / "profile.json"
    profile.Profile(MADE_FROM, {"processor": "p"}, {"x": Cost(3, 1.0)}).write(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(BudgetError, match=message):
        profile.read(path, MADE_FROM)


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b'{"a": NaN}', b"\xff"])
def test_a_file_that_is_no_profile(content: bytes, tmp_path) -> None:
    (tmp_path / "p.json").write_bytes(content)
    with pytest.raises(BudgetError, match="is no profile.*limbeck measure"):
        profile.read(tmp_path / "p.json", MADE_FROM)
    with pytest.raises(InputFileError, match="cannot read the profile"):
        profile.read(tmp_path / "absent.json", MADE_FROM)


# --- the front ------------------------------------------------------------------------------------------------------------


def point(name: str, bytes_: int, quality: float | None, latency: float | None = 10.0, misses: tuple[str, ...] = ()) -> Point:
    return Point(name, {}, "width 4", "int8", bytes_, latency, latency, 1, 0.0, misses, quality, 1.0 if quality else 0.0)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), max_size=12))
def test_a_front_holds_what_nothing_beats(rows: list[tuple[int, int]]) -> None:
    points = [point(str(i), cost, quality / 9) for i, (cost, quality) in enumerate(rows)]
    on = front(points, "bytes")
    for p in points:
        beaten = any((q.bytes <= p.bytes and (q.quality or 0) >= (p.quality or 0)) and (q.bytes, q.quality) != (p.bytes, p.quality) for q in points)  # fmt: skip
        assert ((p.bytes, p.quality) in {(q.bytes, q.quality) for q in on}) is not beaten
    assert [p.bytes for p in on] == sorted({p.bytes for p in on})


FRONT = Front(
    by="accuracy",
    rows=300,
    enough=0.9,
    budget={"bytes": 1e6, "latency_p50": 100.0, "memory": None},
    machine="a machine",
    chosen="b",
    points=with_fronts(
        [point("a", 100_000, 0.7, 20.0), point("b", 300_000, 0.92, 30.0), point("c", 900_000, None, 40.0), point("d", 9_000_000, None, None, ("bytes",))]
    ),
    references=(
        Reference("teacher", 0.93, 90_000_000, 13_000.0),
        Reference("control", 0.85, 300_000, 30.0),
        Reference("baseline", 0.8),
    ),
)  # fmt: skip


def test_the_page_says_what_was_found() -> None:
    from rich.console import Console

    console = Console(width=120, file=io.StringIO(), record=True)
    for part in page(FRONT):
        console.print(part)
    text = " ".join(console.export_text().split())
    for said in (
        "The smallest that keeps enough: b (width 4): 92.0% accuracy on 300 rows, the teacher 93.0%; 90.0% is asked for.",
        "→ b width 4 300 kB 30 µs",
        "teacher 90.0 MB 13.00 ms",
        "baseline – – 80.0%",
        "1 more candidates miss the budget",
        "1 within the budget did not need to be trained",
    ):
        assert said in text, text
    short = Front(**{**{n: getattr(FRONT, n) for n in FRONT.__dataclass_fields__}, "enough": 0.95})
    assert not short.kept
    assert "Nothing within the budget keeps enough" in short.says
    assert "3.0 points are missing" in short.says


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_front_is_drawn(suffix: str, tmp_path) -> None:
    pytest.importorskip("matplotlib")
    from limbeck.search.plot import draw

    draw(FRONT, tmp_path / f"front.{suffix}")
    assert (tmp_path / f"front.{suffix}").stat().st_size > 5_000
    if suffix == "svg":
        draw(FRONT, tmp_path / "again.svg")
        assert (tmp_path / "again.svg").read_bytes() == (tmp_path / "front.svg").read_bytes()
