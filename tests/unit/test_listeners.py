"""Where each container listens is declared, and is where its files say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cloudwright.model.cloud import Cloud
from cloudwright.model.facts import Facts
from cloudwright.model.load import load
from cloudwright.model.overrides import Overrides
from cloudwright.plan.blueprint import Blueprint, World, make_blueprint
from cloudwright.plan.steps import RunContainer, WriteFiles
from cloudwright.services import SERVICES

EXAMPLES = Path(__file__).parents[2] / "examples"


def blueprint_of(cloud: Cloud) -> Blueprint:
    facts = {host.name: Facts(host=host.name) for host in cloud.hosts}
    return make_blueprint(cloud, SERVICES, World(facts=facts), Overrides())


def listeners(blueprint: Blueprint, container: str, host: str) -> set[str]:
    return {
        f"{address}:{port}"
        for step in blueprint.steps.values()
        if isinstance(step.action, RunContainer)
        if (step.action.container, step.host) == (container, host)
        for address, port in step.action.listeners
    }


def ports(blueprint: Blueprint, container: str, host: str) -> list[int]:
    found = listeners(blueprint, container, host)
    return sorted(int(one.rpartition(":")[2]) for one in found)


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_load_balancer_binds_what_is_declared(example: Path) -> None:
    blueprint = blueprint_of(load(example))
    bound = {
        (step.action.directory.rpartition("/")[2], step.host): set(
            re.findall(r"^\s+bind ([\d.]+:\d+)", file.text, re.MULTILINE)
        )
        for step in blueprint.steps.values()
        if isinstance(step.action, WriteFiles)
        for file in step.action.files
        if file.name == "haproxy.cfg"
    }
    assert any(bound.values())
    assert bound == {key: listeners(blueprint, *key) for key in bound}


def test_members_listen_for_each_other_too() -> None:
    two = blueprint_of(load(EXAMPLES / "two-sites.yaml"))
    assert ports(two, "mariadb", "ctl-a") == [3306, 4444, 4567, 4568, 13307]
    assert ports(two, "mariadb-arbitrator", "witness") == [4567]
    assert ports(two, "rabbitmq", "witness") == [4369, 5671, 25672, 25673]
    assert ports(two, "ovn-nb-db", "witness") == [6641, 6643, 6645]
    assert ports(two, "ovn-sb-db", "witness") == [6642, 6644, 6646]
    assert ports(two, "glance-copies", "ctl-b") == [13292]
    assert ports(two, "keystone-api", "ctl-b") == [15000]
    assert ports(two, "nova-compute", "cmp-a") == []


def test_who_is_alone_is_given_nothing_by_others() -> None:
    one = blueprint_of(load(EXAMPLES / "aio.yaml"))
    assert ports(one, "mariadb", "aio") == [3306, 4567, 13307]


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_no_two_containers_of_a_host_want_the_same_port(example: Path) -> None:
    cloud = load(example)
    blueprint = blueprint_of(cloud)
    for host in cloud.hosts:
        wanted = [
            one
            for step in blueprint.steps.values()
            if isinstance(step.action, RunContainer) and step.host == host.name
            for one in step.action.listeners
        ]
        assert len(wanted) == len(set(wanted))
