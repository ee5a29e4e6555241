"""What the command line prints can be typed again."""

import sys
from pathlib import Path

import pytest

from limbeck.cli.demo import typed


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "venv" / "bin" / "limbeck"
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", "/usr/bin")
    return path


def test_a_program_that_the_shell_finds_is_typed_by_its_name(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(program.parent))
    assert typed(str(program)) == "limbeck"


def test_a_program_below_this_folder_is_typed_by_its_path_from_here(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(program.parents[2])
    assert typed(str(program)) == "venv/bin/limbeck"
    monkeypatch.chdir(program.parent)
    assert typed(str(program)) == "./limbeck"


def test_another_program_is_typed_by_its_path(program: Path) -> None:
    assert typed(str(program)) == str(program)


def test_a_module_is_typed_with_its_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.chdir("/")
    assert typed("/x/limbeck/__main__.py") == f"{str(Path(sys.executable)).lstrip('/')} -m limbeck"
