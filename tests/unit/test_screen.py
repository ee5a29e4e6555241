"""What a log shows of a run, where there is no terminal."""

import pytest

from limbeck.cli import screen


def test_a_log_says_once_a_minute_that_a_stage_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(screen.time, "perf_counter", lambda: now)
    with screen.Watch() as watch:
        for step in range(1, 101):
            now = 2.0 * step
            watch("student", step, 100, f"epoch {step // 10}")
        watch("verify", 1, 1, "[all] rows")
    assert capsys.readouterr().err.splitlines() == [
        "student    60.0 s  30%, epoch 3",
        "student   120.0 s  60%, epoch 6",
        "student   180.0 s  90%, epoch 9",
        "student   200.0 s  epoch 10",
        "verify      0.0 s  [all] rows",
    ]
