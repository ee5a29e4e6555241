"""Heads that were read before."""

from limbeck.serve.heads import Head, Heads

HEAD = b"POST /v1/classify HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n"
READ = Head(2, {b"content-length": b"2"}, True)


def test_only_one_whole_request_is_found() -> None:
    heads = Heads()
    heads.keep(HEAD + b"{}", READ)
    assert heads.find(HEAD + b"[]") == (READ, b"[]")
    for data in (
        b"",
        b"\r\n\r\n",
        HEAD,
        HEAD + b"[",
        HEAD + b"[] ",
        b"\r\n\r\n" + HEAD + b"[]",
        HEAD[:-2] + b"[]",
        HEAD.lower() + b"[]",
    ):
        assert heads.find(data) is None, data


def test_what_is_no_whole_request_is_not_kept() -> None:
    heads = Heads()
    for data in (HEAD, HEAD + b"{}{}", b"\r\n\r\n" + HEAD + b"{}", HEAD[:-4] + b"\r\nx: " + b"a" * 5_000 + b"\r\n\r\n{}"):
        heads.keep(data, READ)
        assert heads.find(data) is None, data


def test_heads_that_never_come_again_do_not_pile_up() -> None:
    heads = Heads()
    kept = []
    for number in range(2_000):
        data = HEAD[:-2] + b"user-agent: %d\r\n\r\n{}" % number
        heads.keep(data, READ)
        kept.append(data)
    assert heads.find(kept[-1]) is not None
    assert sum(heads.find(data) is not None for data in kept) <= 512
