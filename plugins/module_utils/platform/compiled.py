"""Templates that many hosts share, compiled once. Ansible compiles each of them again for each host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jinja2 import Environment
from jinja2.environment import TemplateExpression


@contextmanager
def compiled_once() -> Iterator[None]:
    """Compile each template and each expression once while this lasts: compiling them is half of the time."""
    template, expression = Environment.compile, Environment.compile_expression
    templates: dict[Any, Any] = {}
    expressions: dict[Any, Any] = {}
    latest: list[Any] = []

    def compiled(self: Environment, source: Any, *args: Any, **kwargs: Any) -> Any:
        # An expression comes parsed; its caller remembers it. How Ansible reads a backslash depends on where the
        # template is.
        if not isinstance(source, str) or "\\" in source:
            latest[:] = [template(self, source, *args, **kwargs)]
            return latest[0]
        key = (source, args, tuple(sorted(kwargs.items())))
        if key not in templates:
            templates[key] = template(self, source, *args, **kwargs)
        return templates[key]

    def compiled_expression(self: Environment, source: str, undefined_to_none: bool = True) -> Any:
        if "\\" in source:
            return expression(self, source, undefined_to_none)
        if source not in expressions:
            made = expression(self, source, undefined_to_none)
            expressions[source] = latest[0]
            return made
        # As Environment.from_string does with what it has compiled.
        again = self.template_class.from_code(self, expressions[source], self.make_globals(None))
        return TemplateExpression(again, undefined_to_none)

    Environment.compile = compiled  # type: ignore[method-assign]
    Environment.compile_expression = compiled_expression  # type: ignore[method-assign]
    try:
        yield
    finally:
        Environment.compile = template  # type: ignore[method-assign]
        Environment.compile_expression = expression  # type: ignore[method-assign]
