"""A plan in words and in JSON, from a small cloud of two containers."""

from __future__ import annotations

from cloudwright.declare.service import Container, Service
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.difference import Observed, Plan, Seen, make_plan
from cloudwright.plan.explain import Choice, choices_of, explain, explain_json
from cloudwright.plan.steps import (
    ConfigFile,
    ContainerBody,
    RunContainer,
    SetSwitch,
    Step,
    WriteFiles,
)

SERVICES = (
    Service(
        name="openvswitch",
        summary="the switch of each host",
        containers=(
            Container(
                name="ovs-vswitchd",
                role="compute",
                command="ovs-vswitchd",
                privileged="opens tap devices",
                capabilities={"NET_ADMIN": "makes bridges"},
            ),
        ),
    ),
    Service(name="nova", summary="instances"),
)


def small_blueprint() -> Blueprint:
    body = ContainerBody(image="cw/ovs:1", image_id="i", environment={}, binds=())
    steps = (
        Step(
            id="nova/files/nova-compute@a",
            host="a",
            action=WriteFiles(
                directory="/etc/cloudwright/nova-compute",
                files=(ConfigFile(name="nova.conf", text="[libvirt]\nvirt_type = qemu\n"),),
            ),
        ),
        Step(
            id="openvswitch/ovs-vswitchd@a",
            host="a",
            action=RunContainer(container="ovs-vswitchd", body=body, config_digest="d"),
        ),
        Step(
            id="openvswitch/switch/main@a",
            host="a",
            action=SetSwitch(
                container="ovs-vswitchd",
                socket="/run/db.sock",
                datapath_type="netdev",
                bridges={"br-int": ()},
                external_ids={},
                other_config={},
            ),
            needs=frozenset({"openvswitch/ovs-vswitchd@a"}),
        ),
    )
    return Blueprint(cloud="tiny", steps={s.id: s for s in steps}, secrets={})


def plan_of(observed: Observed) -> tuple[Blueprint, Plan]:
    blueprint = small_blueprint()
    return blueprint, make_plan(blueprint, observed)


def test_everything_new_is_grouped_by_service_with_its_privileges() -> None:
    blueprint, plan = plan_of(Observed())
    assert explain(plan, blueprint, SERVICES) == (
        "tiny: 3 to make, 0 to alter, 0 to remove; 0 as declared\n"
        "  on a: userspace datapath, instances by qemu\n"
        "\n"
        "nova: instances\n"
        "  + files/nova-compute@a  1 file in /etc/cloudwright/nova-compute: is not there\n"
        "\n"
        "openvswitch: the switch of each host\n"
        "  + ovs-vswitchd@a  container of cw/ovs:1: is not there\n"
        "      ! privileged: opens tap devices\n"
        "      ! NET_ADMIN: makes bridges\n"
        "  + switch/main@a   bridges br-int: is not there"
    )


def test_what_is_altered_or_removed_says_why() -> None:
    blueprint = small_blueprint()
    seen = {id: Seen(digest=step.digest) for id, step in blueprint.steps.items()}
    seen["openvswitch/ovs-vswitchd@a"] = Seen(digest="x", why="is exited, not running")
    plan = make_plan(blueprint, Observed(seen=seen, strays=(("a", "old-api"),)))
    text = explain(plan, blueprint, SERVICES)
    assert "  ~ ovs-vswitchd@a  container of cw/ovs:1: is exited, not running\n" in text
    assert "- old-api@a" in text
    assert "nothing declares it any more" in text


def test_nothing_to_do() -> None:
    blueprint = small_blueprint()
    seen = {id: Seen(digest=step.digest) for id, step in blueprint.steps.items()}
    plan = make_plan(blueprint, Observed(seen=seen))
    told = explain(plan, blueprint, SERVICES)
    assert told == "tiny: nothing to do; all 3 things are as declared"


def test_json_keeps_its_keys() -> None:
    blueprint, plan = plan_of(Observed())
    data = explain_json(plan, blueprint, SERVICES)
    assert data["cloud"] == "tiny"
    assert data["summary"] == {"make": 3, "alter": 0, "remove": 0, "unchanged": 0}
    assert data["hosts"] == {"a": {"datapath": "userspace", "virt": "qemu"}}
    step = next(s for s in data["steps"] if s["id"] == "openvswitch/ovs-vswitchd@a")
    assert step == {
        "id": "openvswitch/ovs-vswitchd@a",
        "service": "openvswitch",
        "host": "a",
        "kind": "RunContainer",
        "change": "make",
        "what": "container of cw/ovs:1",
        "why": "is not there",
        "needs": [],
        "digest": blueprint.steps["openvswitch/ovs-vswitchd@a"].digest,
        "privileges": {"privileged": "opens tap devices", "NET_ADMIN": "makes bridges"},
        "files": [],
    }


def test_choices_are_read_from_what_the_host_is_given() -> None:
    assert choices_of(small_blueprint()) == {"a": Choice(datapath="userspace", virt="qemu")}
