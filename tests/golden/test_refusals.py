"""What a user reads when a plan or a change is refused: `refusals/NAME.txt`, the whole text.

`CLOUDWRIGHT_GOLDEN=1` rewrites the texts; the difference in the commit is the review.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudwright.cli.main import error_text
from cloudwright.errors import CloudError
from cloudwright.execute.journal.holder import Holder
from cloudwright.execute.lock.changing import locked, moved_meanwhile, too_few
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.contract import Contract, Origin, contract_of, hold
from cloudwright.plan.difference import Observed, Seen, make_plan
from cloudwright.plan.sealed import identity_of, read, write
from cloudwright.plan.select import Selection, restrict
from cloudwright.plan.steps import MakeVolume, Step

HERE = Path(__file__).parent / "refusals"
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
CODES = {"lock-held": 5, "lock-too-few": 4}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusal(name: str) -> None:
    with pytest.raises(CloudError) as caught:
        REFUSALS[name]()
    assert caught.value.exit_code == CODES.get(name, 3)
    text = f"{error_text(caught.value)}\n"
    golden = HERE / f"{name}.txt"
    if os.environ.get(REWRITE):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()


def test_every_text_is_of_a_test() -> None:
    assert {path.stem for path in HERE.glob("*.txt")} == set(REFUSALS)
