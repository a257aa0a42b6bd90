"""What somebody changed behind our back: `plan` shows it truly, `apply` puts it right."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tests.cloud.tool import SQL, Instance, Tool, changed

BASE = "localhost/cloudwright/base:2026.2"


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """What is done on the host, what `plan` says then (step → words), and what is started anew."""

    name: str
    command: str
    says: dict[str, str]
    starts: set[str] = field(default_factory=set)


FORGED = """
image=$(podman inspect --format '{{.Image}}' placement-api)
labels=$(podman inspect placement-api --format \
    '{{range $k, $v := .Config.Labels}}--label={{$k}}={{$v}} {{end}}')
podman rm -f -t 5 placement-api
podman run -d --name placement-api --network host --restart always $labels \
    -v /etc/cloudwright/placement-api:/var/lib/kolla/config_files:ro -v /etc/hosts:/etc/hosts:ro \
    -e KOLLA_CONFIG_STRATEGY=COPY_ALWAYS -e KOLLA_SERVICE_NAME=placement-api \
    --cap-add SYS_ADMIN $image sleep infinity
"""

DRIFTS = (
    Drift(
        name="a config file edited by hand",
        command="echo '# by hand' >>/etc/cloudwright/glance-api/glance-api.conf",
        says={
            "glance/files/glance-api@aio": "glance-api.conf differs",
            # It may have read what was written by hand.
            "glance/glance-api@aio": "may have read another glance-api.conf than is declared",
        },
        starts={"glance-api"},
    ),
    Drift(
        name="a file edited by hand that its process reads again without a restart",
        command="sed -i '0,/maxconn 8192/s//maxconn 77/' /etc/cloudwright/haproxy/haproxy.cfg",
        says={
            "haproxy/files/haproxy@aio": "haproxy.cfg differs",
            "haproxy/reload/haproxy@aio": "its files changed since it read them",
        },
    ),
    Drift(
        name="configuration of a container that nothing declares, left by a run that was cut",
        command="cp -a /etc/cloudwright/memcached /etc/cloudwright/gone",
        says={"stray/gone@aio": "nothing declares it any more"},
    ),
    Drift(
        name="a container stopped",
        command="podman stop -t 5 memcached",
        says={"memcached/memcached@aio": "is exited, not running"},
        starts={"memcached"},
    ),
    Drift(
        name="a container frozen",
        command="podman pause nova-scheduler",
        says={"nova/nova-scheduler@aio": "is paused, not running"},
        starts={"nova-scheduler"},
    ),
    Drift(
        name="a container removed",
        command="podman rm -f -t 5 placement-api",
        says={"placement/placement-api@aio": "is not there"},
        starts={"placement-api"},
    ),
    Drift(
        name="a container started by hand with another image",
        command=(
            "podman rm -f -t 5 memcached;"
            f"podman run -d --name memcached --network host {BASE} sleep infinity"
        ),
        says={"memcached/memcached@aio": f"was made by hand, of {BASE}"},
        starts={"memcached"},
    ),
    Drift(
        name="a label forged",
        command=FORGED,
        says={"placement/placement-api@aio": "its command is sleep infinity, not kolla_start"},
        starts={"placement-api"},
    ),
    Drift(
        name="a volume missing",
        command="podman rm -f -t 30 rabbitmq && podman volume rm rabbitmq",
        says={
            "rabbitmq/volume/rabbitmq@aio": "is not there",
            "rabbitmq/rabbitmq@aio": "is not there",
            "rabbitmq/user/openstack": "is not there",
        },
        starts={"rabbitmq"},
    ),
    Drift(
        name="a database user dropped",
        command=SQL.format("DROP USER glance@'%';"),
        says={"glance/database/glance": "user glance or its rights are missing"},
    ),
    Drift(
        name="a database user's password changed",
        command=SQL.format("ALTER USER placement@'%' IDENTIFIED BY 'another';"),
        says={"placement/database/placement": "user placement cannot log in"},
    ),
    Drift(
        name="a user of the message queue deleted",
        command="podman exec rabbitmq rabbitmqctl delete_user openstack",
        says={"rabbitmq/user/openstack": "user openstack cannot log in"},
    ),
    Drift(
        name="a user of the message queue without rights",
        command="podman exec rabbitmq rabbitmqctl clear_permissions openstack",
        says={"rabbitmq/user/openstack": "user openstack cannot use /"},
    ),
    Drift(
        name="a key of the switch removed",
        command=(
            "podman exec openvswitch-vswitchd"
            " ovs-vsctl remove Open_vSwitch . external_ids ovn-bridge-mappings"
        ),
        says={
            "openvswitch/switch/settings@aio": "external_ids:ovn-bridge-mappings is not set, "
            "not external:br-ex"
        },
    ),
    Drift(
        name="a bridge removed",
        command="podman exec openvswitch-vswitchd ovs-vsctl del-br br-ex",
        says={"openvswitch/switch/settings@aio": "bridge br-ex is missing"},
    ),
)


@pytest.mark.parametrize("drift", DRIFTS, ids=lambda drift: drift.name)
def test_drift_on_a_host(cloud: Tool, drift: Drift) -> None:
    cloud.on_host(drift.command)
    expect(cloud, drift.says, drift.starts)


def test_an_endpoint_deleted_in_keystone(cloud: Tool) -> None:
    [endpoint] = cloud.openstack(
        "endpoint", "list", "--service", "placement", "--interface", "public"
    )
    cloud.openstack_do("endpoint", "delete", endpoint["ID"])
    expect(cloud, {"placement/identity": "public endpoint of placement is missing"})


def test_a_service_users_role_removed(cloud: Tool) -> None:
    cloud.openstack_do("role", "remove", "--project", "service", "--user", "glance", "service")
    expect(cloud, {"glance/identity": "user glance lacks role service in project service"})


def test_the_instance_lived_through_all_of_it(instance: Instance) -> None:
    assert instance.says("hostname")


def expect(cloud: Tool, says: dict[str, str], starts: set[str] | None = None) -> None:
    """`plan` says exactly this; `apply` starts exactly these anew, and then all is well."""
    plan = cloud.plan()
    before = cloud.starts()
    cloud.run("apply", "--yes")  # whatever it says: the next test wants a whole cloud
    after = cloud.starts()
    assert plan.keys() == says.keys(), plan
    for id, words in says.items():
        assert words in plan[id]
    assert changed(before, after) == (starts or set())
    assert cloud.plan() == {}
    cloud.await_whole()
