"""The vocabulary that a service is written in; everything else is derived from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cloudwright.declare.at import BACKEND_OFFSET, At, Listener
from cloudwright.declare.awaited import Awaited
from cloudwright.declare.image import Image
from cloudwright.declare.ini import Ini
from cloudwright.declare.options import OptionSet
from cloudwright.declare.reload import Reload
from cloudwright.declare.rollout import Alone, Batches, Canary, Recount, Rollout
from cloudwright.declare.tls import Tls
from cloudwright.model.cloud import Cloud, Host
from cloudwright.model.secrets import Secret


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """A file of a container: an INI (which an operator may override) or a text, and where it goes.

    `path` is where the container sees it; `owner` a user of the image; `mode` four octal digits
    (the only form that every Kolla image reads). Secrets stand in `content` as placeholders.
    `options` says what an INI file of OpenStack's may hold; without it anything may stand there.
    """

    content: Ini | str
    path: str
    owner: str = "root"
    mode: str = "0600"
    options: OptionSet | None = None
    reload: bool = False  # as its container's `reload` says


Files = Mapping[str, File]
"""File name in the container's config directory → the file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Volume:
    """A named volume: data that outlives its container; only `destroy --data` removes it."""

    name: str
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Mount:
    """A directory or device of the host inside a container, made when missing (unless in /dev)."""

    source: str
    target: str
    read_only: bool = False
    shared: bool = False  # mounts made on either side are seen on the other


