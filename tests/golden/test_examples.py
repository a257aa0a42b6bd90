"""Each example's steps and every rendered file, as text that a reviewer reads.

`make golden` rewrites them; the difference in the commit is the review.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudwright.images.schemas import Schemas
from cloudwright.model.cloud import Cloud
from cloudwright.model.facts import Facts
from cloudwright.model.load import load
from cloudwright.model.overrides import Overrides
from cloudwright.plan.blueprint import Blueprint, World, make_blueprint
from cloudwright.plan.graph import in_order
from cloudwright.plan.steps import WriteFiles
from cloudwright.services import SERVICES

HERE = Path(__file__).parent
EXAMPLES = sorted((HERE.parents[1] / "examples").glob("*.yaml"))
REWRITE = "CLOUDWRIGHT_GOLDEN"


def blueprint_of(cloud: Cloud) -> Blueprint:
    facts = {
        h.name: Facts(host=h.name, cores=4, memory_bytes=16 * 1024**3, kernel_ovs=True)
        for h in cloud.hosts
    }
    return make_blueprint(
        cloud, SERVICES, World(facts=facts), Overrides(), Schemas(release=cloud.release).of
    )


def pages(blueprint: Blueprint) -> Iterator[tuple[str, str]]:
    """(path below the example's folder, text) of everything that is under golden test."""
    lines = []
    for step in in_order(blueprint.steps.values()):
        lines.append(f"{step.id}  ({type(step.action).__name__} on {step.host})")
        lines += [f"    after {need}" for need in sorted(step.needs)]
        if isinstance(step.action, WriteFiles):
            for file in step.action.files:
                yield f"files/{step.host}/{step.action.directory[5:]}/{file.name}", file.text
    yield "steps.txt", "\n".join(lines) + "\n"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example(example: Path) -> None:
    folder = HERE / example.stem
    wanted = dict(pages(blueprint_of(load(example))))
    if os.environ.get(REWRITE):
        for name, text in wanted.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for path in folder.rglob("*"):
            if path.is_file() and str(path.relative_to(folder)) not in wanted:
                path.unlink()
    found = {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}
    assert sorted(found) == sorted(wanted)
    for name, text in wanted.items():
        assert found[name] == text, f"{example.stem}/{name}: `make golden` shows the difference"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_blueprint_is_the_same_every_time(example: Path) -> None:
    cloud = load(example)
    one, two = blueprint_of(cloud), blueprint_of(cloud)
    assert {i: s.digest for i, s in one.steps.items()} == {
        i: s.digest for i, s in two.steps.items()
    }
    assert list(one.steps) == list(two.steps)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_secret_stands_as_what_is_filled_in_later(example: Path) -> None:
    """An escaped mark would reach the host as it is."""
    steps = blueprint_of(load(example)).steps.values()
    files = [f for s in steps if isinstance(s.action, WriteFiles) for f in s.action.files]
    assert any("⟦secret:" in file.text for file in files)
    assert [f.name for f in files if "u27e6" in f.text.lower()] == []
