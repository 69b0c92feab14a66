"""Guards of the layout that no linter knows."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted([*ROOT.glob("operator/**/*.py"), *ROOT.glob("server/**/*.py")])
FRONT = ["main", "service", "link", "scheduling", "speech"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_short_and_says_what_is_in_it(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 300, "the missing thing is a noun"
    assert not text.strip() or ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("folder", ["operator", "server"])
def test_top_folders_are_not_packages(folder):
    assert not (ROOT / folder / "__init__.py").exists(), "operator is a standard-library module"


def test_no_module_has_a_name_that_says_nothing():
    empty = {"utils", "helpers", "common", "core", "manager", "misc"}
    assert not [path for path in MODULES if path.stem in empty or path.parent.name in empty]


def test_front_process_imports_neither_torch_nor_funasr():
    code = (
        "import importlib, pkgutil, sys, asr_server\n"
        f"for name in {FRONT!r}:\n"
        "    module = importlib.import_module(f'asr_server.{name}')\n"
        "    folder = getattr(module, '__path__', [])\n"
        "    for found in pkgutil.walk_packages(folder, f'asr_server.{name}.'):\n"
        "        importlib.import_module(found.name)\n"
        "print(*[name for name in ('torch', 'funasr') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