def runtime(name: str) -> Mount:
    """`/run/NAME` of several containers: sockets, and what is of one boot only.

    Its source is on the host's disk: `/run` is empty after a boot, and Podman does not make a
    mount's source as it starts containers again.
    """
    return Mount(source=f"/var/lib/cloudwright/run/{name}", target=f"/run/{name}", shared=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Permission:
    """Owner and mode that the start program gives to a path before the command runs."""

    path: str
    owner: str
    mode: str = ""
    recurse: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpHealth:
    """Healthy when `GET path` on the host's own address answers with a status below 500."""

    port: int
    path: str = "/"
    tls: bool = False
    seconds: int = 180


@dataclass(frozen=True, kw_only=True, slots=True)
class TcpHealth:
    """Healthy when the port on the host's own address takes a connection."""

    port: int
    seconds: int = 120


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandHealth:
    """Healthy when the command, run inside the container, ends with 0."""

    command: tuple[str, ...]
    seconds: int = 120


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectedHealth:
    """Healthy when a process of the container, which has the host's network, holds an established
    connection to `port` of anybody: for daemons that only ask others."""

    port: int
    seconds: int = 120


@dataclass(frozen=True, kw_only=True, slots=True)
class SocketHealth:
    """Healthy when a daemon answers a JSON-RPC call without an error on `path`, a UNIX socket of
    the host; and the text that it answers has a line that matches `line`, when there is one.

    Open vSwitch's and OVN's daemons take such calls: those that ovs-appctl(8) makes on their
    control sockets, and OVSDB's own (RFC 7047, section 4) on the database's.
    """

    path: str
    method: str
    params: tuple[str, ...] = ()
    line: str = ""
    seconds: int = 120


Health = HttpHealth | TcpHealth | ConnectedHealth | SocketHealth | CommandHealth
"""In the order of what they cost a host: each command in a container costs its engine the CPU of
some 0.2 s, a question through a socket next to nothing."""


ALIVE = "/healthcheck"
"""What a WSGI server answers for itself, before its application; see `wsgi`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Api:
    """An HTTP (or TCP) entrance: load-balancer front and back, endpoints, health check.

    The load balancer listens on `port` of the cloud's internal and external addresses; the
    container listens on `port + BACKEND_OFFSET` of its host, so that the cloud's address may be a
    host's own. `type` is Keystone's service type; empty keeps the API out of the catalog.
    `check` is asked by the load balancer, twice a second or every `check_seconds`.
    `own_files`: requests go to one host while it answers, since another may not know its files.
    """

    port: int
    type: str = ""
    path: str = ""
    check: str = ALIVE
    check_seconds: int = 0  # for whom each question is costly
    mode: str = "http"  # or "tcp"
    external: bool = True
    own_files: bool = False  # each host's container has files that the others have not


@dataclass(frozen=True, kw_only=True, slots=True)
class Container:
    """A long-running container, one on every host of its role.

    `command` is split at blanks (the Kolla contract knows no quotes). `privileged` and
    `capabilities` give the *reason*; the plan shows both. `needs` names services, containers
    (`nova-libvirt`) or jobs (`nova/cells`) that must be ready first, beyond the service's own;
    a container named alike on the same host is what is meant when `needs` starts with `@`.
    `when` says whether this cloud has it at all. `waits` is what the container itself
    waits for before its command runs, so that a cold host comes up in any order; `cpu_shares` its
    weight where processors are short (1024 when not given). `rollout` says
    how it is remade when several hosts have it. `farewell` is a shell script that
    `destroy --data` runs in it before it is stopped: it takes away what would outlive the
    container, and writes a line for each thing. `spared` says why nobody misses it for seconds;
    `carries`: on the host that has the cloud's address every request to an API comes through it;
    `copied_by` names the container that brings the files in its volumes to its other hosts.
    `alone` says how its members go on without a majority, on a person's word; `recount` what it
    must forget when those that it is a client of were founded anew. `listens` is where it listens
    beside the ports of its API and its health check.
    """

    name: str
    role: str
    command: str
    files: Callable[[At], Files] = lambda at: {}
    image: str = ""  # the service's own image when empty
    user: str = ""  # the image's user when empty
    volumes: tuple[Volume, ...] = ()
    mounts: tuple[Mount, ...] = ()
    permissions: tuple[Permission, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    privileged: str = ""
    capabilities: Mapping[str, str] = field(default_factory=dict)
    host_pid: bool = False
    host_ipc: bool = False
    host_cgroups: bool = False
    api: Api | None = None
    tls: Tls | None = None  # its own certificate; an API that has one speaks TLS
    health: Health | None = None
    listens: Callable[[At], tuple[Listener, ...]] = lambda at: ()
    needs: tuple[str, ...] = ()
    waits: Callable[[At], tuple[Awaited, ...]] = lambda at: ()
    when: Callable[[Cloud], bool] = lambda cloud: True
    stop_seconds: int = 60
    cpu_shares: int = 0
    reload: Reload | None = None  # how changed files are read again without a restart
    rollout: Rollout | None = None  # a canary first on controllers, elsewhere batches
    farewell: str = ""
    spared: str = ""
    carries: bool = False
    copied_by: str = ""
    alone: Alone | None = None
    recount: Recount | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """Something that runs once, in a container with the image, files and mounts of `like`.

    `command` runs in a shell. `probe` is a SQL query that gives a row exactly when the job's
    effect is there; beside it the database keeps the digest of the job that ran, so that a job
    whose meaning changed runs again. `ready` is a SQL query that must give a row before the job
    may start (bounded wait). Both may use `{host}`.
    """

    name: str
    command: Callable[[At], str]
    like: str
    probe: str
    ready: str = ""
    fills: str = ""  # a database of its own, empty before
    shortcut: str = ""  # a shell line before the command, which may do its work faster and end
    each: str = ""  # a role: once for each of its hosts, run on the first host of `like`
    needs: tuple[str, ...] = ()
    environment: Callable[[At], Mapping[str, str]] = lambda at: {}
    user: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """A database with a user of its own (the same name), and upstream's commands for its schema.

    `create` makes the schema, whatever is there, run as a job like the container `like`; it finds
    the database as `connection` in `section` of the file `conf`. `expand`, `migrate` and
    `contract` are the phases of an upgrade: old code still runs until the last one. `online`
    moves data once the new code runs. `apart` keeps it out of KOLLA_BOOTSTRAP and the like: under
    the contract, its deployer configures and runs it as another database.
    """

    name: str
    user: str
    create: str = ""
    like: str = ""
    conf: str = ""
    section: str = "database"
    needs: tuple[str, ...] = ()
    expand: str = ""
    migrate: str = ""
    contract: str = ""
    online: str = ""
    apart: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueUser:
    """An account of the message queue, with a password of its own (`NAME/queue`).

    `repair` is a command that puts it right, run in `container` on the first controller.
    """

    name: str
    container: str
    repair: tuple[str, ...]
    vhost: str = "/"


@dataclass(frozen=True, kw_only=True, slots=True)
class SwitchSettings:
    """What Open vSwitch on a host must hold: bridges, their ports, and keys of its database.

    It is read through `socket`, the database's own on the host, and set with the `ovs-vsctl` of
    `container`, which waits until the switch has done it.
    """

    name: str
    role: str
    container: str
    socket: str
    bridges: Callable[[At], Mapping[str, tuple[str, ...]]]  # bridge → its ports
    datapath_type: Callable[[At], str]
    external_ids: Callable[[At], Mapping[str, str]]
    other_config: Callable[[At], Mapping[str, str]] = lambda at: {}
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """One service: every fact that is true of it and of no other.

    `needs` are the services that must be ready before any container of this one starts.
    `secrets` declares those that are not plain passwords (certificates, keys, hashes).
    `upgrade_check` is upstream's own command that says whether an upgrade may begin.
    """

    name: str
    summary: str
    needs: tuple[str, ...] = ()
    image: Image | None = None
    databases: tuple[Database, ...] = ()
    containers: tuple[Container, ...] = ()
    jobs: tuple[Job, ...] = ()
    switches: tuple[SwitchSettings, ...] = ()
    queue_users: tuple[QueueUser, ...] = ()
    upgrade_check: str = ""
    identity_user: str = ""  # a Keystone user in project `service`, with that password
    zones: tuple[str, str] | None = None  # the API that keeps availability zones, and whose hosts
    secrets: Callable[[Cloud], tuple[Secret, ...]] = lambda cloud: ()


def hosts_of(cloud: Cloud, container: Container, only: Host | None = None) -> tuple[Host, ...]:
    """The hosts that run `container`: those of its role, none when the cloud does not have it;
    with `only` that host or none."""
    if not container.when(cloud):
        return ()
    if only:
        return (only,) if only.has(container.role) else ()
    return cloud.hosts_with(container.role)


def listeners_of(container: Container, at: At) -> tuple[Listener, ...]:
    """Where `container` listens on the host of `at`."""
    found = list(container.listens(at))
    if isinstance(container.health, HttpHealth | TcpHealth):
        found += at.here(container.health.port)
    if container.api:
        found += at.here(container.api.port + BACKEND_OFFSET)
    return tuple(dict.fromkeys(found))


def rollout_of(container: Container) -> Rollout:
    """Its own, or what fits its role: controllers stand in for each other, other hosts do not."""
    if container.rollout:
        return container.rollout
    return Canary() if container.role == "control" else Batches()


HEARTBEAT_SHARES = 8192
"""`cpu_shares` of what others take for dead when it is silent for a second: members of clusters,
and what moves addresses. On a machine with 16 runnable threads a core, Galera's members lost each
other without it (measured)."""


def has_tables(database: str) -> str:
    """The SQL query that gives a row exactly when `database` has a table."""
    return f"SELECT 1 FROM information_schema.tables WHERE table_schema = '{database}' LIMIT 1"
