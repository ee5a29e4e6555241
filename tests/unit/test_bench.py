"""The load generator: histogram, arrivals, HTTP, search, and a whole step against small servers of known conduct."""

import contextlib
import dataclasses
import json
import math
import socket
import sys
import threading
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from limbeck.bench import histogram, page
from limbeck.bench.added import added
from limbeck.bench.alone import alone
from limbeck.bench.arrivals import poisson
from limbeck.bench.generator import Load, offer
from limbeck.bench.held import Server, first_answer
from limbeck.bench.histogram import Histogram
from limbeck.bench.http import Address, answer, ask, questions
from limbeck.bench.processes import Behind
from limbeck.bench.rounds import rounds
from limbeck.bench.search import highest_rate
from limbeck.bench.server import free_port, serving
from limbeck.bench.step import Step
from limbeck.cli import app
from limbeck.cli.bench import _asked
from limbeck.errors import AddressError, ServerError
from limbeck.runtime.predict import Predictor

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Small:
    """A server in a thread that answers each request on a connection with what `reply` gives (None: hang up)."""

    def __init__(self, reply=lambda number: OK) -> None:
        self.reply, self.number, self.asked = reply, 0, []
        self.listen(0)
        self.address = Address("127.0.0.1", self._listener.getsockname()[1])

    def listen(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                opened, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(opened,), daemon=True).start()

    def _serve(self, opened: socket.socket) -> None:
        with opened:
            while data := opened.recv(65536):
                self.asked.append(data)
                self.number += 1
                reply = self.reply(self.number)
                if reply is None:
                    return
                opened.sendall(reply)

    def load(self, **more) -> Load:
        values = {"rate": 200.0, "seconds": 0.5, "warmup": 0.1, "connections": 4, "patience": 2.0, **more}
        return Load(self.address, questions(self.address, ["hello", "where is it?"]), **values)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # which wakes the thread that waits in accept
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def small():
    found = []

    def make(*args) -> Small:
        found.append(Small(*args))
        return found[-1]

    yield make
    for server in found:
        server.close()


@pytest.mark.parametrize("seed", range(3))
def test_percentiles_are_those_of_numpy_to_within_the_stated_error(seed) -> None:
    dice = np.random.default_rng(seed)
    seconds = np.concatenate([dice.lognormal(-7, 2, 20_000), dice.uniform(0, 1e-6, 2_000), [0.0, 3.0, 200.0]])
    found = Histogram.of(seconds)
    assert len(found) == len(seconds)
    for share in (0.0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0):
        exact = float(np.quantile(seconds, share, method="inverted_cdf"))
        # Below 512 ns the clock's own nanosecond is the width of a bucket.
        assert found.percentile(share) == pytest.approx(exact, rel=histogram.ERROR, abs=1e-9)


def test_each_bucket_holds_what_its_middle_says() -> None:
    seconds = 1e-9 * np.unique(np.geomspace(1, 2**40 - 1, 50_000).astype(np.int64))
    middles = np.array([histogram._middle(b) for b in histogram._bucket(seconds).tolist()])
    assert np.all(np.abs(middles - seconds) <= histogram.ERROR * seconds + 1e-15)
    assert np.all(np.diff(histogram._bucket(seconds)) >= 0)


def test_two_histograms_together_are_that_of_all() -> None:
    a, b = [0.001, 0.5], [0.002, 0.003, 4000.0]
    together, whole = Histogram.of(a) + Histogram.of(b), Histogram.of(a + b)
    assert np.array_equal(together.counts, whole.counts)
    assert together.to_json() == pytest.approx(whole.to_json())
    assert together.percentile(1.0) == 4000.0  # longer than the longest bucket, and told all the same
    assert Histogram().to_json() == {"count": 0}
    with pytest.raises(ValueError, match="of 0"):
        Histogram().percentile(0.5)


def test_arrivals_are_those_of_poisson_and_repeat_with_the_seed() -> None:
    moments = np.array(list(poisson(500.0, 100.0, seed=3)))
    assert len(moments) == pytest.approx(50_000, abs=4 * math.sqrt(50_000))
    gaps = np.diff(moments)
    assert gaps.min() > 0
    assert moments[-1] < 100.0
    # Exponential gaps: the deviation is the mean, and a share of 1/e lies above it.
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.03)
    assert (gaps > gaps.mean()).mean() == pytest.approx(math.exp(-1), abs=0.01)
    # Counts in intervals: the variance is the mean.
    counts = np.bincount(moments.astype(int), minlength=100)
    assert counts.var() == pytest.approx(counts.mean(), rel=0.5)
    assert list(poisson(500.0, 1.0, 3)) == list(poisson(500.0, 1.0, 3)) != list(poisson(500.0, 1.0, 4))


