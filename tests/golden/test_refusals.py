"""What a user reads when a plan or a change is refused: `refusals/NAME.txt`, the whole text.

`CLOUDWRIGHT_GOLDEN=1` rewrites the texts; the difference in the commit is the review.
"""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from cloudwright.cli.main import error_text, run
from cloudwright.cli.outcome import raise_if_lost, raise_unless_whole, stopping_text
from cloudwright.cli.selection import refuse_unknown
from cloudwright.errors import CloudError, Missing, Unreachable
from cloudwright.execute.host.fleet import raise_errors
from cloudwright.execute.journal.events import Outcome, StopAsked
from cloudwright.execute.journal.holder import Holder
from cloudwright.execute.lock.changing import locked, moved_meanwhile, too_few
from cloudwright.execute.look.fitness import MIB, Condition, refuse
from cloudwright.execute.simulated import SimulatedWorld
from cloudwright.model.facts import Facts
from cloudwright.model.load import load
from cloudwright.model.overrides import Overrides
from cloudwright.plan.blueprint import Blueprint, World, make_blueprint
from cloudwright.plan.checks import check
from cloudwright.plan.contract import Contract, Origin, contract_of, hold
from cloudwright.plan.difference import Observed, Seen, make_plan
from cloudwright.plan.sealed import identity_of, read, write
from cloudwright.plan.select import Selection, restrict
from cloudwright.plan.steps import MakeVolume, Step
from cloudwright.services import SERVICES
from tests.simulated.fleet import Wanted, apply, everything, fresh

HERE = Path(__file__).parent / "refusals"
EXAMPLES = Path(__file__).parents[2] / "examples"
REWRITE = "CLOUDWRIGHT_GOLDEN"
SEAL = "a seal"
IDS = (*(f"nova/nova-{n:02}@aio" for n in range(25)), "glance/volume/glance@aio", "web/web@aio")
BLUEPRINT = Blueprint(
    cloud="aio",
    steps={id: Step(id=id, host="aio", action=MakeVolume(volume=id)) for id in IDS},
    secrets={},
)
OBSERVED = Observed(
    seen={
        id: Seen(digest=step.digest) for id, step in BLUEPRINT.steps.items() if "glance" not in id
    }
)
ORIGIN = Origin(
    cloud="aio",
    identity=identity_of(SEAL),
    description="d1",
    version="0.1.0",
    release="2026.2",
    made="2026-11-21T07:21:16Z",
    selection=Selection(),
)


def contract(observed: Observed = OBSERVED, **changed: str) -> Contract:
    origin = dataclasses.replace(ORIGIN, **changed)  # type: ignore[arg-type]
    return contract_of(origin, BLUEPRINT, observed, make_plan(BLUEPRINT, observed))


TEXT = write(contract(), SEAL)


def reading(text: str, **expected: str) -> Callable[[], object]:
    origin = dataclasses.replace(ORIGIN, **expected)  # type: ignore[arg-type]
    return lambda: read(text, "change.json", origin, SEAL)


def edited() -> str:
    data = json.loads(TEXT)
    del data["steps"][0]
    return json.dumps(data)


def elsewhere() -> Observed:
    """A container stopped, one gone, a file changed and a container that nobody declared."""
    seen = dict(OBSERVED.seen)
    seen["nova/nova-01@aio"] = Seen(digest="drifted", why="is exited, not running")
    seen["glance/volume/glance@aio"] = Seen(digest="new")
    del seen["web/web@aio"]
    return Observed(seen=seen, strays=(("aio", "old-api"),))


