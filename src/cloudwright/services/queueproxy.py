"""A load balancer of the message queue on compute hosts: nova-compute is led to a near member.

Controllers have this in the load balancer that they have for everything else.
"""

from __future__ import annotations

from cloudwright.declare import member
from cloudwright.declare.at import At
from cloudwright.declare.database import STATUS_PORT
from cloudwright.declare.oslo import (
    OWN_BALANCER,
    QUEUE_AGENT_PORT,
    QUEUE_PORT,
    has_queue_balancer,
    queue_members,
)
from cloudwright.declare.reload import Reload
from cloudwright.declare.service import (
    HEARTBEAT_SHARES,
    Container,
    File,
    Files,
    Service,
    TcpHealth,
)
from cloudwright.declare.template import render
from cloudwright.services import haproxy

CHECK_SECONDS = 3
"""How often each member's agent is asked; hundreds of hosts ask it."""


def files(at: At) -> Files:
    configuration = render(
        haproxy.__name__,
        "queue-proxy.cfg.j2",
        address=at.host.address,
        status_port=STATUS_PORT,
        own_balancer=OWN_BALANCER,
        agent_ready=member.READY,
        queue_port=QUEUE_PORT,
        queue_agent_port=QUEUE_AGENT_PORT,
        queue_backends=queue_members(at),
        seconds=CHECK_SECONDS,
    )
    return {
        "haproxy.cfg": File(
            content=configuration, path=haproxy.CONFIGURATION_PATH, owner="haproxy", reload=True
        ),
        "reload": haproxy.reload_program(),
    }


service = Service(
    name="queue-proxy",
    summary="the message queue, from compute hosts",
    containers=(
        Container(
            name="queue-proxy",
            role="compute-control",
            image="haproxy",
            command=haproxy.COMMAND,
            files=files,
            reload=Reload(command=(haproxy.RELOAD_PATH,)),
            health=TcpHealth(port=STATUS_PORT),
            listens=lambda at: ((OWN_BALANCER, QUEUE_PORT),),
            cpu_shares=HEARTBEAT_SHARES,
            when=has_queue_balancer,
        ),
    ),
)
