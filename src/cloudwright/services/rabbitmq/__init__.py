"""RabbitMQ carries the messages between the processes of a service; a majority keeps each one."""

from __future__ import annotations

import json

from cloudwright.declare import member
from cloudwright.declare.at import CA_PATH, At
from cloudwright.declare.library import library
from cloudwright.declare.oslo import OWN_BALANCER, QUEUE_AGENT_PORT, QUEUE_PORT
from cloudwright.declare.reload import Reload
from cloudwright.declare.rollout import Alone, Quorum
from cloudwright.declare.service import (
    HEARTBEAT_SHARES,
    Container,
    File,
    Files,
    Permission,
    QueueUser,
    Service,
    TcpHealth,
    Volume,
)
from cloudwright.declare.tls import CERTIFICATE_PATH, KEY_PATH, Tls
from cloudwright.model.cloud import VOTERS, Host
from cloudwright.model.secrets import RabbitHash, Secret
from cloudwright.services.rabbitmq.image import IMAGE, PLUGINS
from cloudwright.services.rabbitmq.members import (
    ADVANCED,
    ADVANCED_CONFIG,
    DISTRIBUTION,
    MEMBERS,
    MEMBERS_CONFIG,
)

DISTRIBUTION_PORT = 25672
MAPPER_PORT = 4369
"""Erlang's own choice: there its port mapper says where the distribution is."""
DATA = "/var/lib/rabbitmq"
ROOM = 200_000_000
"""Bytes that are left free."""

NAMES = f"{DATA}/inetrc"  # written by the agent
DEFINITIONS = "/etc/rabbitmq/definitions.json"
REPAIR = ("rabbitmqctl", "import_definitions", DEFINITIONS)
LIBRARY = "/usr/lib/erlang/lib/ssl-*"
CLEAR = ("rabbitmqctl", "eval", "ssl:clear_pem_cache().")
"""Erlang keeps what it read of certificates for minutes."""

PLUGINS_FILE = "/etc/rabbitmq/enabled_plugins"
PASSWORD_HASH = Secret(
    name="openstack/queue-hash", recipe=RabbitHash(of=Secret(name="openstack/queue"))
)


def files(at: At) -> Files:
    owner = "rabbitmq"
    settings = "".join(f"{key} = {value}\n" for key, value in _settings(at).items())
    return {
        "rabbitmq.conf": File(content=settings, path="/etc/rabbitmq/rabbitmq.conf", owner=owner),
        "rabbitmq-env.conf": File(
            content=_environment(at), path="/etc/rabbitmq/rabbitmq-env.conf", owner=owner
        ),
        "definitions.json": File(content=_definitions(), path=DEFINITIONS, owner=owner),
        "members.config": File(content=MEMBERS_CONFIG, path=MEMBERS, owner=owner),
        "advanced.config": File(content=ADVANCED_CONFIG, path=ADVANCED, owner=owner),
        "enabled_plugins": File(content="[].\n", path=PLUGINS_FILE, owner=owner),
        "erlang.cookie": File(
            content=at.password("rabbitmq/cookie"),
            path=f"{DATA}/.erlang.cookie",
            owner=owner,
            mode="0400",
        ),
        **library(__package__, "program/room.py"),
        **member.program(
            at,
            at.voters,
            package=__name__,
            adapter="rabbit.py",
            port=QUEUE_AGENT_PORT,
            owner=owner,
            settings={
                "data": DATA,
                "names": NAMES,
                "nodes": {host.name: _node(host) for host in at.voters},
                "address": at.host.address,
                "port": QUEUE_PORT,
                "room": ROOM,
            },
        ),
    }


def _node(host: Host) -> str:
    """By address, not name: the data's directory depends on it, and no resolver is asked."""
    return f"rabbit@{host.address}"