REFUSALS: dict[str, Callable[[], object]] = {
    "plan-empty": reading(""),
    "plan-not-json": reading("name: aio\n"),
    "plan-other-json": reading("[1, 2]"),
    "plan-cut-short": reading(TEXT[: len(TEXT) // 2]),
    "plan-edited": reading(edited()),
    "plan-other-version": reading(TEXT, version="0.2.0"),
    "plan-other-cloud": reading(TEXT, cloud="production"),
    "plan-same-name": reading(TEXT, identity=identity_of("another seal")),
    "plan-moved": lambda: hold(contract(), contract(elsewhere(), description="d2")),
    "plan-moved-much": lambda: hold(contract(), contract(Observed())),
    "plan-of-nothing": lambda: restrict(
        BLUEPRINT, OBSERVED, Selection(services=("glance",), hosts=("ctl-9",))
    ),
}

HOLDER = Holder(
    run="2026-11-21T07-21-16-3f2a",
    cloud="aio",
    why="apply (only nova, new flavors)",
    user="alice",
    machine="laptop",
    pid=4711,
    since=1795245676.0,
)
LAST = "2026-11-21T07-25-00-77aa"


def raising(error: CloudError) -> Callable[[], object]:
    def throw() -> object:
        raise error

    return throw


REFUSALS |= {
    "lock-held": raising(locked(HOLDER)),
    "lock-too-few": raising(too_few({"ctl-2": "cannot be reached", "ctl-3": "is lost"}, 3)),
    "lock-moved": raising(moved_meanwhile("aio", LAST)),
}
THREE = Wanted(cloud=load(EXAMPLES / "three-controllers.yaml"))
CTL, *_ = THREE.cloud.hosts


def applying(*lost: str, first: bool = False) -> Callable[[], object]:
    """A new image of MariaDB, or a first run, while these hosts do not answer."""

    def story() -> object:
        with tempfile.TemporaryDirectory() as logs:
            world = SimulatedWorld(cloud=THREE.cloud.name)
            if not first:
                world = fresh(THREE, Path(logs))
            for name in lost:
                world.host(name).up = False
            return apply(world, THREE.with_build("mariadb"), Path(logs))

    return story


def without_images() -> object:
    facts = {h.name: Facts(host=h.name, cores=2, memory_bytes=2**34) for h in THREE.cloud.hosts}
    blueprint = make_blueprint(THREE.cloud, SERVICES, World(facts=facts), Overrides())
    return check(make_plan(blueprint, Observed()), blueprint)


REFUSALS |= {
    "check-member-away": applying("ctl-3"),
    "check-no-majority": applying("ctl-2", "ctl-3"),
    "check-not-founded": applying("ctl-3", first=True),
    "check-images": without_images,
}


def unfit(**condition: object) -> Callable[[], object]:
    """What a first run on empty hosts says when the first of them is like this."""
    blueprint = everything(THREE)
    plan = make_plan(blueprint, Observed())
    found = Condition(**condition)  # type: ignore[arg-type]
    return lambda: refuse(plan, {CTL: found})


REFUSALS |= {
    "unfit-clock-ahead": unfit(skew=61.4),
    "unfit-clock-behind": unfit(skew=-3.0),
    "unfit-disk": unfit(free={"/var/lib/containers": 200 * MIB}),
    "unfit-port": unfit(listeners={("0.0.0.0", 11211): "perl"}),
    "unfit-in-many-ways": unfit(
        skew=4.0,
        free={"/etc/cloudwright": 8 * MIB, "/var/lib/containers": 0},
        listeners={("*", 3306): "mysqld", (CTL.address, 11211): "memcached"},
    ),
}

AWAY: dict[str, CloudError] = {
    "ctl-2": Unreachable("ctl-2 does not answer", where="root@10.66.0.12:22", hint="see it is on"),
    "ctl-3": Missing("no container engine answers", where="ctl-3"),
}
REFUSALS |= {
    "hosts-cannot-be-used": lambda: raise_errors(list(AWAY.values())),
    "hosts-left-out": lambda: raise_if_lost(AWAY),
}

PLAN = make_plan(BLUEPRINT, Observed())
DONE, CUT_THERE = IDS[:3], IDS[3:5]
FAILED = {"web/web@aio": "web/web@aio: it did not become healthy\nlast line of its log"}


def ended(**outcome: object) -> Callable[[], object]:
    found = Outcome(done=DONE, directory=".cloudwright/runs/RUN", **outcome)  # type: ignore[arg-type]
    return lambda: raise_unless_whole(found, PLAN)


REFUSALS |= {
    "interrupted-once": ended(interrupted=True),
    "interrupted-twice": ended(interrupted=True, cut=CUT_THERE),
    "steps-failed": ended(failed=FAILED, skipped={IDS[5]: "web/web@aio"}),
}

REFUSALS |= {
    "usage-service-misspelt": lambda: refuse_unknown(THREE.cloud, SERVICES, ["glanse"], []),
    "usage-service-unknown": lambda: refuse_unknown(THREE.cloud, SERVICES, ["x"], []),
    "usage-host-misspelt": lambda: refuse_unknown(THREE.cloud, SERVICES, [], ["ctl1"]),
    "usage-host-unknown": lambda: refuse_unknown(THREE.cloud, SERVICES, ["glance"], ["x"]),
}
USAGE = {
    "usage-only-beside-a-file": ["apply", "change.json", "--only", "glance"],
    "usage-host-beside-a-file": ["apply", "change.json", "--host", "ctl-1"],
    "usage-two-plans": ["apply", "one.json", "two.json"],
    "usage-two-clouds": ["plan", "one.yaml", "-c", "two.yaml"],
    "usage-out": ["plan", "--out", "change.txt"],
}
SAID = {
    "interrupting": stopping_text(StopAsked(running=CUT_THERE, left=20, at=0.0)),
    "interrupting-nothing": stopping_text(StopAsked(running=(), left=3, at=0.0)),
}
CODES = {
    "lock-held": 5,
    "lock-too-few": 4,
    "check-member-away": 3,
    "check": 4,
    "unfit": 4,
    "hosts": 4,
    "interrupted": 130,
    "steps": 1,
    "usage": 2,
}
"""Of a text, or of all whose names begin so; else 3."""


def assert_golden(name: str, text: str) -> None:
    golden = HERE / f"{name}.txt"
    if os.environ.get(REWRITE):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(f"{text}\n")
    assert f"{text}\n" == golden.read_text()


@pytest.mark.parametrize("name", REFUSALS)
def test_refusal(name: str) -> None:
    with pytest.raises((CloudError, click.UsageError)) as caught:
        REFUSALS[name]()
    assert caught.value.exit_code == CODES.get(name, CODES.get(name.partition("-")[0], 3))
    match caught.value:
        case CloudError() as error:
            assert_golden(name, error_text(error))
        case error:
            assert_golden(name, f"Error: {error.format_message()}")


@pytest.mark.parametrize("name", USAGE)
def test_wrong_words_on_the_command_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(USAGE[name]) == 2
    assert_golden(name, capsys.readouterr().err.rstrip())


@pytest.mark.parametrize("name", SAID)
def test_what_is_said_at_the_first_ctrl_c(name: str) -> None:
    assert_golden(name, SAID[name])


def test_every_text_is_of_a_test() -> None:
    assert {path.stem for path in HERE.glob("*.txt")} == {*REFUSALS, *USAGE, *SAID}
