"""Whatever changes, fails or dies, and wherever a run is cut, `apply` reaches the same world.

`CLOUDWRIGHT_FLEET=3600` looks for that many seconds' worth of examples (about one a second)
instead of the few, always the same, that every change must pass; a failure prints what to replay.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cloudwright.errors import Unreachable, UnsafePlan
from cloudwright.execute.simulated import Failure, SimulatedWorld
from cloudwright.execute.simulated.host import SimulatedHost
from cloudwright.model.cloud import Host
from tests.simulated.fleet import (
    IMAGES,
    Wanted,
    apply,
    assert_same,
    cloud_of,
    edited,
    everything,
    fresh,
)

EXAMPLES = int(os.environ.get("CLOUDWRIGHT_FLEET", "40"))
ROLES = [("control",), ("network",), ("compute",), ("network", "compute")]
CONTROLLERS = [("control",), ("control",), ("control", "compute"), ("control", "network")]
FIRST = ("control", "network")
OPTIONS = [
    ("keystone.conf", "debug"),
    ("nova.conf", "cpu_allocation_ratio"),
    ("nova.conf", "debug"),
    ("glance.conf", "x"),
]
Draw = Callable[[st.SearchStrategy], object]


@st.composite
def clouds(draw: Draw) -> Wanted:
    """1 to 9 hosts of any roles over 1 to 3 sites; most have one or three controllers, and of
    those with two most have a witness in a site of its own."""
    controllers = draw(st.sampled_from([1, 1, 3, 3, 2, 2, 5]))
    witnesses = draw(st.sampled_from([0, 1, 1] if controllers == 2 else [0, 0, 0, 1]))
    witnesses = min(witnesses, controllers - 1)
    others = draw(
        st.lists(st.sampled_from(ROLES[1:]), max_size=min(4, 9 - controllers - witnesses))
    )
    roles = [FIRST if n == 0 else draw(st.sampled_from(CONTROLLERS)) for n in range(controllers)]
    if draw(st.booleans()):
        roles[0] = ("control", "network", "compute")
    roles += [("witness",)] * witnesses
    return Wanted(cloud=cloud_of(*roles, *others, sites=draw(st.integers(1, 3))))


@st.composite
def changes(draw: Draw, wanted: Wanted) -> Wanted:
    """What the operator wants next."""
    match draw(st.sampled_from(["image", "option", "address", "add", "remove", "nothing"])):
        case "image":
            return wanted.with_build(draw(st.sampled_from(IMAGES)))
        case "option":
            file, option = draw(st.sampled_from(OPTIONS))
            return wanted.with_option(file, option, str(draw(st.integers(0, 3))))
        case "address":  # the load balancer reads it again, and what names it is made anew
            api = replace(wanted.cloud.api, external=f"203.0.113.{draw(st.integers(2, 9))}")
            return replace(wanted, cloud=replace(wanted.cloud, api=api))
        case "add":
            number = len(wanted.cloud.hosts) + draw(st.integers(0, 3)) * 10
            new = Host(
                name=f"n{number}",
                address=f"10.0.0.{100 + number}",
                site="a",
                roles=draw(st.sampled_from(ROLES)),
                external_interface="eth2",
            )
            known = {h.name for h in wanted.cloud.hosts}
            hosts = wanted.cloud.hosts if new.name in known else (*wanted.cloud.hosts, new)
            return replace(wanted, cloud=replace(wanted.cloud, hosts=hosts))
        case "remove":
            last = wanted.cloud.hosts[-1]
            if len(wanted.cloud.hosts) > 1 and not {"control", "witness"} & set(last.roles):
                hosts = wanted.cloud.hosts[:-1]
                return replace(wanted, cloud=replace(wanted.cloud, hosts=hosts))
    return wanted


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """What happens to one run."""

    failures: dict[str, Failure]
    kill_at: int
    lost: str
    lost_at: int
    empty: bool
    before: tuple[str, str]
    """Done to a host before the run: what, and to which."""


@st.composite
def troubles(draw: Draw, wanted: Wanted) -> Trouble:
    """Any of them, or none."""
    ids = sorted(everything(wanted).steps)
    names = [h.name for h in wanted.cloud.hosts]
    return Trouble(
        failures=draw(st.dictionaries(st.sampled_from(ids), st.sampled_from(Failure), max_size=4)),
        kill_at=draw(st.one_of(st.just(-1), st.integers(0, 3 * len(ids)))),
        lost=draw(st.sampled_from(["", *names])),
        lost_at=draw(st.integers(1, 3 * len(ids))),
        empty=draw(st.booleans()),
        before=(
            draw(
                st.sampled_from(
                    ["", "reboot", "edit", "edit and reboot", "stop", "remove", "away"]
                )
            ),
            draw(st.sampled_from(names)),
        ),
    )


def disturb(world: SimulatedWorld, what: str, name: str) -> None:
    """Somebody does something to a host by hand."""
    host = world.host(name)
    match what:
        case "reboot":
            host.reboot()
        case "edit":
            for files in list(host.files.values())[::3]:
                files.update({name: edited(files[name]) for name in list(files)[:1]})
        case "edit and reboot":
            disturb(world, "edit", name)
            host.reboot()
        case "stop":
            stop_one(host)
        case "remove":
            for container in list(host.processes)[:1]:
                del host.processes[container]
        case "away":
            host.up = False


def stop_one(host: SimulatedHost) -> None:
    """One container ends."""
    for process in list(host.processes.values())[:1]:
        process.running = process.healthy = False


def run_in_trouble(world: SimulatedWorld, wanted: Wanted, trouble: Trouble, logs: Path) -> None:
    """One `apply`, that may be refused, fail or die; then every host is there again."""
    disturb(world, *trouble.before)
    world.begin_run()
    world.failures = dict(trouble.failures)
    world.kill_at = trouble.kill_at
    if trouble.lost:
        host = world.host(trouble.lost)
        world.events = {trouble.lost_at: lambda: setattr(host, "up", False)}
    try:
        apply(world, wanted, logs)
    except (UnsafePlan, Unreachable):
        assert any(not h.up for h in world.hosts.values()), "refused without a host away"
    for name, host in world.hosts.items():
        if not host.up and trouble.empty and name == trouble.lost:
            world.lose_disk(name)
        elif not host.up:
            host.reboot()
        host.up = True


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    print_blob=True,
    # A change is held to the same histories each time; who looks for more draws others.
    derandomize="CLOUDWRIGHT_FLEET" not in os.environ,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink],
)
@given(data=st.data())
def test_any_history_of_changes_and_failures_ends_in_the_same_world(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    logs = tmp_path_factory.mktemp("logs")
    wanted = data.draw(clouds())
    world, history = SimulatedWorld(), []
    for _ in range(data.draw(st.integers(1, 4))):
        run_in_trouble(world, wanted, data.draw(troubles(wanted)), logs)
        assert world.broken == []
        history.append(wanted)
        wanted = data.draw(st.one_of(changes(wanted), st.sampled_from(history)))
    world.begin_run()
    world.failures = {}
    _, outcome = apply(world, wanted, logs)
    assert world.broken == []
    assert outcome and outcome.is_whole, outcome
    assert_same(world, wanted, fresh(wanted, logs))