@pytest.mark.parametrize(
    ("wire", "status", "keeps"),
    [
        (OK, 200, True),
        (b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", 429, False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, False),
        (b"HTTP/1.1 204\r\n\r\n", 204, True),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", 200, True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: x\r\n\r\n", 200, True),
    ],
)  # fmt: skip
def test_an_answer_is_whole_at_its_last_byte_and_not_before(wire, status, keeps) -> None:
    for cut in range(len(wire)):
        assert answer(wire[:cut]) is None
    found = answer(bytearray(wire) + b"HTTP/1.1 ")
    assert (found.status, found.size, found.keeps) == (status, len(wire), keeps)


@pytest.mark.parametrize(
    "wire",
    [
        b"SSH-2.0-OpenSSH",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 20x OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000,
    ],
)
def test_what_is_no_answer_is_refused(wire) -> None:
    with pytest.raises(ValueError, match="no HTTP/1.1|without a length|length of a chunk"):
        answer(wire)


def test_addresses() -> None:
    assert Address.of("http://[::1]:80/x?y=1") == Address("::1", 80, "/x?y=1")
    assert Address.of("http://[::1]:80/").authority == "[::1]:80"
    for wrong in ("https://a", "ftp://a", "http://", "http://a:b", "http://a:99999", "http://["):
        with pytest.raises(AddressError, match="http://HOST:PORT"):
            Address.of(wrong)
    asked = ask(Address("h", 1), "ü".encode(), headers={"A": "b"}).wire
    assert (
        asked
        == b"POST /v1/classify HTTP/1.1\r\nHost: h:1\r\nContent-Type: application/json\r\nContent-Length: 2\r\nA: b\r\n\r\n\xc3\xbc"
    )


def step(rate: float, p99: float = 0.001, **more) -> Step:
    values = {
        "rate": rate,
        "seconds": 1.0,
        "due": 1000,
        "answered": 1000,
        "latency": Histogram.of([p99] * 100),
        "errors": {},
        **more,
    }
    return Step(**values)


def test_a_step_counts_only_where_all_was_well() -> None:
    good = step(10.0)
    assert (good.void, good.failure(0.02)) == ("", "")
    assert "p99 1.0 ms" in good.failure(0.0005)
    assert "900 of 1,000" in dataclasses.replace(good, answered=900).failure(0.02)
    assert dataclasses.replace(good, errors={"status 500": 1}).failure(0.02) == "1 × status 500"
    assert "71 %" in dataclasses.replace(good, generator=0.71).void.replace("%", " %")
    assert "other work took" in dataclasses.replace(good, others=0.2).void
    assert "waiting" in dataclasses.replace(good, delayed=0.2).void
    assert "void" in page.line(dataclasses.replace(good, others=0.2))
    assert page.single(good, 0.02) == "10 requests/s are held under a p99 of 20 ms."
    assert "not held under a p99 of 0.5 ms: p99 1.0 ms" in page.single(good, 0.0005)


@pytest.mark.parametrize("start", [10.0, 900.0, 30_000.0])
def test_the_search_finds_the_limit_of_a_queue(start) -> None:
    """In a queue M/M/1 the sojourn is exponential with the rate mu - lambda, so 99 % take at most ln(100) / (mu - lambda)."""
    mu, bound = 5000.0, 0.020
    limit = mu - math.log(100) / bound
    seeds = iter(range(1000))

    def measure(rate: float, seconds: float) -> Step:
        dice = np.random.default_rng(next(seeds))
        number = max(50, int(rate * 60))
        arrived, served = np.cumsum(dice.exponential(1 / rate, number)), dice.exponential(1 / mu, number)
        ended = np.cumsum(served) + np.maximum.accumulate(arrived - (np.cumsum(served) - served))  # Lindley
        in_time = int((ended <= arrived[-1]).sum())
        return step(rate, due=number, answered=in_time, latency=Histogram.of(ended - arrived))

    found = highest_rate(measure, bound, start)
    assert found.rate == pytest.approx(limit, rel=0.03)
    assert found.step is found.steps[-1]
    assert "p99" in found.limit or "answered in time" in found.limit


def test_the_search_knows_whose_limit_it_found() -> None:
    found = highest_rate(lambda rate, _: step(rate, generator=rate / 10_000), 0.02, 500.0)
    assert found.rate == pytest.approx(7000, rel=0.03)
    assert "the generator used" in found.limit
    crowded = highest_rate(lambda rate, _: step(rate, others=0.5), 0.02, 500.0)
    assert (crowded.rate, len(crowded.steps)) == (None, 3)
    assert "other work" in page.highest(crowded, 64)
    anyway = highest_rate(lambda rate, _: step(rate, 0.1 if rate > 800 else 0.001, others=0.5), 0.02, 500.0, anyway=True)
    assert anyway.rate == pytest.approx(800, rel=0.03)
    assert "Void: other work" in page.highest(anyway, 64)
    assert highest_rate(lambda rate, _: step(rate, 0.1), 0.02, 500.0).rate is None


