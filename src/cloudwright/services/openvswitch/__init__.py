"""Open vSwitch switches the packets of instances, in the kernel or in user space."""

from __future__ import annotations

from collections.abc import Mapping

from cloudwright.declare.at import At
from cloudwright.declare.image import Image
from cloudwright.declare.oslo import SOUTHBOUND_PORT
from cloudwright.declare.service import (
    Container,
    File,
    Files,
    Mount,
    Service,
    SocketHealth,
    SwitchSettings,
    Volume,
    runtime,
)
from cloudwright.declare.template import programs, resource
from cloudwright.model.cloud import datapath
from cloudwright.services.openvswitch.scripts import (
    DATABASE_START,
    FAREWELL,
    KERNEL,
    SWITCH_START,
    TUNNEL,
    USERSPACE,
)

ROLE = "network+compute"
"""Every host that packets of instances leave or enter."""

RUN = runtime("openvswitch")
"""Its sockets: for the database, and for the flows of each bridge."""

DATABASE_SOCKET = f"{RUN.source}/db.sock"

EXTERNAL_BRIDGE = "br-ex"
TUNNEL_BRIDGE = "br-tunnel"


def database_files(at: At) -> Files:
    """What makes the switch's database when it is missing, and serves it."""
    return {"start.sh": File(content=DATABASE_START, path="/etc/cloudwright/start.sh")}


def switch_files(at: At) -> Files:
    """What prepares the datapath that this host has, and switches."""
    before = KERNEL if datapath(at.cloud, at.facts) == "kernel" else USERSPACE
    card = tunnel_card(at)
    if card and at.cloud.networks.tunnel:
        length = at.cloud.networks.tunnel.cidr.partition("/")[2]
        address = f"{at.host.tunnel}/{length}"
        before += TUNNEL.format(bridge=TUNNEL_BRIDGE, card=card, address=address)
    return {"start.sh": File(content=SWITCH_START % before, path="/etc/cloudwright/start.sh")}


def datapath_type(at: At) -> str:
    """OVSDB's word for where packets are switched: the kernel's is `system`."""
    return "system" if datapath(at.cloud, at.facts) == "kernel" else "netdev"


def tunnel_card(at: At) -> str:
    """The card that a switch in user space must own to make tunnels; empty where the kernel
    makes them, or there is nobody to make one to."""
    if datapath(at.cloud, at.facts) == "kernel" or len(at.cloud.hosts_with(ROLE)) == 1:
        return ""
    return at.host.tunnel_interface or at.facts.interface_of(at.host.tunnel) or ""


def bridges(at: At) -> Mapping[str, tuple[str, ...]]:
    """The bridge to the external network, with its card, where packets leave; and the tunnels'
    own, in user space."""
    found = {}
    if at.host.has(at.cloud.external_role):
        found[EXTERNAL_BRIDGE] = tuple(filter(None, [at.host.external_interface]))
    if at.cloud.networks.tunnel and (card := tunnel_card(at)):
        found[TUNNEL_BRIDGE] = (card,)
    return found


def external_ids(at: At) -> Mapping[str, str]:
    """What ovn-controller reads: who it is, where its database is, how tunnels are made."""
    ids = {
        "system-id": at.host.name,
        "hostname": at.host.name,
        "ovn-remote": ",".join(f"ssl:{h.address}:{SOUTHBOUND_PORT}" for h in at.voters),
        "ovn-remote-probe-interval": "5000",
        "ovn-openflow-probe-interval": "5",
        "ovn-encap-type": "geneve",
        "ovn-encap-ip": at.host.tunnel,
        "ovn-bridge-datapath-type": datapath_type(at),
        "ovn-monitor-all": "true",
    }
    if at.host.has(at.cloud.external_role):
        physical_network = at.cloud.networks.external.physical_network
        ids["ovn-bridge-mappings"] = f"{physical_network}:{EXTERNAL_BRIDGE}"
    if "network" in at.host.roles:
        ids["ovn-cms-options"] = f"enable-chassis-as-gw,availability-zones={at.host.site}"
    return ids


service = Service(
    name="openvswitch",
    summary="switches the packets of instances",
    image=Image(
        name="openvswitch",
        packages=("openvswitch-switch",),
        users=("openvswitch",),
        start=resource(__name__, "extend_start"),
        programs=programs(__name__, "ovs_wrapper"),
        names=("openvswitch-db-server", "openvswitch-vswitchd"),
    ),
    containers=(
        Container(
            name="openvswitch-db-server",
            role=ROLE,
            command="bash /etc/cloudwright/start.sh",
            files=database_files,
            volumes=(Volume(name="openvswitch_db", path="/var/lib/openvswitch"),),
            mounts=(RUN,),
            health=SocketHealth(path=DATABASE_SOCKET, method="list_dbs"),
        ),
        Container(
            name="openvswitch-vswitchd",
            role=ROLE,
            command="bash /etc/cloudwright/start.sh",
            files=switch_files,
            mounts=(RUN, Mount(source="/lib/modules", target="/lib/modules", read_only=True)),
            privileged="loads the kernel's datapath, or makes taps and reads cards in user space",
            health=SocketHealth(path=f"{RUN.source}/ovs-vswitchd.ctl", method="version"),
            farewell=FAREWELL,
            needs=("@openvswitch-db-server",),
        ),
    ),
    switches=(
        SwitchSettings(
            name="settings",
            role=ROLE,
            container="openvswitch-vswitchd",
            socket=DATABASE_SOCKET,
            bridges=bridges,
            datapath_type=datapath_type,
            external_ids=external_ids,
        ),
    ),
)
