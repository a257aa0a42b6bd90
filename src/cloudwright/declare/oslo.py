"""The INI fragments that OpenStack services share; each is an `Ini`, merged by `ini.merge`."""

from __future__ import annotations

import zlib

from cloudwright.declare.at import CA_PATH, At
from cloudwright.declare.ini import Ini, Value
from cloudwright.model.cloud import Cloud, Host

KEYSTONE_PORT = 5000
OWN_BALANCER = "127.0.0.1"
"""The load balancer of the own host, not the virtual address: if that one's holder dies, who waits
for an answer would wait for as long as the kernel's keepalives do, two hours."""
DATABASE_PORT = 13306  # the load balancer's, so that it may share an address with a member's 3306
DATABASE_AGENT_PORT = 13307  # says whether the member of its host is ready
QUEUE_PORT = 5671
QUEUE_AGENT_PORT = 25673  # as the database's
CACHE_PORT = 11211
NORTHBOUND_PORT = 6641
SOUTHBOUND_PORT = 6642


def database_url(at: At, name: str, user: str = "") -> str:
    """SQLAlchemy's URL of a database, through this host's load balancer; with an authority given,
    PyMySQL verifies the server's address too."""
    user = user or name
    password = at.password(f"{user}/database")
    return (
        f"mysql+pymysql://{user}:{password}@{OWN_BALANCER}:{DATABASE_PORT}/{name}"
        f"?charset=utf8mb4&ssl_ca={CA_PATH}"
    )


def database(at: At, name: str, user: str = "", *, section: str = "database") -> Ini:
    """The database; connections are remade before Galera or the load balancer drops them."""
    return {
        section: {
            "connection": database_url(at, name, user),
            "connection_recycle_time": 280,
            "max_pool_size": 5,
            "max_overflow": 20,
            "max_retries": -1,
        }
    }


def has_queue_balancer(cloud: Cloud) -> bool:
    """Whether hosts reach the queue over a load balancer of their own: there is a choice."""
    return len(cloud.hosts_with("control")) > 1


def queue_members(at: At) -> tuple[Host, ...]:
    """Whom this host is to ask for messages, the first while it is there: itself, or one of its
    site, each host another one by its name, so that another host more or less moves nobody."""
    first = zlib.crc32(at.host.name.encode()) % len(at.controllers)
    return at.nearest((*at.controllers[first:], *at.controllers[:first]))


def transport_url(at: At, user: str = "openstack") -> str:
    """oslo.messaging's URL: one address, since it shuffles several, and half of the processes of
    a site would be connected to another's member."""
    password = at.password(f"{user}/queue")
    address = OWN_BALANCER if has_queue_balancer(at.cloud) else at.controllers[0].address
    return f"rabbit://{user}:{password}@{address}:{QUEUE_PORT}//"


def messaging(at: At) -> Ini:
    """The message queue: quorum queues and streams, so that a member's loss loses no message."""
    return {
        "DEFAULT": {"transport_url": transport_url(at)},
        "oslo_messaging_rabbit": {
            "ssl": True,
            "ssl_ca_file": CA_PATH,
            "rabbit_quorum_queue": True,
            "rabbit_transient_quorum_queue": True,
            "rabbit_stream_fanout": True,
            "rabbit_qos_prefetch_count": 64,  # streams refuse to work without a bound
            # A member sends nothing more to who has died after this; and a client knows within
            # some 10 s of a member that died, where no load balancer tells it sooner. With
            # oslo.messaging's 60 s a compute host's report waited so long for its answer that
            # Nova held the host to be down too. RabbitMQ's guide calls 5 to 20 s right; below
            # 5 s, who is merely busy is cut off.
            "heartbeat_timeout_threshold": 10,
            "use_queue_manager": True,
        },
        "oslo_messaging_notifications": {"driver": ("noop",)},
    }


def credentials(at: At, user: str) -> dict[str, Value]:
    """keystoneauth's options for a service's own user."""
    return {
        "auth_type": "password",
        "auth_url": at.url(KEYSTONE_PORT),
        "username": user,
        "password": at.password(f"{user}/identity"),
        "project_name": "service",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "region_name": at.cloud.region,
        "cafile": CA_PATH,
    }


def memcached_servers(at: At) -> tuple[str, ...]:
    """The caches of this host's own site (no request waits on another site for a cached value)."""
    near = [h for h in at.controllers if h.site == at.host.site] or list(at.controllers)
    return tuple(f"{h.address}:{CACHE_PORT}" for h in near)


def keystone(at: At, user: str) -> Ini:
    """Token validation, cached: 11 times less CPU per request than without."""
    return {
        "keystone_authtoken": {
            **credentials(at, user),
            "www_authenticate_uri": at.url(KEYSTONE_PORT, external=True),
            "memcached_servers": ",".join(memcached_servers(at)),
            "memcache_security_strategy": "ENCRYPT",
            "memcache_secret_key": at.password("memcache-tokens"),
            "service_token_roles": "service",
            "service_token_roles_required": True,
        }
    }


def cache(at: At) -> Ini:
    """oslo.cache in memcached, with a client that survives the loss of one."""
    return {
        "cache": {
            "enabled": True,
            "backend": "oslo_cache.memcache_pool",
            "memcache_servers": ",".join(memcached_servers(at)),
        }
    }


def logging(name: str) -> Ini:
    """Logs go to the container's standard error; the engine keeps and bounds them."""
    return {"DEFAULT": {"debug": False, "use_stderr": True, "log_file": ""}}


def api_defaults(at: At) -> Ini:
    """Behind a load balancer: believe its forwarded headers."""
    return {"oslo_middleware": {"enable_proxy_headers_parsing": True}}


def locks(service: str) -> Ini:
    """Where inter-process locks live."""
    return {"oslo_concurrency": {"lock_path": f"/var/lib/{service}/tmp"}}
