"""What the pages name of the source is there: whoever follows a path arrives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "cloudwright"
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "changelog.d/*.md", "examples/**/*.md")
    for path in ROOT.glob(pattern)
)
ROOMS = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
SOURCE = {"src", "tests", "tools", "benchmarks", "examples", "docs", "changelog.d"}
"""Folders beside each other at the top; pages name those of the package without what is above."""


def named(text: str) -> Iterator[str]:
    """Every path that a page has as code, of a file or folder of ours; not what a cloud makes."""
    for block, code in re.findall(r"```(.*?)```|`([^`]+)`", text, re.DOTALL):
        for word in (block or code).split():
            path = word.strip(",;:()").split("::")[0]
            top, slash, rest = path.partition("/")
            ours = slash and top in ROOMS | SOURCE and not rest.startswith(".cloudwright")
            if ours and re.fullmatch(r"[\w.*/-]*", rest):
                yield path


def is_there(path: str) -> bool:
    """A word in capitals is one that the reader puts in; a star is the shell's."""
    parts = ["*" if re.fullmatch("[A-Z]+", part) else part for part in Path(path).parts]
    return any(list(folder.glob("/".join(parts))) for folder in (ROOT, PACKAGE))


def test_what_is_looked_for_is_found_and_what_is_not_is_not() -> None:
    text = "```\nmake x\n```\n`cli/main.py` or `make x tests/unit`, `model/rules*.py`; "
    text += "`not-ours/a.py`; cli/plan.py; `examples/.cloudwright/lab`"
    assert list(named(text)) == ["cli/main.py", "tests/unit", "model/rules*.py"]
    assert is_there("cli/main.py") and is_there("model/rules*.py") and is_there("tests/unit/")
    assert is_there("src/cloudwright/releases/NAME")
    assert not is_there("cli/none-such.py") and not is_there("model/none*.py")


def test_every_path_that_a_page_names_is_there() -> None:
    found = {(page.name, path) for page in PAGES for path in named(page.read_text())}
    assert len(found) > 50
    assert {(page, path) for page, path in found if not is_there(path)} == set()


def test_every_link_between_pages_leads_somewhere() -> None:
    found = {
        (page, link)
        for page in PAGES
        for link in re.findall(r"\]\(([^)#\s]+)", page.read_text())
        if "://" not in link
    }
    assert len(found) > 10
    assert {
        (page.name, link) for page, link in found if not (page.parent / link).exists()
    } == set()