def test_one_stall_of_the_machine_is_no_limit() -> None:
    stalls = iter([False, True])  # of the second step, which the server would hold

    def measure(rate: float, seconds: float) -> Step:
        return step(rate, 0.1 if rate > 4000 or next(stalls, False) else 0.001)

    assert highest_rate(measure, 0.02, 500.0).rate == pytest.approx(4000, rel=0.03)


def test_a_step_offers_what_is_due(small) -> None:
    server = small()
    found = offer(server.load())
    due = [m for m in poisson(200.0, 0.6, 0) if m >= 0.1]
    assert (found.due, len(found.latency), found.errors) == (len(due), len(due), {})
    assert any(b'{"input":"hello"}' in asked for asked in server.asked)
    assert found.latency.percentile(0.5) > 0  # how much is the machine's affair, which tests share


def test_a_stall_falls_on_all_who_would_have_come(small) -> None:
    """The server sleeps once for 0.3 s. With one connection a closed loop would see one slow answer; here all who were due wait."""

    def stalling(number: int) -> bytes:
        if number == 20:
            time.sleep(0.3)
        return OK

    found = offer(small(stalling).load(connections=1, seconds=0.6, warmup=0.0))
    assert found.errors == {}
    # Some 60 were due in these 0.3 s, and waited 0.15 s on average.
    late = len(found.latency) - int(np.searchsorted(np.sort(_seconds(found.latency)), 0.1))
    assert late > 20


def _seconds(found: Histogram) -> np.ndarray:
    filled = np.flatnonzero(found.counts)
    return np.repeat([histogram._middle(int(b)) for b in filled], found.counts[filled])


def test_errors_are_counted_by_kind_and_the_connections_stay_as_many(small) -> None:
    replies = {5: None, 10: OK.replace(b"200 OK", b"503 Busy"), 15: b"nonsense\r\n\r\n", 20: OK + OK}
    server = small(lambda number: replies.get(number, OK))
    found = offer(server.load(most=100, seconds=5.0))
    assert found.errors == {"closed": 1, "status 503": 1, "unreadable": 1, "unasked": 1}
    assert server.number == 100
    closing = small(lambda number: OK.replace(b"OK", b"OK\r\nConnection: close"))
    found = offer(closing.load(most=20))
    assert (found.errors, found.reopened) == ({}, 20)


def test_what_is_never_answered_is_counted_with_its_wait(small) -> None:
    silent = small(lambda number: b"" if number > 3 else OK)
    found = offer(silent.load(connections=2, warmup=0.0, patience=0.3))
    assert found.errors["unanswered"] == 2
    assert found.errors["unsent"] > 10
    assert len(found.latency) == found.due
    assert found.latency.greatest >= 0.29


def test_as_many_as_the_connections_carry(small) -> None:
    found = offer(small().load(rate=None, seconds=0.3))
    assert found.rate is None
    assert found.due > 100
    assert found.errors == {}
    assert "all" in page.line(found)


def test_a_server_that_comes_back_is_asked_again(small) -> None:
    """It hangs up and refuses for a while; what is due meanwhile waits, and only what was in its hands is lost."""
    server = small()
    port = server.address.port

    def restarting(number: int) -> bytes | None:
        if number == 10:
            server.close()
            threading.Timer(0.15, again).start()
        return OK if number < 10 else None

    def again() -> None:
        server.reply = lambda number: OK
        server.listen(port)

    server.reply = restarting
    found = offer(server.load(connections=2, warmup=0.0, seconds=0.5))
    assert set(found.errors) == {"closed"}
    assert found.errors["closed"] <= 2
    assert found.latency.greatest >= 0.1
    assert found.answered > 0.5 * found.due


def test_nobody_there_is_said() -> None:
    port = free_port()
    with pytest.raises(ServerError, match="Start the server there"):
        offer(Load(Address("127.0.0.1", port), [], 1.0))
    with pytest.raises(ServerError, match="does not answer"):
        first_answer(Address("127.0.0.1", port), ask(Address("127.0.0.1", port), b"{}"))


def test_a_wrong_answer_is_told_before_anything_is_offered(small) -> None:
    server = small(lambda number: b"HTTP/1.1 404 No\r\nContent-Length: 7\r\n\r\nno path")
    with pytest.raises(ServerError, match="answered 404 .*expected 200: no path"):
        Server.at(server.address, questions(server.address, ["x"]))


