"""What `plan` says of each example in four situations: `plans/EXAMPLE/NAME.txt`, the whole text.

`CLOUDWRIGHT_GOLDEN=1` rewrites the texts; the difference in the commit is the review.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudwright.cli.main import error_text
from cloudwright.errors import CloudError
from cloudwright.execute.simulated import SimulatedWorld
from cloudwright.model.load import load
from cloudwright.plan.changes import Sources, changes_of
from cloudwright.plan.checks import check
from cloudwright.plan.difference import make_plan
from cloudwright.plan.explain import explain
from cloudwright.plan.steps import WriteFiles
from cloudwright.services import SERVICES
from tests.simulated.fleet import SCHEMAS, Wanted, blueprint_of, everything, fresh, overrides_of

HERE = Path(__file__).parent / "plans"
EXAMPLES = sorted((HERE.parents[2] / "examples").glob("*.yaml"))
PAGE = HERE.parents[2] / "docs" / "explanation" / "what-plan-tells-you.md"
REWRITE = "CLOUDWRIGHT_GOLDEN"
OPTION = ("nova.conf", "cpu_allocation_ratio", "2.0")


def text(world: SimulatedWorld, wanted: Wanted) -> str:
    """The plan of the hosts that answer, as the verb prints it."""
    hosts = (host.name for host in wanted.cloud.hosts)
    blueprint = blueprint_of(wanted, frozenset(name for name in hosts if world.host(name).up))
    observed = world.observe(blueprint)
    plan = make_plan(blueprint, observed)
    check(plan, blueprint)
    sources = Sources(services=SERVICES, overrides=overrides_of(wanted), schema_of=SCHEMAS.of)
    changes = changes_of(plan, blueprint, observed, sources)
    return f"{explain(plan, blueprint, SERVICES, changes)}\n"


def on_empty_hosts(wanted: Wanted, logs: Path) -> str:
    return text(SimulatedWorld(cloud=wanted.cloud.name), wanted)


def with_an_option(wanted: Wanted, logs: Path) -> str:
    return text(fresh(wanted, logs), wanted.with_option(*OPTION))


def with_an_image(wanted: Wanted, logs: Path) -> str:
    return text(fresh(wanted, logs), wanted.with_build("mariadb"))


def without_a_host(wanted: Wanted, logs: Path) -> str:
    """The last controller is lost, while the others lack an option: of two none can be spared."""
    world = fresh(wanted, logs)
    world.host(wanted.cloud.hosts_with("control")[-1].name).up = False
    try:
        return text(world, wanted.with_option(*OPTION))
    except CloudError as error:
        return f"{error_text(error)}\n"


SITUATIONS: dict[str, Callable[[Wanted, Path], str]] = {
    "empty": on_empty_hosts,
    "option": with_an_option,
    "image": with_an_image,
    "lost": without_a_host,
}
CASES = [
    (path, name)
    for path in EXAMPLES
    for name in SITUATIONS
    if (path.stem, name) != ("aio", "lost")  # of one host nothing is left to plan
]


@pytest.mark.parametrize(("example", "name"), CASES, ids=lambda case: getattr(case, "stem", case))
def test_plan(example: Path, name: str, tmp_path: Path) -> None:
    told = SITUATIONS[name](Wanted(cloud=load(example)), tmp_path)
    golden = HERE / example.stem / f"{name}.txt"
    if os.environ.get(REWRITE):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(told)
    assert told == golden.read_text(), "`make golden` shows the difference"


def test_the_page_about_plan_counts_what_there_is() -> None:
    """Its text is of a real cloud of the example; what it counts goes on with the code."""
    blueprint = everything(Wanted(cloud=load(EXAMPLES[0].with_name("aio.yaml"))))
    page = PAGE.read_text()
    counts = re.findall(r"(\d+) to make, (\d+) to alter, \d+ to remove; (\d+) as declared", page)
    assert [sum(map(int, found)) for found in counts] == [len(blueprint.steps)]
    files = {
        step.action.directory: len(step.action.files)
        for step in blueprint.steps.values()
        if isinstance(step.action, WriteFiles)
    }
    shown = re.findall(r"(\d+) files in (\S+):", page)
    assert len(shown) > 3
    for count, directory in shown:
        assert files[directory] == int(count), directory


def test_every_text_is_of_a_test() -> None:
    found = {(path.parent.name, path.stem) for path in HERE.glob("*/*.txt")}
    assert found == {(path.stem, name) for path, name in CASES}
