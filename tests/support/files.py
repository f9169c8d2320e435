"""Python files of the repository: those in no package (modules, plugins, scripts), and what is prose in one."""

from __future__ import annotations

import ast
import importlib.util
import sys
from functools import cache
from importlib.machinery import SourceFileLoader
from types import ModuleType

from rehearsal import REPOSITORY


@cache
def load_file(path: str) -> ModuleType:
    """Import a file of the repository by its path in it, once."""
    file = REPOSITORY / path
    name = f"file_under_test_{file.stem}"
    # Programs have no suffix, so the loader is named.
    spec = importlib.util.spec_from_loader(name, SourceFileLoader(name, str(file)))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Data classes look up the module that they are in.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def docstrings(tree: ast.AST) -> set[int]:
    """Ids of the nodes that are docstrings, so that a search in code can leave them out."""
    return {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