def test_two_servers_take_turns() -> None:
    order: list[str] = []

    def made(name: str, p99: float):
        def measure() -> Step:
            order.append(name)
            return step(10.0, p99 * (1 + 0.1 * (order.count(name) % 2)))

        return measure

    found = rounds(made("a", 0.002), made("b", 0.001), count=8)
    assert sorted(order[:2]) == sorted(order[-2:]) == ["a", "b"]
    assert len({tuple(order[i : i + 2]) for i in range(0, 16, 2)}) == 2  # now this one begins, now that one
    ratio = found.latency(0.99)
    assert ratio.low <= ratio.median <= ratio.high
    assert ratio.median == pytest.approx(2.0, rel=0.01)
    assert json.loads(json.dumps(found.to_json()))["ratio"]["p99"]["median"] == ratio.median


def test_a_server_is_started_watched_and_ended(tmp_path) -> None:
    port = free_port()
    (tmp_path / "ready").write_text("yes")
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(tmp_path)]
    with serving(command, port, ready="/ready") as process:
        behind = Behind(port)
        if behind.pids():  # where there is /proc
            assert behind.pids() == [process.pid]
            assert behind.memory()[process.pid] > 1_000_000
            assert behind.seconds() > 0
    assert process.returncode is not None
    with pytest.raises(ServerError, match=r"(?s)ended with 3.*no luck"):
        serving([sys.executable, "-c", "print('no luck'); raise SystemExit(3)"], port).__enter__()


def test_the_command_measures_a_server_and_draws(small, tmp_path) -> None:
    server = small()
    url = f"http://127.0.0.1:{server.address.port}"
    given = ["bench", url, "--rate", "100", "--seconds", "0.2", "--connections", "2"]
    drawn = tmp_path / "latency.svg"
    done = CliRunner().invoke(app, [*given, "--json", "--plot", str(drawn), "--header", "Authorization: Bearer x"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["step"]["rate"] == 100
    assert "processor" in found["machine"]
    assert b"Authorization: Bearer x\r\n" in server.asked[0]
    assert "milliseconds since the request was due" in drawn.read_text(encoding="utf-8")
    again = CliRunner().invoke(app, [*given, "--against", url + "/other"])
    assert "by turns" in again.stdout
    assert b"POST /other " in b"".join(server.asked)


def test_what_a_server_adds_is_the_median_of_turns_in_order() -> None:
    served = iter([0.002, 0.003, 0.500])  # the last turn fell into a slow second
    alone_ = iter([0.001, 0.001, 0.001])
    order: list[str] = []

    def step_() -> Step:
        order.append("server")
        return step(latency=Histogram.of([next(served)] * 10), rate=100.0)

    def model() -> Histogram:
        order.append("model")
        return Histogram.of([next(alone_)] * 10)

    found = added(step_, model, turns=3)
    assert order == ["server", "model"] * 3
    assert found.latency(0.5) == pytest.approx(0.002, rel=0.01)
    assert found.model(0.99) == pytest.approx(0.001, rel=0.01)
    assert (
        page.beside(found)
        == "At 100/s the server adds 2.00 ms (p50) and 2.00 ms (p99) to the model's own 1 ms and 1 ms; medians of 3 turns."
    )
    as_json = json.loads(json.dumps(found.to_json()))
    assert as_json["p50"]["added"] == found.latency(0.5)
    assert len(as_json["steps"]) == len(as_json["models"]) == 3


def test_a_bundle_that_sees_is_asked_about_pictures(tmp_path) -> None:
    pytest.importorskip("PIL", reason="needs the extra image")
    from seeing import picture, sees

    bundle = sees(tmp_path / "bundle")
    assert [content[:2] for content in _asked(str(bundle.path), None, None)] == [b"P5", b"P6", b"P5", b"P6"]
    (tmp_path / "red.png").write_bytes(picture("red"))
    (tmp_path / "rows.jsonl").write_text('{"image": "red.png"}\n')
    asked = _asked(str(bundle.path), tmp_path / "rows.jsonl", None)
    assert asked == [picture("red")]
    (request,) = questions(Address.of("http://127.0.0.1:9"), asked)
    assert b'{"input":{"base64":"iVBOR' in request.wire
    assert len(alone(Predictor(bundle), asked, rate=200.0, seconds=0.05)) > 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["http://127.0.0.1:9", "--p99", "soon"], "expected a time"),
        (["http://127.0.0.1:9", "--against", "http://127.0.0.1:9"], "give --rate"),
        (["http://127.0.0.1:9", "--requests", "5"], "give --rate"),
        (["http://127.0.0.1:9", "--header", "nothing"], "NAME: VALUE"),
    ],
)
def test_what_cannot_be_measured_is_refused(given, said) -> None:
    done = CliRunner().invoke(app, ["bench", *given])
    assert done.exit_code == 2
    assert said in " ".join(done.output.replace("│", " ").split())