def _settings(at: At) -> dict[str, str | int]:
    settings: dict[str, str | int] = {
        "listeners.tcp": "none",
        "listeners.ssl.1": f"{at.host.address}:{QUEUE_PORT}",
        "ssl_options.cacertfile": CA_PATH,
        "ssl_options.certfile": CERTIFICATE_PATH,
        "ssl_options.keyfile": KEY_PATH,
        # Clients have passwords.
        "ssl_options.verify": "verify_none",
        "ssl_options.fail_if_no_peer_cert": "false",
        "distribution.listener.interface": at.host.address,
        "distribution.listener.port_range.min": DISTRIBUTION_PORT,
        "distribution.listener.port_range.max": DISTRIBUTION_PORT,
        "loopback_users": "none",
        "default_queue_type": "quorum",
        "load_definitions": DEFINITIONS,
        "vm_memory_high_watermark.relative": "0.3",
        "disk_free_limit.absolute": ROOM,
        # A log of 512 MB, the default, costs as much memory before it is rolled over.
        "raft.wal_max_size_bytes": 64 * 1024 * 1024,
        "log.file": "false",
        "log.console": "true",
        "log.console.level": "info",
        "cluster_name": at.cloud.name,
    }
    if len(at.voters) > 1:
        settings["cluster_partition_handling"] = "pause_minority"
        # A member that is silent: its queues get another leader within seconds (by default it is
        # looked for every 5 s), and who declares a queue waits for it for 10 s at most (60 s).
        settings["raft.adaptive_failure_detector.poll_interval"] = 1000
        settings["net_ticktime"] = 10
    return settings


def _environment(at: At) -> str:
    # Schedulers that wait busily would take the cores of a small host from everything else.
    quiet = "+sbwt none +sbwtdcpu none +sbwtdio none"
    return (
        f"NODENAME={_node(at.host)}\n"
        "USE_LONGNAME=true\n"
        f"ENABLED_PLUGINS_FILE={PLUGINS_FILE}\n"
        f"PLUGINS_DIR={PLUGINS}\n"
        f'distribution="-pa $(echo {LIBRARY}/ebin) {DISTRIBUTION}"\n'
        # Members know each other by address; where no resolver answers, a name takes 8 s.
        f'SERVER_ADDITIONAL_ERL_ARGS="$distribution {quiet} -kernel inetrc \\"{NAMES}\\""\n'
        # Who may be joined is the agent's to say.
        f"CONFIG_FILES={DATA}/conf.d\n"
        'CTL_ERL_ARGS="$distribution ${SETUP_SECONDS:+-kernel net_setuptime $SETUP_SECONDS}"\n'
        f"export ERL_EPMD_ADDRESS={at.host.address}\n"
    )


def _definitions() -> str:
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    definitions = {
        "users": [
            {
                "name": "openstack",
                "password_hash": str(PASSWORD_HASH),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": [],
            }
        ],
        "vhosts": [{"name": "/", "metadata": {"default_queue_type": "quorum"}}],
        "permissions": [{"user": "openstack", "vhost": "/", **everything}],
    }
    return json.dumps(definitions, indent=1, ensure_ascii=False) + "\n"


service = Service(
    name="rabbitmq",
    summary="message queue",
    image=IMAGE,
    containers=(
        Container(
            name="rabbitmq",
            role=VOTERS,
            command=member.COMMAND,
            files=files,
            # The start script gives way to the server, which then gets the stop signal itself.
            environment={"RUNNING_UNDER_SYSTEMD": "true"},
            volumes=(Volume(name="rabbitmq", path=DATA),),
            permissions=(Permission(path=DATA, owner="rabbitmq:rabbitmq", mode="0750"),),
            health=TcpHealth(port=QUEUE_PORT),
            listens=lambda at: at.here(MAPPER_PORT, DISTRIBUTION_PORT, QUEUE_AGENT_PORT),
            rollout=Quorum(
                may_leave=("rabbitmq-diagnostics", "check_if_node_is_quorum_critical"),
                speaks="tls, agents",
            ),
            # Who asks a load balancer verifies each member by its name; and Kombu, told several
            # members (by who deploys with other tools), by the name of the first.
            tls=Tls(
                owner="rabbitmq",
                also=lambda cloud: (
                    *(host.address for host in cloud.hosts_with(VOTERS)),
                    OWN_BALANCER,
                ),
                reload=True,
            ),
            reload=Reload(command=CLEAR),
            cpu_shares=HEARTBEAT_SHARES,
            alone=Alone(
                how="the dead are forgotten, each queue goes on with the copy that is here",
                lost="messages that only they have, and all in streams (what services tell all "
                "of their kind at once), which are made anew",
            ),
        ),
    ),
    queue_users=(QueueUser(name="openstack", container="rabbitmq", repair=REPAIR),),
    secrets=lambda cloud: (PASSWORD_HASH,),
)
