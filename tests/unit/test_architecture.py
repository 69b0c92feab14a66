"""Guards of the layout that no linter knows."""

import argparse
import ast
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted([*ROOT.glob("operator/**/*.py"), *ROOT.glob("server/**/*.py")])
TESTS = sorted(path.relative_to(ROOT) for path in ROOT.glob("tests/**/test_*.py"))
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


def read_runs(target):
    """Return what a target of the Makefile would have pytest run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("-q", action="store_true")
    parser.add_argument("-m", dest="picks", default="")
    parser.add_argument("--hypothesis-profile", dest="examples")
    parser.add_argument("--ignore", type=Path, action="append", default=[])
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    plan = subprocess.check_output(["make", "-n", target], cwd=ROOT, env=environment, text=True)
    commands = [line for line in plan.splitlines() if "bin/pytest" in line]
    return [parser.parse_args(shlex.split(line.partition("pytest")[2])) for line in commands]


def holds(run, path):
    ignored = any(path.is_relative_to(folder) for folder in run.ignore)
    return not ignored and any(path.is_relative_to(folder) for folder in run.folders)


def test_make_test_runs_every_test_and_make_check_all_but_the_slow_ones():
    """Properties once with few examples and once with all. But for tests/peers: `make peers`."""
    runs, fast = read_runs("test"), read_runs("check")
    assert {(run.picks, run.examples) for run in fast} == {("not slow", "quick")}
    for path in TESTS:
        in_e2e, in_peers = (path.is_relative_to(f"tests/{name}") for name in ("e2e", "peers"))
        check_and_slow = [("not slow", "quick"), ("slow or hypothesis", "full")]
        picks = [] if in_peers else [("", None)] if in_e2e else check_and_slow
        found = sorted((run.picks, run.examples) for run in runs if holds(run, path))
        assert found == picks, path
        assert sum(holds(run, path) for run in fast) == (not in_e2e and not in_peers), path
