"""Neutron keeps the networks of instances; OVN makes them real."""

from __future__ import annotations

from cloudwright.declare import database
from cloudwright.declare.image import Image
from cloudwright.declare.oslo import NORTHBOUND_PORT
from cloudwright.declare.reload import MUTABLE
from cloudwright.declare.rollout import Recount
from cloudwright.declare.service import (
    Api,
    CommandHealth,
    ConnectedHealth,
    Container,
    Database,
    Service,
    runtime,
)
from cloudwright.declare.tls import Tls
from cloudwright.declare.wsgi import UWSGI_COMMAND
from cloudwright.services.neutron.conf import (
    AGENT_OPTIONS,
    CONF,
    ML2_CONF,
    PORT,
    SERVER_OPTIONS,
    agent_files,
    api_files,
    worker_files,
)

CONFIG_FILES = f"--config-file {CONF} --config-file {ML2_CONF}"
METADATA_AGENT = "neutron-ovn-agent"
"""The container that gives an instance its metadata, on the instance's own host."""
METADATA_SOCKET = "/var/lib/neutron/metadata_proxy"

service = Service(
    name="neutron",
    summary="networks of instances",
    identity_user="neutron",
    upgrade_check="neutron-status upgrade check",
    image=Image(
        name="neutron",
        parent="openstack-base",
        projects=("neutron",),
        packages=("haproxy", "iproute2", "iptables", "openvswitch-common"),
        users=("neutron", "openvswitch"),
        user="neutron",
        run=(
            "mkdir -p /etc/neutron && cp -a /var/lib/kolla/venv/etc/neutron/. /etc/neutron/",
            "sed -i 's|^exec_dirs=|&/var/lib/kolla/venv/bin,|' /etc/neutron/rootwrap.conf",
            "printf 'neutron ALL=(root) NOPASSWD: /var/lib/kolla/venv/bin/neutron-rootwrap"
            " /etc/neutron/rootwrap.conf *\\n' > /etc/sudoers.d/neutron",
            "chmod 0440 /etc/sudoers.d/neutron",
            "usermod --append --groups openvswitch neutron",  # the switch's database
            "install -d -o neutron -g neutron /var/lib/neutron/tmp",
        ),
        names=("neutron-server", "neutron-metadata-agent", "neutron-ovn-agent"),
        options=(SERVER_OPTIONS, AGENT_OPTIONS),
    ),
    databases=(
        Database(
            name="neutron",
            user="neutron",
            create=f"neutron-db-manage {CONFIG_FILES} upgrade heads",
            like="neutron-api",
            conf=CONF,
            expand=f"neutron-db-manage {CONFIG_FILES} upgrade --expand",
            contract=f"neutron-db-manage {CONFIG_FILES} upgrade --contract",
        ),
    ),
    containers=(
        Container(
            name="neutron-api",
            role="control",
            command=UWSGI_COMMAND,
            files=api_files,
            tls=Tls(owner="neutron"),
            api=Api(port=PORT, type="network"),
            waits=database.awaited,
            needs=("rabbitmq", "memcached", "ovn-nb-db", "ovn-sb-db"),
            recount=Recount(),
        ),
        Container(
            name="neutron-ovn-maintenance-worker",
            role="control",
            command=f"neutron-ovn-maintenance-worker {CONFIG_FILES}",
            files=worker_files,
            reload=MUTABLE,
            tls=Tls(owner="neutron"),
            health=ConnectedHealth(port=NORTHBOUND_PORT),
            waits=database.awaited,
            # After the API: both make what is missing in OVN as they start.
            needs=("@neutron-api",),
            recount=Recount(),
        ),
        Container(
            name="neutron-periodic-workers",
            role="control",
            command=f"neutron-periodic-workers {CONFIG_FILES}",
            files=worker_files,
            reload=MUTABLE,
            tls=Tls(owner="neutron"),
            # It holds no connection while it has nothing to do; what works is the child.
            health=CommandHealth(command=("pgrep", "-f", "services worker")),
            waits=database.awaited,
            needs=("@neutron-api",),
        ),
        Container(
            name=METADATA_AGENT,
            role="compute",
            command="bash /etc/cloudwright/start.sh",
            files=agent_files,
            reload=MUTABLE,
            tls=Tls(owner="neutron"),
            mounts=(
                runtime("openvswitch"),
                runtime("netns"),
            ),
            privileged="makes a network namespace for the metadata of each network",
            farewell=(
                "for name in $(ls /run/netns); do case $name in ovnmeta-*)"
                ' ip netns delete "$name" && echo "removed network namespace $name";; esac; done'
            ),
            health=CommandHealth(command=("test", "-S", METADATA_SOCKET)),
            needs=("@ovn-controller", "ovn-sb-db"),
            recount=Recount(),
        ),
    ),
)
