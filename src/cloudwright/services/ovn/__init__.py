"""OVN turns Neutron's networks into flows: two databases, a translator, an agent per host."""

from __future__ import annotations

from cloudwright.declare import member
from cloudwright.declare.at import At
from cloudwright.declare.image import Image
from cloudwright.declare.oslo import NORTHBOUND_PORT, SOUTHBOUND_PORT
from cloudwright.declare.reload import Reload
from cloudwright.declare.rollout import Alone, Quorum, Recount
from cloudwright.declare.service import (
    HEARTBEAT_SHARES,
    Container,
    File,
    Files,
    Service,
    SocketHealth,
    Volume,
    runtime,
)
from cloudwright.declare.tls import OVSDB_OPTIONS, Tls
from cloudwright.model.cloud import VOTERS

RUN = runtime("ovn")
SWITCH_RUN = runtime("openvswitch")

RAFT_OFFSET = 2
AGENT_OFFSET = 4
"""From the port that clients use to those for the members alone."""

TLS = Tls(owner="root", reload=True)

START = "bash /etc/cloudwright/start.sh"
START_PATH = "/etc/cloudwright/start.sh"


def members(at: At, port: int) -> str:
    """The addresses of a database's members, as OVSDB's clients read them."""
    return ",".join(f"ssl:{host.address}:{port}" for host in at.voters)


DATABASE_START = """\
set -eu
db=/var/lib/openvswitch/ovn-{kind}/ovn{kind}.db name={name} socket=/run/ovn/ovn{kind}_db
schema=/usr/share/ovn/ovn-{kind}.ovsschema
upgrade() {{  # a cluster has one schema: a client raises it, once there is a leader
    ovsdb-client --timeout=60 wait unix:$socket.sock $name connected
    [ "$(ovsdb-client needs-conversion unix:$socket.sock $schema)" = no ] ||
        ovsdb-client --timeout=60 convert unix:$socket.sock $schema
}}
upgrade &
exec ovsdb-server $db --remote=punix:$socket.sock --unixctl=$socket.ctl --no-chdir \\
    --remote=pssl:{port}:{address} --remote=db:$name,{root},connections \\
    {tls} -vconsole:info -vfile:off
"""


def _database_files(at: At, kind: str, name: str, root: str, port: int) -> Files:
    """A member of the database's raft cluster, which its members found together."""
    script = DATABASE_START.format(
        kind=kind, name=name, root=root, port=port, address=at.host.address, tls=OVSDB_OPTIONS
    )
    return {
        "start.sh": File(content=script, path=START_PATH),
        **member.program(
            at,
            at.voters,
            package=__name__,
            adapter="raft.py",
            port=port + AGENT_OFFSET,
            owner="root",
            settings={
                "database": f"/var/lib/openvswitch/ovn-{kind}/ovn{kind}.db",
                "database_name": name,
                "schema": f"/usr/share/ovn/ovn-{kind}.ovsschema",
                "control": f"/run/ovn/ovn{kind}_db.ctl",
                "raft": {h.name: f"ssl:{h.address}:{port + RAFT_OFFSET}" for h in at.voters},
            },
        ),
    }


def northbound_files(at: At) -> Files:
    """What Neutron writes: logical switches, routers, ports."""
    return _database_files(at, "nb", "OVN_Northbound", "NB_Global", NORTHBOUND_PORT)


def southbound_files(at: At) -> Files:
    """What agents read: flows, and which host has which port."""
    return _database_files(at, "sb", "OVN_Southbound", "SB_Global", SOUTHBOUND_PORT)


def northd_files(at: At) -> Files:
    """The translator of one into the other; one is active, the others wait for its lock."""
    script = (
        f"exec ovn-northd --ovnnb-db={members(at, NORTHBOUND_PORT)} "
        f"--ovnsb-db={members(at, SOUTHBOUND_PORT)} {OVSDB_OPTIONS} "
        "--unixctl=/run/ovn/ovn-northd.ctl --no-chdir -vconsole:info -vfile:off\n"
    )
    return {"start.sh": File(content=script, path=START_PATH)}


def _database(kind: str, database: str, port: int) -> Container:
    return Container(
        name=f"ovn-{kind}-db",
        role=VOTERS,
        command=member.COMMAND,
        files=northbound_files if kind == "nb" else southbound_files,
        volumes=(Volume(name=f"ovn_{kind}_db", path=f"/var/lib/openvswitch/ovn-{kind}"),),
        mounts=(RUN,),
        # A member that knows its leader takes writes; an open port alone says nothing.
        health=SocketHealth(
            path=f"{RUN.source}/ovn{kind}_db.ctl",
            method="cluster/status",
            params=(database,),
            line="Leader: (?!unknown).+",
        ),
        listens=lambda at: at.here(port, port + RAFT_OFFSET, port + AGENT_OFFSET),
        rollout=Quorum(speaks="tls"),
        tls=TLS,
        reload=Reload(),
        cpu_shares=HEARTBEAT_SHARES,
        alone=Alone(
            how="what the furthest member holds founds a cluster with a new number",
            lost="changes in the last moments that only the dead ones have",
        ),
    )


def _connected(socket: str, question: str) -> SocketHealth:
    return SocketHealth(path=f"{RUN.source}/{socket}", method=question, line="connected")


def _recount(socket: str, *databases: str) -> Recount:
    asked = [f"ovs-appctl -t /run/ovn/{socket} {name}-cluster-state-reset" for name in databases]
    return Recount(command=("sh", "-c", " && ".join(asked)))


service = Service(
    name="ovn",
    summary="turns networks of instances into flows",
    image=Image(
        name="ovn",
        packages=("ovn-central", "ovn-host"),
        users=("openvswitch",),
        start="[ -d /run/ovn ] || mkdir -p /run/ovn\n",
        names=("ovn-nb-db-server", "ovn-sb-db-server", "ovn-northd", "ovn-controller"),
    ),
    containers=(
        _database("nb", "OVN_Northbound", NORTHBOUND_PORT),
        _database("sb", "OVN_Southbound", SOUTHBOUND_PORT),
        Container(
            name="ovn-northd",
            role="control",
            command=START,
            files=northd_files,
            tls=TLS,
            reload=Reload(),
            mounts=(RUN,),
            health=_connected("ovn-northd.ctl", "sb-connection-status"),
            recount=_recount("ovn-northd.ctl", "nb", "sb"),
            needs=("@ovn-nb-db", "@ovn-sb-db"),
        ),
        Container(
            name="ovn-controller",
            role="network+compute",
            command=(
                "ovn-controller unix:/run/openvswitch/db.sock "
                f"{OVSDB_OPTIONS} "
                "--unixctl=/run/ovn/ovn-controller.ctl --no-chdir -vconsole:info -vfile:off"
            ),
            tls=TLS,
            reload=Reload(),
            mounts=(RUN, SWITCH_RUN),
            health=_connected("ovn-controller.ctl", "connection-status"),
            recount=_recount("ovn-controller.ctl", "sb"),
            needs=("@openvswitch/switch/settings", "ovn-sb-db"),
        ),
    ),
)
