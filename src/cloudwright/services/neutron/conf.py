"""What Neutron's processes are told."""

from __future__ import annotations

from cloudwright.declare import ini, oslo
from cloudwright.declare.at import CA_PATH, At
from cloudwright.declare.library import LIBRARY, library
from cloudwright.declare.options import API_LIBRARIES, LIBRARIES, OptionSet
from cloudwright.declare.service import File, Files
from cloudwright.declare.tls import CERTIFICATE_PATH, KEY_PATH
from cloudwright.declare.wsgi import uwsgi

PORT = 9696
METADATA_PORT = 8775

CONF = "/etc/neutron/neutron.conf"
ML2_CONF = "/etc/neutron/plugins/ml2/ml2_conf.ini"

_SHARED = ("oslo.messaging", "oslo.privsep", *LIBRARIES)
_PRIVSEP = {
    f"privsep_{user}": "privsep"
    for user in ("conntrack", "dhcp_release", "link", "namespace", "ovs_vsctl")
}

SERVER_OPTIONS = OptionSet(
    project="neutron",
    namespaces=(
        "neutron",
        "neutron.agent",
        "neutron.db",
        "neutron.experimental",
        "neutron.extensions",
        "neutron.ml2",
        "neutron.ml2.ovn",
        "ironic.auth",
        "nova.auth",
        "placement.auth",
        "designate.auth",
        "oslo.cache",
        "oslo.db",
        *_SHARED,
        *API_LIBRARIES,
    ),
    like=_PRIVSEP,
)
"""What the API and its workers read, from both of their files."""

AGENT_OPTIONS = OptionSet(
    project="neutron",
    namespaces=(
        "neutron",
        "neutron.base.agent",
        "neutron.agent",
        "neutron.ml2.ovn.agent",
        "neutron.ovn.metadata.agent",
        *_SHARED,
    ),
    like=_PRIVSEP,
)

ROOT_HELPER = "sudo /var/lib/kolla/venv/bin/neutron-rootwrap /etc/neutron/rootwrap.conf"

AGENT_START_PATH = "/etc/cloudwright/start.sh"

# A boot leaves the names of namespaces, and no namespace: the agent would take them as there.
AGENT_START = f"""\
for namespace in /run/netns/*; do
    [ ! -e $namespace ] || grep -q " $namespace " /proc/self/mountinfo ||
        {ROOT_HELPER} ip netns delete ${{namespace##*/}}
done
exec neutron-ovn-agent --config-file {CONF}
"""


def _process(at: At) -> ini.Ini:
    """What every process of Neutron's is told."""
    return ini.merge(
        oslo.logging("neutron"),
        oslo.messaging(at),
        oslo.locks("neutron"),
        {"DEFAULT": {"host": at.host.name, "state_path": "/var/lib/neutron"}},
    )


def server_conf(at: At) -> ini.Ini:
    """`neutron.conf` of the API and its workers."""
    networks = at.cloud.networks
    underlay = networks.tunnel or networks.management
    return ini.merge(
        _process(at),
        oslo.database(at, "neutron"),
        oslo.keystone(at, user="neutron"),
        oslo.api_defaults(at),
        {
            "DEFAULT": {
                "core_plugin": "ml2",
                "service_plugins": "ovn-router,qos,trunk,port_forwarding",
                "dns_domain": f"{at.cloud.name}.internal.",
                "global_physnet_mtu": max(underlay.mtu, networks.external.mtu),
                # No agent of ours listens: OVN answers DHCP, and nothing else asks by queue.
                "dhcp_agent_notification": False,
                "rpc_workers": 0,
                "rpc_state_report_workers": 0,
            },
            "nova": {**oslo.credentials(at, "neutron"), "endpoint_type": "internal"},
            "placement": {**oslo.credentials(at, "neutron"), "endpoint_type": "internal"},
        },
    )


