"""HAProxy is the one address of every API: it ends TLS and knows which containers answer."""

from __future__ import annotations

from cloudwright.declare import member
from cloudwright.declare.at import AUTHORITY, CA_PATH, At, Listener
from cloudwright.declare.database import BALANCER_READY, STATUS_PORT
from cloudwright.declare.image import Image
from cloudwright.declare.oslo import (
    DATABASE_AGENT_PORT,
    DATABASE_PORT,
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
from cloudwright.declare.template import render, resource
from cloudwright.declare.tls import server_name
from cloudwright.model.cloud import Cloud
from cloudwright.model.secrets import Certificate, Secret
from cloudwright.services.mariadb import conf

CERTIFICATE_PATH = "/etc/haproxy/api.pem"
CONFIGURATION_PATH = "/etc/haproxy/haproxy.cfg"
RELOAD_PATH = "/usr/local/bin/haproxy-reload"
PLAIN_PORT = 80
"""Who asks there is told to ask by TLS."""
MASTER = "/run/haproxy/master.sock,mode,600"
COMMAND = f"/usr/sbin/haproxy -W -db -S {MASTER} -f {CONFIGURATION_PATH}"


def certificate(cloud: Cloud) -> Secret:
    """The certificate of the cloud's APIs, for both of their addresses."""
    addresses = tuple(dict.fromkeys((cloud.api.internal, cloud.api.external)))
    return Secret(
        name="api/certificate",
        recipe=Certificate(common_name=cloud.name, names=addresses, issuer=AUTHORITY),
    )


def files(at: At) -> Files:
    configuration = render(
        __name__,
        "haproxy.cfg.j2",
        from_host=at.host,
        address=at.host.address,
        internal=at.cloud.api.internal,
        external=at.cloud.api.external,
        certificate=CERTIFICATE_PATH,
        authority=CA_PATH,
        server_name=server_name,
        frontends=at.frontends,
        own_balancer=OWN_BALANCER,
        database_port=DATABASE_PORT,
        database_backends=at.controllers,
        database_backend_port=conf.PORT,
        database_agent_port=DATABASE_AGENT_PORT,
        agent_ready=member.READY,
        queue_backends=queue_members(at) if has_queue_balancer(at.cloud) else (),
        queue_port=QUEUE_PORT,
        queue_agent_port=QUEUE_AGENT_PORT,
        status_port=STATUS_PORT,
        plain_port=PLAIN_PORT,
        ready=BALANCER_READY,
    )
    return {
        "haproxy.cfg": File(
            content=configuration,
            path=CONFIGURATION_PATH,
            owner="haproxy",
            reload=True,
        ),
        "api.pem": File(
            content=at.current(certificate(at.cloud)).part("combined"),
            path=CERTIFICATE_PATH,
            owner="haproxy",
            reload=True,
        ),
        "reload": reload_program(),
    }


def listens(at: At) -> tuple[Listener, ...]:
    """What it shows of APIs, of the database, and of the queue where there is a choice."""
    api = at.cloud.api
    found = [(address, DATABASE_PORT) for address in (OWN_BALANCER, api.internal)]
    found += [(OWN_BALANCER, QUEUE_PORT)] * has_queue_balancer(at.cloud)
    found += [(address, PLAIN_PORT) for address in (api.internal, api.external)]
    found += [(api.internal, front.port) for front in at.frontends]
    found += [(api.external, front.port) for front in at.frontends if front.external]
    return tuple(found)


def reload_program() -> File:
    """The program at `RELOAD_PATH`."""
    content = resource(__name__, "program", "reload.py")
    return File(content=content, path=RELOAD_PATH, owner="haproxy", mode="0755")


service = Service(
    name="haproxy",
    summary="load balancer and TLS",
    image=Image(
        name="haproxy",
        packages=("haproxy", "libcap2-bin"),
        users=("haproxy",),
        user="haproxy",
        run=(
            "setcap cap_net_bind_service=+ep /usr/sbin/haproxy",
            "install -d -o haproxy -g haproxy /run/haproxy",
        ),
    ),
    containers=(
        Container(
            name="haproxy",
            role="control",
            command=COMMAND,
            files=files,
            reload=Reload(command=(RELOAD_PATH,)),
            capabilities={"NET_BIND_SERVICE": "listens on ports 80 and 443 without being root"},
            health=TcpHealth(port=STATUS_PORT),
            listens=listens,
            cpu_shares=HEARTBEAT_SHARES,
            carries=True,
        ),
    ),
    secrets=lambda cloud: (certificate(cloud),),
)
