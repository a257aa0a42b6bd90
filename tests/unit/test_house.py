"""What CONTRIBUTING.md says of sizes and names holds for every module that ships."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "cloudwright"
RULES = (ROOT / "CONTRIBUTING.md").read_text()


def most(what: str) -> int:
    """The number of lines that the rules allow for `what`."""
    found = re.search(rf"{what}(?: has at most)? (\d+)", RULES)
    assert found, f"CONTRIBUTING.md says nothing of {what}"
    return int(found[1])


def modules() -> Iterator[tuple[str, str]]:
    """Path and text of each."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield str(path.relative_to(PACKAGE)), path.read_text()


def length(text: str) -> int:
    return len(text.splitlines())


def test_no_module_is_longer_than_the_rules_say() -> None:
    limit = most("A module")
    assert {name: length(text) for name, text in modules() if length(text) > limit} == {}


def test_no_service_is_longer_than_the_rules_say() -> None:
    limit = most("the module of a service")
    services = re.compile(r"services/(\w+/__init__|\w+)\.py")
    sizes = {name: length(text) for name, text in modules() if services.fullmatch(name)}
    assert len(sizes) > 10
    assert {name: size for name, size in sizes.items() if size > limit} == {}


def test_no_function_is_longer_than_the_rules_say() -> None:
    limit = most("the body of a function")
    sizes = {
        f"{name}: {node.name}": (node.end_lineno or 0) - node.body[0].lineno + 1
        for name, text in modules()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert len(sizes) > 1000
    assert {name: size for name, size in sizes.items() if size > limit} == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    said = re.search(r"No module is called ([\w, ]+)\.", RULES)
    assert said
    banned = set(re.split(r", | or ", said[1]))
    assert len(banned) > 5
    assert [name for name, _ in modules() if banned & set(re.split(r"[/.]", name))] == []
