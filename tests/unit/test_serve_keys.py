"""API keys: what is kept, who is let in, how often."""

import hashlib
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from asking import ask
from bundles import sealed
from limbeck.cli import app as cli
from limbeck.errors import InputFileError
from limbeck.serve.app import App
from limbeck.serve.gate import Gate
from limbeck.serve.keys import Keys, new
from limbeck.serve.rates import Rates
from limbeck.serve.service import Service

PATH = "/v1/classify"


def test_a_file_of_keys_holds_hashes_alone(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    first, second = new(file, "shop"), new(file, "bot", ["answer", "watch"], datetime.now(UTC) + timedelta(days=1), 5.0)
    assert first != second
    assert first.startswith("lk_")
    assert len(first) >= 46  # 256 bits
    assert file.stat().st_mode & 0o777 == 0o600
    assert first not in file.read_text()
    assert second not in file.read_text()
    keys = Keys.read(file)
    assert [k.name for k in keys.keys] == ["shop", "bot"]
    assert keys.keys[0].sha256 == hashlib.sha256(first.encode()).hexdigest()
    assert (keys.find(first.encode()), keys.find(second.encode()), keys.find(b"lk_other")) == (0, 1, None)


BAD = {
    "no JSON": "{",
    "a list": "[]",
    "no keys": '{"keys": []}',
    "an unknown field": '{"keys": [{"name": "a", "sha256": "%s", "scope": ["answer"]}]}' % ("0" * 64),
    "a scope that is none": '{"keys": [{"name": "a", "sha256": "%s", "scopes": ["admin"]}]}' % ("0" * 64),
    "a key in the clear": '{"keys": [{"name": "a", "sha256": "lk_secret"}]}',
    "a name twice": json.dumps({"keys": [{"name": "a", "sha256": "0" * 64}] * 2}),
    "a rate below nothing": '{"keys": [{"name": "a", "sha256": "%s", "per_second": -1}]}' % ("0" * 64),
    "a burst of none": '{"keys": [{"name": "a", "sha256": "%s", "burst": 0}]}' % ("0" * 64),
}


@pytest.mark.parametrize("case", BAD)
def test_another_file_is_refused_with_its_name(tmp_path: Path, case: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(BAD[case])
    file.chmod(0o600)
    with pytest.raises(InputFileError, match=r"keys\.json"):
        Keys.read(file)


def test_a_file_that_others_can_write_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    new(file, "a")
    file.chmod(0o666)
    with pytest.raises(InputFileError, match="chmod 600"):
        Keys.read(file)


def test_keys_that_could_not_be_used_are_not_made(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    new(file, "a")
    for arguments, words in (
        (("a",), "already"), (("b", ["admin"]), "scopes"), (("b c",), "name"), (("b", ["answer"], datetime(2020, 1, 1)), "later"),
    ):  # fmt: skip
        with pytest.raises(InputFileError, match=words):
            new(file, *arguments)
    assert len(Keys.read(file).keys) == 1


def test_the_command_prints_the_key_once(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    done = CliRunner().invoke(cli, ["key", "new", "shop", "--file", str(file), "--expires", "2099-01-01", "--per-second", "2"])
    assert done.exit_code == 0, done.output
    key = Keys.read(file).keys[0]
    assert Keys.read(file).find(done.output.strip().encode()) == 0
    assert (key.per_second, key.expires) == (2.0, datetime(2099, 1, 1, tzinfo=UTC).timestamp())


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    return Service.load({"tiny": sealed(tmp_path_factory.mktemp("keys") / "bundle").path})


def test_who_is_let_in(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    key, watcher, late = (
        new(file, "a"),
        new(file, "b", ["watch"]),
        new(file, "c", expires=datetime.now(UTC) + timedelta(hours=1)),
    )
    keys = Keys.read(file)
    ended = replace(keys.keys[2], expires=time.time() - 1)
    app = App(service, gate=Gate(Keys((*keys.keys[:2], ended)), Rates()))

    def asked(**headers: str):
        return ask(app, PATH, {"input": "hello"}, headers=headers)

    assert asked(authorization=f"Bearer {key}").status == 200
    assert asked(**{"x-api-key": key}).status == 200
    for headers, status, code in (
        ({}, 401, "key_missing"),
        ({"authorization": "Basic YTpi"}, 401, "key_missing"),
        ({"authorization": "Bearer lk_wrong"}, 401, "key_unknown"),
        ({"authorization": f"Bearer {key[:-1]}"}, 401, "key_unknown"),
        ({"authorization": f"Bearer {late}"}, 401, "key_expired"),
        ({"authorization": f"Bearer {watcher}"}, 403, "scope_missing"),
    ):
        refused = asked(**headers)
        assert (refused.status, refused.code) == (status, code)
        assert "lk_" not in refused.body.decode()
    assert ask(app, "/health/ready").status == 200  # whoever watches a machine has no key


def test_a_key_that_asks_too_often_is_told_when_to_come_again(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    key, other = new(file, "a", per_second=0.5, burst=2), new(file, "b")
    app = App(service, gate=Gate(Keys.read(file), Rates()))
    found = [ask(app, PATH, {"input": "hello"}, headers={"x-api-key": key}) for _ in range(3)]
    assert [r.status for r in found] == [200, 200, 429]
    assert found[2].headers["retry-after"] == "2"
    assert ask(app, PATH, {"input": "hello"}, headers={"x-api-key": other}).status == 200
    figures = {(n, *about.values()): v for n, about, v in service.figures()}
    assert figures["limbeck_refusals_total", "rate_limited"] == 1


def test_a_rate_holds_over_time() -> None:
    now = 50.0
    rates = Rates(clock=lambda: now)
    let_in = 0
    for _ in range(1_000):  # ten times as often as it may
        let_in += rates.wait(3, per_second=10.0, burst=5) == 0.0
        now += 0.01
    assert let_in == pytest.approx(10 * 10 + 5, abs=1)
    assert rates.wait(4, per_second=10.0, burst=5) == 0.0  # another key
