"""Availability zones: which steps a cloud has, and that any state of Nova's ends as declared."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudwright.execute.central import zones
from cloudwright.model.facts import Facts
from cloudwright.model.load import load
from cloudwright.model.overrides import Overrides
from cloudwright.plan.blueprint import Blueprint, World, make_blueprint
from cloudwright.plan.steps import MakeZone
from cloudwright.services import SERVICES

EXAMPLES = Path(__file__).parents[2] / "examples"
URL = "https://nova/v2.1"
HOSTS = ("c1", "c2", "c3")


@dataclass
class Answer:
    body: Any

    def json(self) -> Any:
        return self.body


class Refused(Exception):
    pass


@dataclass
class Nova:
    """Host aggregates with the rules of Nova's API: no host in two zones, none twice in one."""

    aggregates: dict[int, dict[str, Any]] = field(default_factory=dict)

    async def listed(self, url: str, key: str) -> list[dict[str, Any]]:
        assert (url, key) == (f"{URL}/os-aggregates", "aggregates")
        return [{"id": i, **a} for i, a in self.aggregates.items()]

    def post(self, url: str, json: Any) -> Answer:
        if url == f"{URL}/os-aggregates":
            wanted = json["aggregate"]
            if any(a["name"] == wanted["name"] for a in self.aggregates.values()):
                raise Refused("the name is taken")
            return Answer({"aggregate": {"id": self.add(wanted["name"], wanted[zones.KEY])}})
        id, word = url.removeprefix(f"{URL}/os-aggregates/").split("/")
        assert word == "action"
        self._act(self.aggregates[int(id)], json)
        return Answer({})

    def add(self, name: str, zone: str, hosts: tuple[str, ...] = (), ours: bool = False) -> int:
        label = {zones.LABEL: "site"} if ours else {}
        id = len(self.aggregates) + 1
        self.aggregates[id] = {
            "name": name,
            "metadata": {**({zones.KEY: zone} if zone else {}), **label},
            "hosts": list(hosts),
        }
        return id

    def _act(self, aggregate: dict[str, Any], body: Any) -> None:
        match body:
            case {"add_host": {"host": host}}:
                if any(
                    host in a["hosts"]
                    for a in self.aggregates.values()
                    if zones.KEY in a["metadata"]
                ):
                    raise Refused(f"{host} is in a zone")
                aggregate["hosts"].append(host)
            case {"remove_host": {"host": host}}:
                aggregate["hosts"].remove(host)
            case {"set_metadata": {"metadata": properties}}:
                aggregate["metadata"].update(properties)

    async def as_admin(self, work: Callable[[Any], Any]) -> Any:
        return work(self)


def blueprint(example: str, without: str = "") -> Blueprint:
    cloud = load(EXAMPLES / example)
    facts = {h.name: Facts(host=h.name) for h in cloud.hosts if h.name != without}
    return make_blueprint(cloud, SERVICES, World(facts=facts), Overrides())


def zones_of(plan: Blueprint) -> dict[str, MakeZone]:
    found = (step.action for step in plan.steps.values())
    return {action.zone: action for action in found if isinstance(action, MakeZone)}


def test_a_zone_for_each_site_with_hypervisors() -> None:
    found = zones_of(blueprint("two-sites.yaml"))
    assert {zone: action.hosts for zone, action in found.items()} == {
        "a": ("cmp-a",),
        "b": ("cmp-b",),
    }


def test_one_site_needs_no_zone() -> None:
    assert not zones_of(blueprint("aio.yaml"))


def test_a_host_that_is_away_is_left_where_it_is() -> None:
    away = zones_of(blueprint("two-sites.yaml", without="cmp-b"))["b"]
    assert (away.hosts, away.others) == ((), ("cmp-b",))


def test_a_zone_waits_until_nova_knows_its_hosts() -> None:
    plan = blueprint("two-sites.yaml")
    assert "nova/job/hosts@cmp-a" in plan.steps["nova/zone/a"].needs


@given(
    there=st.dictionaries(
        st.sampled_from(("a", "b", "old")),
        st.tuples(st.sampled_from(("", "a", "b", "old")), st.sets(st.sampled_from(HOSTS))),
    ),
    hosts=st.sets(st.sampled_from(HOSTS)),
    others=st.sets(st.sampled_from(HOSTS)),
)
def test_any_state_ends_as_declared(
    there: dict[str, tuple[str, set[str]]], hosts: set[str], others: set[str]
) -> None:
    nova, taken = Nova(), set[str]()
    for name, (zone, members) in there.items():
        nova.add(name, zone, tuple(members - taken), ours=True)
        taken |= members
    wanted = MakeZone(
        zone="a", hosts=tuple(sorted(hosts)), others=tuple(sorted(others - hosts)), url=URL
    )
    asyncio.run(zones.make(nova, wanted))  # type: ignore[arg-type]
    found = asyncio.run(zones.look(nova, URL))  # type: ignore[arg-type]
    assert zones.difference(wanted, found) is None
    before = [list(a["hosts"]) for a in nova.aggregates.values()]
    asyncio.run(zones.make(nova, wanted))  # type: ignore[arg-type]
    assert [a["hosts"] for a in nova.aggregates.values()] == before


@pytest.mark.parametrize(
    ("zone", "hosts", "words"),
    [
        ("a", ("c1",), None),
        ("", ("c1",), "it is zone of no name"),
        ("a", (), "lacks c1"),
        ("a", ("c1", "c3"), "has c3"),
        ("a", ("c1", "c2"), None),
    ],
)
def test_what_differs(zone: str, hosts: tuple[str, ...], words: str | None) -> None:
    wanted = MakeZone(zone="a", hosts=("c1",), others=("c2",), url=URL)
    nova = Nova()
    nova.add("a", zone, hosts, ours=True)
    found = asyncio.run(zones.look(nova, URL))  # type: ignore[arg-type]
    assert zones.difference(wanted, found) == words


def test_an_aggregate_of_the_operator_is_left_alone() -> None:
    nova = Nova()
    nova.add("ssd", "", ("c1",))
    asyncio.run(
        zones.make(nova, MakeZone(zone="a", hosts=("c1",), others=(), url=URL))  # type: ignore[arg-type]
    )
    assert nova.aggregates[1]["hosts"] == ["c1"]
