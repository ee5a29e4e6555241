"""The floors hold: imports point down, and torch stays out of what must run without it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "transformers", "onnx", "safetensors", "sklearn", "matplotlib", "jinja2")


def python(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_imports_point_down() -> None:
    done = subprocess.run([Path(sys.executable).with_name("lint-imports")], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "code",
    [
        "import limbeck",
        "import limbeck.cli",
        "import limbeck; limbeck.load; limbeck.Recipe; limbeck.names('students'); limbeck.Report",
        "from limbeck.data import read, split",
        "from limbeck.search import front, ladder, measure, plot, profile, race",
        "from limbeck.page import comparison, material, whole, written",
        "from limbeck.bench import alone, held, page, plot, rounds, server",
        "from limbeck.verify import hand_over",
        "from limbeck.serve import escalation, outside",
        "from limbeck.serve import metrics, start, supervisor, worker",
        "import sys; sys.argv = ['limbeck', 'list']\nfrom limbeck.cli import app\napp(standalone_mode=False)",
    ],
)
def test_torch_is_not_imported(code: str) -> None:
    found = python(f"{code}\nimport sys\nprint('HEAVY', [m for m in {HEAVY} if m in sys.modules])")
    assert found.strip().endswith("HEAVY []")


def test_a_bundle_answers_where_the_training_packages_cannot_be_imported(tiny_run) -> None:
    _, folder, _, _ = tiny_run
    code = (
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {HEAVY}: raise ImportError(name, name=name.split('.')[0])\n"
        "sys.meta_path.insert(0, Blocked())\n"
        "import limbeck\n"
        "print(limbeck.load(sys.argv[1]).predict(['hello'])[0].label)\n"
        "try: limbeck.distill(data='x')\n"
        "except limbeck.LimbeckError as error: print(error)\n"
    )
    answer, message = python(code, str(folder / "bundle")).splitlines()
    assert answer in ("greeting", "question", "thanks")
    assert 'pip install "limbeck[train]"' in message


def test_importing_limbeck_is_quick() -> None:
    code = "import time; t = time.perf_counter(); import limbeck; print(time.perf_counter() - t)"
    assert min(float(python(code)) for _ in range(5)) < 0.15


def test_every_module_opens_with_what_it_knows() -> None:
    import ast

    for path in (ROOT / "src" / "limbeck").rglob("*.py"):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        assert docstring, f"{path} has no docstring"
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 330, f"{path} is long: look for the second idea in it"
