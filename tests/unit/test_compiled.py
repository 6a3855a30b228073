"""The list of modules that may be compiled (docs/adr/0008-compiled-build.md)."""

import ast
import tomllib
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[2]
HOOKS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
COMPILED = HOOKS["wheel"]["hooks"]["mypyc"]["include"]


def coroutines_in(module: str) -> list[str]:
    """The names of the coroutine functions in a source file."""
    tree = ast.parse((ROOT / module.lstrip("/")).read_text())
    return [node.name for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)]


@pytest.mark.parametrize("module", COMPILED)
def test_no_compiled_module_has_a_coroutine(module):
    """The compiler gets some of them wrong."""
    assert [] == coroutines_in(module)


def test_a_coroutine_would_be_found():
    """The rule above can fail: the way of a request is one."""
    assert "handle" in coroutines_in("/proxy/dataplane/handler.py")
