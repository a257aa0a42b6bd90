"""A second release is a folder: once it is there every part takes it, and no code changes."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cloudwright.images.release import known_releases, releases
from cloudwright.model.cloud import DEFAULT_RELEASE

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "cloudwright"
EXAMPLE = ROOT / "examples" / "aio.yaml"
SECOND = "2027.1"
PINNED, OTHER = "nova==34.", "nova==35."
"""In the lock of the first, and of the second."""

ASKED = """\
import dataclasses, json, sys
from pathlib import Path
from cloudwright.images.extend_start import images_of
from cloudwright.images.recipe import make_recipes
from cloudwright.images.release import known_releases, load_release
from cloudwright.images.schemas import Schemas
from cloudwright.model.facts import Facts
from cloudwright.model.load import load
from cloudwright.model.overrides import Overrides
from cloudwright.plan.blueprint import World, make_blueprint
from cloudwright.services import SERVICES

def texts(release):
    cloud = load(Path(sys.argv[1]), known_releases())
    cloud = dataclasses.replace(cloud, release=release)
    facts = {host.name: Facts(host=host.name) for host in cloud.hosts}
    schema = Schemas(release=release).of
    blueprint = make_blueprint(cloud, SERVICES, World(facts=facts), Overrides(), schema)
    steps = {id: str(step.action) for id, step in blueprint.steps.items()}
    recipes = make_recipes(images_of(SERVICES), load_release(release))
    return {
        "steps": steps,
        "digests": {id: step.digest for id, step in blueprint.steps.items()},
        "recipes": {recipe.name: recipe.text for recipe in recipes},
        "lock": load_release(release).locks["nova"],
    }

print(json.dumps({release: texts(release) for release in known_releases()}))
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Python finds the very same code, beside it a release more."""
    house = tmp_path_factory.mktemp("house")
    package = house / "cloudwright"
    package.mkdir()
    for part in PACKAGE.iterdir():
        if part.name != "releases":
            (package / part.name).symlink_to(part)
    first = PACKAGE / "releases" / DEFAULT_RELEASE
    second = package / "releases" / SECOND
    (second / "options").mkdir(parents=True)
    (second.parent / DEFAULT_RELEASE).symlink_to(first)
    for file in first.rglob("*"):
        if file.is_file():
            text = file.read_text().replace(DEFAULT_RELEASE, SECOND)
            (second / file.relative_to(first)).write_text(text)
    lock, options = second / "nova.txt", second / "options" / "nova.json"
    assert PINNED in lock.read_text() and '"cpu_allocation_ratio"' in options.read_text()
    lock.write_text(lock.read_text().replace(PINNED, OTHER))
    options.write_text(options.read_text().replace('"cpu_allocation_ratio"', '"cpu_ratio"'))
    return house


def python(house: Path, *words: str, status: int = 0) -> str:
    """What this Python says, with the code of that house; `status` is how it must end."""
    done = subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "PYTHONPATH": str(house)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout
    return done.stdout


def cloud_of(directory: Path, release: str) -> str:
    """A cloud of that release, with an option of its own that the first has and the second not."""
    (directory / "config" / "nova").mkdir(parents=True)
    (directory / "config" / "nova" / "nova.conf").write_text(
        "[DEFAULT]\ncpu_allocation_ratio = 4\n"
    )
    file = directory / "cloud.yaml"
    file.write_text(EXAMPLE.read_text().replace(DEFAULT_RELEASE, release))
    return str(file)


def test_check_takes_a_cloud_of_it_with_its_own_options(house: Path, tmp_path: Path) -> None:
    verb = ("-m", "cloudwright", "check")
    file = cloud_of(tmp_path, SECOND)
    said = python(house, *verb, file, status=2)
    assert 'unknown option "cpu_allocation_ratio"' in said
    config = tmp_path / "config" / "nova" / "nova.conf"
    config.write_text(config.read_text().replace("cpu_allocation_ratio", "cpu_ratio"))
    assert f"release {SECOND}" in python(house, *verb, file)


def test_check_takes_the_first_as_before(house: Path, tmp_path: Path) -> None:
    file = cloud_of(tmp_path, DEFAULT_RELEASE)
    assert f"release {DEFAULT_RELEASE}" in python(house, "-m", "cloudwright", "check", file)


def test_of_an_unknown_one_it_says_which_there_are(house: Path, tmp_path: Path) -> None:
    file = cloud_of(tmp_path, "2027.2")
    said = python(house, "-m", "cloudwright", "check", file, status=2)
    assert f"known: {DEFAULT_RELEASE}, {SECOND}" in said


def test_recipes_and_files_are_made_of_it_alone(house: Path, tmp_path: Path) -> None:
    """The same words but for its name; its own lock, and its jobs are to be done again."""
    made = json.loads(python(house, "-c", ASKED, cloud_of(tmp_path, DEFAULT_RELEASE)))
    first, second = made[DEFAULT_RELEASE], made[SECOND]
    assert f":{SECOND}" in json.dumps(second["steps"])
    for what in ("steps", "recipes"):
        assert f":{DEFAULT_RELEASE}" not in json.dumps(second[what])
        assert {
            name: text.replace(SECOND, DEFAULT_RELEASE) for name, text in second[what].items()
        } == first[what]
    assert PINNED in first["lock"] and OTHER in second["lock"]
    jobs = {name for name in first["steps"] if "/job/" in name}
    assert jobs
    assert all(first["digests"][name] != second["digests"][name] for name in jobs)


def test_the_release_that_is_taken_unasked_is_there_and_stands_in_one_place() -> None:
    assert DEFAULT_RELEASE in known_releases()
    assert (releases() / DEFAULT_RELEASE / "release.toml").is_file()
    named = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for text in literals(path.read_text())
        if re.search(r"\b20\d\d\.[12]\b", text)
    }
    assert named == {"model/cloud.py"}


def literals(text: str) -> list[str]:
    """The strings of a module that are no documentation."""
    tree = ast.parse(text)
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told
    ]
