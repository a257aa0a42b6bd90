"""Keepalived moves the cloud's addresses to a controller whose load balancer works."""

from __future__ import annotations

from cloudwright.declare.at import At
from cloudwright.declare.awaited import Awaited
from cloudwright.declare.database import BALANCER_READY, STATUS_PORT
from cloudwright.declare.image import Image
from cloudwright.declare.reload import Reload
from cloudwright.declare.service import (
    HEARTBEAT_SHARES,
    Container,
    File,
    Files,
    Mount,
    Service,
)
from cloudwright.declare.template import render
from cloudwright.services import selffence
from cloudwright.services.selffence.asked import ASIDE, YES

CONFIGURATION_PATH = "/etc/keepalived/keepalived.conf"
CHECK_PATH = "/usr/local/bin/check-haproxy"
ASIDE_PATH = "/usr/local/bin/check-aside"
START_PATH = "/usr/local/bin/keepalived-start"
KERNEL = "/run/ipv4"
BALANCER_SECONDS = 30
"""A controller whose load balancer does not come within these takes part in VRRP without it: it
watches the others, and takes no address."""

START = (
    "#!/bin/bash\n"
    "# Each controller has the cloud's addresses on its loopback: only the card that has one\n"
    "# may answer for it, and none may ask in its name.\n"
    "set -e\n"
    f"cd {KERNEL}\n"
    "(( $(< arp_ignore) )) || echo 1 > arp_ignore\n"
    "(( $(< arp_announce) == 2 )) || echo 2 > arp_announce\n"
    "cd /\n"
    "exec /usr/sbin/keepalived --dont-fork --log-console --pid=/run/keepalived.pid\n"
)


def files(at: At) -> Files:
    api = at.cloud.api
    names = [host.name for host in at.controllers]
    configuration = render(
        __name__,
        "keepalived.conf.j2",
        router_id=at.host.name,
        # VRRP runs where the host's own management address is.
        interface=at.facts.interface_of(at.host.address) or "eth0",
        virtual_router_id=api.virtual_router_id,
        priority=200 - 10 * names.index(at.host.name),
        address=at.host.address,
        peers=[host.address for host in at.controllers if host.name != at.host.name],
        addresses=tuple(dict.fromkeys((api.internal, api.external))),
        check=CHECK_PATH,
        ready=BALANCER_READY,
        aside=ASIDE_PATH if selffence.is_there(at.cloud) else "",
    )
    return {
        "keepalived-start": File(content=START, path=START_PATH, mode="0755"),
        "keepalived.conf": File(
            content=configuration, path=CONFIGURATION_PATH, mode="0600", reload=True
        ),
        "check-haproxy": File(content=_check(at), path=CHECK_PATH, mode="0755", reload=True),
        "check-aside": File(content=_aside(at), path=ASIDE_PATH, mode="0755", reload=True),
    }


def _check(at: At) -> str:
    return (
        "#!/bin/bash\n"
        "# Succeeds when this host's load balancer says 200 to the path given, in time.\n"
        f"exec 3<>/dev/tcp/{at.host.address}/{STATUS_PORT} || exit 1\n"
        "printf 'GET %s HTTP/1.0\\r\\n\\r\\n' \"$1\" >&3\n"
        "read -r answer <&3 && [[ $answer == *' 200 '* ]]\n"
    )


def _aside(at: At) -> str:
    return (
        "#!/bin/bash\n"
        "# Fails when this host's self-fence says that it stands aside; silence is no reason.\n"
        f"exec 3<>/dev/udp/{at.host.address}/{selffence.PORT} || exit 0\n"
        f"printf '{ASIDE.decode()}' >&3\n"
        "read -r -n 1 -t 1 answer <&3\n"
        f"[[ $answer != {YES.decode()} ]]\n"
    )


def waits(at: At) -> tuple[Awaited, ...]:
    """Its own load balancer, to which the addresses on the loopback lead."""
    return (Awaited(address=at.host.address, port=STATUS_PORT, most=BALANCER_SECONDS),)


service = Service(
    name="keepalived",
    summary="moving addresses",
    needs=("haproxy",),
    image=Image(name="keepalived", packages=("keepalived",)),
    containers=(
        Container(
            name="keepalived",
            role="control",
            command=START_PATH,
            files=files,
            mounts=(Mount(source="/proc/sys/net/ipv4/conf/all", target=KERNEL),),
            waits=waits,
            # A new peer moves no address, as a restart would.
            reload=Reload(
                command=(
                    "sh",
                    "-c",
                    f"keepalived --config-test --use-file={CONFIGURATION_PATH} && kill -HUP 1",
                )
            ),
            user="root",
            cpu_shares=HEARTBEAT_SHARES,
            carries=True,
            capabilities={
                "NET_ADMIN": "gives the host the cloud's addresses and takes them away",
                "NET_BROADCAST": "sends VRRP advertisements",
                "NET_RAW": "speaks VRRP and announces an address that moved",
            },
            when=lambda cloud: cloud.needs_virtual_address,
        ),
    ),
)
