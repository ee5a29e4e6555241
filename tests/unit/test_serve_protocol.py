"""A connection and its limits, over real sockets."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from answering import Server
from bundles import sealed
from limbeck.serve.app import App
from limbeck.serve.limits import Limits
from limbeck.serve.service import Service

LIMITS = Limits(
    body=100_000, bodies=250_000, headers=20, header_bytes=2_000, url=300, head_seconds=0.8, body_seconds=0.8, keep_alive_seconds=1.0, connections=20,
)  # fmt: skip
BODY = b'{"input":"hello"}'
ASK = b"POST /v1/classify HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
    len(BODY),
    BODY,
)
LIVE = b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = Server(App(Service.load({"tiny": sealed(tmp_path_factory.mktemp("protocol") / "bundle").path}), LIMITS))
    yield found
    found.close()


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def rest(connection: socket.socket) -> bytes:
    """All that comes until the server closes."""
    found = b""
    try:
        while data := connection.recv(65536):
            found += data
    except ConnectionResetError:  # it closed while we were sending
        pass
    return found


def said(server: Server, *parts: bytes, pause: float = 0.0) -> bytes:
    """What comes back to some bytes until the server closes."""
    with connect(server) as connection:
        for part in parts:
            try:
                connection.sendall(part)
            except (BrokenPipeError, ConnectionResetError):
                break
            time.sleep(pause)
        return rest(connection)


def test_an_answer_and_the_next_one_on_the_same_connection(server: Server) -> None:
    with connect(server) as connection:
        for request in (ASK, LIVE, ASK, ASK):
            connection.sendall(request)
            answer = connection.recv(65536)
            while b"\r\n\r\n" not in answer or not answer.endswith(b"}"):
                answer += connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"x-content-type-options: nosniff\r\n" in answer


def test_requests_in_pieces_are_whole_requests(server: Server) -> None:
    last = ASK.replace(b"host: a", b"host: a\r\nconnection: close")
    assert said(server, *(last[i : i + 7] for i in range(0, len(last), 7)), pause=0.001).startswith(b"HTTP/1.1 200")
    chunked = b"POST /v1/classify HTTP/1.1\r\nconnection: close\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    assert said(server, chunked, b"5\r\n" + BODY[:5] + b"\r\n", b"c\r\n" + BODY[5:] + b"\r\n0\r\n\r\n").startswith(
        b"HTTP/1.1 200"
    )


def test_requests_sent_ahead_are_answered_in_order(server: Server) -> None:
    last = LIVE.replace(b"host: a", b"connection: close")
    found = said(server, ASK + LIVE + ASK + LIVE + last)
    assert found.count(b"HTTP/1.1 200 OK") == 5
    bodies = [part.partition(b"\r\n\r\n")[2][:9] for part in found.split(b"HTTP/1.1 ")[1:]]
    assert bodies == [b'{"model":', b'{"status"', b'{"model":', b'{"status"', b'{"status"']


def test_a_large_body_goes_the_long_way_to_the_same_answer(server: Server) -> None:
    body = b'{"input":[%s]}' % b",".join([b'"hello there"'] * 900)
    body += b" " * 70_000
    head = (
        b"POST /v1/classify HTTP/1.1\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        % len(body)
    )
    assert said(server, head, body).count(b'"label"') == 2 * 900  # of the answer and of its best


REFUSED = {
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00" * 10, 400),
    "an upgrade": (b"GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n", 404),  # answered as if it were none
    "another method": (b"CONNECT a:1 HTTP/1.1\r\n\r\n", 400),
    "many headers": (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 30 + b"\r\n", 431),
    "a long header": (b"GET / HTTP/1.1\r\na: " + b"b" * 3_000 + b"\r\n\r\n", 431),
    "headers without an end": (b"GET / HTTP/1.1\r\na: " + b"b" * 5_000, 431),
    "a long URL": (b"GET /" + b"a" * 400 + b" HTTP/1.1\r\n\r\n", 414),
    "a URL without an end": (b"GET /" + b"a" * 5_000, 414),
    "a large body": (b"POST /v1/classify HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 200000\r\n\r\n" + b"a" * 200_000, 413),
    "a large body elsewhere": (b"POST /health/live HTTP/1.1\r\ncontent-length: 200000\r\n\r\n" + b"a" * 200_000, 413),
    "a body of two lengths": (b"POST /v1/classify HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", 400),
    "a NUL in a header": (b"GET / HTTP/1.1\r\na: \x00\r\n\r\n", 400),
    "a line that goes on": (b"GET / HTTP/1.1\r\na: b\r\n c\r\n\r\n", 400),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_gets_a_reason_and_a_closed_connection(server: Server, case: str) -> None:
    sent, status = REFUSED[case]
    found = said(server, sent)
    assert b"HTTP/1.1 %d " % status in found[:40] or (case.startswith("a large body") and not found)  # reset while sending
    assert b"HTTP/1.1 5" not in found


def test_a_body_that_says_it_is_too_large_is_not_waited_for(server: Server) -> None:
    head = b"POST /v1/classify HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 99999999\r\n\r\n"
    begin = time.monotonic()
    assert said(server, head).startswith(b"HTTP/1.1 413")
    assert time.monotonic() - begin < LIMITS.body_seconds


def test_slow_clients_do_not_hold_a_connection(server: Server) -> None:
    assert said(server, b"GET / HTTP/1.1\r\n", *[b"a: b\r\n"] * 14, pause=0.1).startswith(b"HTTP/1.1 408")
    assert said(server, ASK[:-5]).startswith(b"HTTP/1.1 408")
    assert said(server, ASK[:20]).startswith(b"HTTP/1.1 408")
    assert said(server) == b""  # an idle one is closed without a word


def test_a_client_that_does_not_read_is_not_written_for(server: Server) -> None:
    def asks_and_asks(connection: socket.socket) -> None:
        until = time.monotonic() + 15
        while time.monotonic() < until:
            connection.sendall(ASK * 20)
            time.sleep(0.0005)

    with connect(server) as connection, pytest.raises((ConnectionResetError, BrokenPipeError)):
        asks_and_asks(connection)


def test_a_refusal_is_never_taken_for_an_earlier_answer(server: Server) -> None:
    large = b"POST /v1/classify HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 200000\r\n\r\n"
    found = said(server, LIVE + large)
    assert found.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 413" not in found.partition(b'{"status":"live"}')[0]


def test_half_closed_connections_are_answered_or_closed(server: Server) -> None:
    for sent, status in ((ASK, b"HTTP/1.1 200"), (LIVE, b"HTTP/1.1 200"), (ASK[:-3], b"")):
        with connect(server) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            assert rest(connection)[:12] == status


def test_a_client_that_is_gone_does_no_harm(server: Server) -> None:
    for _ in range(5):
        with connect(server) as connection:
            connection.sendall(ASK[:-2])
    test_an_answer_and_the_next_one_on_the_same_connection(server)


def test_bodies_of_many_connections_are_bounded_together(server: Server) -> None:
    part = b"POST /v1/classify HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 99999\r\n\r\n" + b" " * 90_000
    open_ = [connect(server) for _ in range(4)]
    for connection in open_:
        connection.sendall(part)
    answers = [rest(connection)[:12] for connection in open_]
    assert answers.count(b"HTTP/1.1 503") >= 1
    assert answers.count(b"HTTP/1.1 408") >= 1  # the others were slow
    for connection in open_:
        connection.close()
    assert said(server, LIVE.replace(b"host: a", b"connection: close")).startswith(b"HTTP/1.1 200")
    until = time.monotonic() + 5
    while server.app.held and time.monotonic() < until:
        time.sleep(0.05)
    assert server.app.held == 0


def test_too_many_requests_ahead_are_refused(server: Server) -> None:
    for request in (LIVE, ASK):
        assert 1 <= said(server, request * 200).count(b"HTTP/1.1 200") <= 32


def test_too_many_connections_are_refused_with_a_time(server: Server) -> None:
    open_ = [connect(server) for _ in range(LIMITS.connections)]
    try:
        time.sleep(0.05)
        found = said(server, LIVE)
        assert found.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1\r\n" in found
    finally:
        for connection in open_:
            connection.close()


def test_a_server_that_ends_answers_what_it_was_asked(tmp_path: Path) -> None:
    server = Server(App(Service.load({"tiny": sealed(tmp_path / "bundle").path})))
    with connect(server) as idle, connect(server) as half:
        idle.sendall(LIVE)
        assert idle.recv(65536)
        half.sendall(ASK[:-4])
        time.sleep(0.1)
        server.server.should_exit = True
        time.sleep(0.3)
        half.sendall(ASK[-4:])
        found = rest(half)
        assert found.startswith(b"HTTP/1.1 200")
        assert b"connection: close\r\n" in found
        assert b"HTTP" not in rest(idle)
    server.close()


def test_a_head_that_came_before_is_read_as_it_was(tmp_path: Path) -> None:
    app = App(Service.load({"tiny": sealed(tmp_path / "bundle").path}), LIMITS)
    server = Server(app)
    try:
        with connect(server) as connection:
            for body in (BODY, BODY, BODY[:-3] + b'!"}', b'{"input":', b'{"output":"held"}'):
                head = ASK[: -len(BODY)].replace(b"%d" % len(BODY), b"%d" % len(body))
                connection.sendall(head + body)
                answer = connection.recv(65536)
                status = b"HTTP/1.1 200" if body.startswith(b'{"input":"') else b"HTTP/1.1 4"
                assert answer.startswith(status), body
        assert app.heads.find(ASK) is not None
        # More or less than one whole request is the parser's, as before.
        close = ASK.replace(b"host: a", b"host: a\r\nconnection: close")
        assert said(server, ASK[:-4], ASK[-4:] + ASK + close, pause=0.05).count(b"HTTP/1.1 200") == 3
        assert said(server, close).count(b"connection: close") == said(server, close).count(b"HTTP/1.1 200") == 1
        # Many texts are not answered in the turn of the loop, and the request is not asked twice.
        many = b'{"input":[%s]}' % b",".join([b'"hello"'] * 40)
        long = close.replace(b"length: %d" % len(BODY), b"length: %d" % len(many))[: -len(BODY)] + many
        single = b'{"input":"%s"}' % (b"a" * (len(many) - len(b'{"input":""}')))
        short = long.replace(many, single)
        assert said(server, short).startswith(b"HTTP/1.1 200")
        assert app.heads.find(short) is not None
        assert said(server, long).count(b'"label":') == 2 * 40
    finally:
        server.close()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[tuple[Server, App]]:
    """A server whose table of heads is empty."""
    app = App(Service.load({"tiny": sealed(tmp_path / "bundle").path}), LIMITS)
    found = Server(app)
    yield found, app
    found.close()


HEAD = ASK[: -len(BODY)]


@pytest.mark.parametrize("cut", [len(HEAD), len(HEAD) + 5, len(HEAD) - 1, 3])
def test_a_request_in_two_parts_teaches_the_table_nothing(fresh: tuple[Server, App], cut: int) -> None:
    server, app = fresh
    for _ in range(3):
        assert said(server, ASK[:cut], ASK[cut:], CLOSE, pause=0.05).count(b"HTTP/1.1 200") == 2
    assert not app.heads._heads.keys() - {CLOSE[: -len(BODY)]}


CLOSE = ASK.replace(b"host: a", b"host: a\r\nconnection: close")


def test_what_the_parser_is_in_the_middle_of_is_no_request_of_its_own(fresh: tuple[Server, App]) -> None:
    server, app = fresh
    posted = b"POST /health/live HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n"
    # ASK as the body of a request that was refused before it was whole
    found = said(server, ASK, posted % len(ASK), ASK, CLOSE, pause=0.1)
    assert [found.count(b"HTTP/1.1 %d" % status) for status in (200, 405)] == [2, 1]
    # ASK as the rest of a header
    half = b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\nGET /health/live HTTP/1.1\r\nhost: a\r\nx: "
    found = said(server, ASK, half, ASK, pause=0.1)
    assert found.count(b'"label"') == 2, "one answer, which names its label twice"
    assert found.count(b'{"status"') == 2
    # bytes of a body are no head
    before = set(app.heads._heads)
    said(server, posted % (41 + len(ASK)), b"my secret text; Authorization: Bearer abc" + ASK, CLOSE, pause=0.1)
    assert set(app.heads._heads) == before


def test_bodies_are_bounded_whether_their_head_is_known_or_not(fresh: tuple[Server, App]) -> None:
    server, app = fresh
    assert said(server, ASK, CLOSE).count(b"HTTP/1.1 200") == 2
    app.held += LIMITS.bodies
    assert said(server, ASK).startswith(b"HTTP/1.1 503")
    app.held -= LIMITS.bodies
    assert said(server, CLOSE).startswith(b"HTTP/1.1 200")
    assert app.held == 0


def test_a_head_with_a_secret_is_not_kept(tmp_path: Path) -> None:
    app = App(Service.load({"tiny": sealed(tmp_path / "bundle").path}), LIMITS)
    server = Server(app)
    try:
        for name in (
            b"Authorization: Bearer a",
            b"X-Api-Key: a",
            b"Cookie: a=b",
            b"Proxy-Authorization: Basic a",
            b"X-Auth-Token: a",
        ):
            ask = ASK.replace(b"host: a", b"host: a\r\nconnection: close\r\n" + name)
            assert said(server, ask).startswith(b"HTTP/1.1 200")
            assert app.heads.find(ask) is None
    finally:
        server.close()