def ml2_conf(at: At) -> ini.Ini:
    """`ml2_conf.ini`: Geneve between hosts, one flat external network, OVN's databases."""
    networks = at.cloud.networks
    underlay = networks.tunnel or networks.management
    external = networks.external
    return {
        "ml2": {
            "type_drivers": "flat,vlan,geneve",
            "project_network_types": "geneve",
            "mechanism_drivers": "ovn",
            "extension_drivers": "port_security,qos,dns",
            "path_mtu": underlay.mtu,
            "physical_network_mtus": f"{external.physical_network}:{external.mtu}",
        },
        "ml2_type_flat": {"flat_networks": external.physical_network},
        "ml2_type_vlan": {"network_vlan_ranges": external.physical_network},
        "ml2_type_geneve": {"vni_ranges": "1:65535", "max_header_size": 38},
        "securitygroup": {"enable_security_group": True},
        "ovn": {
            **_databases(at),
            "ovn_metadata_enabled": True,
            "enable_distributed_floating_ip": at.cloud.network.ha == "distributed",
        },
    }


def _databases(at: At) -> dict[str, ini.Value]:
    """Where OVN's databases are; a dead member is noticed within five seconds.
    With these files we are known to them.

    Every voter is named, a witness too: writes are taken by the leader alone, and that may be it.
    This host's own comes first, then its site's: as a process starts, and once more at its first
    port, it asks them for their schema in this order and waits for a silent one without a limit.
    """
    near = at.nearest(at.voters)
    files = {"private_key": KEY_PATH, "certificate": CERTIFICATE_PATH, "ca_cert": CA_PATH}
    return {
        **{f"ovn_{db}_{what}": path for db in ("nb", "sb") for what, path in files.items()},
        "ovn_nb_connection": ",".join(f"ssl:{h.address}:{oslo.NORTHBOUND_PORT}" for h in near),
        "ovn_sb_connection": ",".join(f"ssl:{h.address}:{oslo.SOUTHBOUND_PORT}" for h in near),
        "ovsdb_probe_interval": 5000,
        "ovsdb_retry_max_interval": 5,
    }


def worker_files(at: At) -> Files:
    """The files of every process that has Neutron's plugins."""
    return {
        "neutron.conf": File(
            content=server_conf(at), path=CONF, owner="neutron", options=SERVER_OPTIONS
        ),
        "ml2_conf.ini": File(
            content=ml2_conf(at), path=ML2_CONF, owner="neutron", options=SERVER_OPTIONS
        ),
    }


def api_files(at: At) -> Files:
    """Threads that watch OVN start as the application is loaded: so after the fork. The marks
    that workers elect their first by would outlive a restart in the same container."""
    server = uwsgi(
        at,
        module="neutron_api",
        port=PORT,
        user="neutron",
        load_after_fork=True,
        before=("rm -f /tmp/neutron_start_time* /tmp/neutron_first_worker*",),
        options={"pythonpath": LIBRARY},
    )
    names = ("neutron_api", "hash_ring", "dead_peers")
    programs = library(__package__, *(f"program/{name}.py" for name in names))
    return {**worker_files(at), **programs, **server}


def agent_files(at: At) -> Files:
    """The agent that gives instances their metadata, and nothing that it need not know."""
    conf = ini.merge(
        _process(at),
        {
            "DEFAULT": {
                "nova_metadata_host": at.cloud.api.internal,
                "nova_metadata_port": METADATA_PORT,
                "nova_metadata_protocol": "https",
                "auth_ca_cert": CA_PATH,
                "metadata_proxy_shared_secret": at.password("nova-metadata"),
                "metadata_workers": 0,
            },
            "agent": {"root_helper": ROOT_HELPER, "extensions": "metadata"},
            "ovn": _databases(at),
            "ovs": {"ovsdb_connection": "unix:/run/openvswitch/db.sock"},
        },
    )
    return {
        "neutron.conf": File(content=conf, path=CONF, owner="neutron", options=AGENT_OPTIONS),
        "start.sh": File(content=AGENT_START, path=AGENT_START_PATH, mode="0644"),
    }
