"""The closed set of things that can be done, each with a digest of all that decides it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from cloudwright.declare.at import Listener
from cloudwright.declare.rollout import Batches, Rollout
from cloudwright.declare.service import Health

DIGEST_LENGTH = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigFile:
    """One rendered file; `text` holds secrets as placeholders, so it is safe to show and hash.

    `fixed` is what of it only a new container reads: all of it, or less in a file that a running
    one can read again (nothing of it: empty).
    """

    name: str
    text: str
    mode: str = "0600"
    fixed: str | None = None

    @property
    def unchanging(self) -> str:
        """What the container was made with and cannot read again."""
        return self.text if self.fixed is None else self.fixed


@dataclass(frozen=True, kw_only=True, slots=True)
class WriteFiles:
    """The config directory of one container on one host: these files and no others."""

    directory: str
    files: tuple[ConfigFile, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class MakeVolume:
    """A named volume, made empty when missing, never removed by a plan."""

    volume: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Bind:
    """A path of the host, or a named volume (no leading slash), inside a container."""

    source: str
    target: str
    read_only: bool = False
    shared: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerBody:
    """What the engine is told: shared by long-running containers and jobs."""

    image: str
    image_id: str
    command: tuple[str, ...] = ()
    user: str = ""
    environment: Mapping[str, str]
    binds: tuple[Bind, ...]
    privileged: bool = False
    capabilities: tuple[str, ...] = ()
    host_pid: bool = False
    host_ipc: bool = False
    host_cgroups: bool = False
    cpu_shares: int = 0
    stop_seconds: int = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """One of the containers that stand in for each other, or vote together."""

    host: str
    container: str
    health: Health | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunContainer:
    """A container that runs, of this body and with config files of this digest, and healthy.

    `config_digest` leaves out what can be read again; `read` is the digest of the step that has
    that read (empty when there is none), for a new container reads everything. `members` are it
    and all that it stands in for or votes with (none in batches); `balancers` the hosts whose
    load balancer sends requests to it; `farewell` a shell script that takes away what
    would outlive it; `listeners` where it listens, which the digest leaves out.
    """

    container: str
    body: ContainerBody
    config_digest: str
    read: str = ""
    health: Health | None = None
    rollout: Rollout = field(default_factory=Batches)
    members: tuple[Peer, ...] = ()
    balancers: tuple[str, ...] = ()
    listeners: tuple[Listener, ...] = ()
    farewell: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlacedFile:
    """A file of the config directory and where the container has its copy."""

    name: str
    path: str
    owner: str
    mode: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadAgain:
    """A running container that has read these files as they are now, without a restart.

    `content` is the digest of what they hold; `command` makes it read them, see `Reload`.
    """

    container: str
    files: tuple[PlacedFile, ...]
    content: str
    command: tuple[str, ...] = ()
    health: Health | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunJob:
    """A command run once; `probe` gives a row exactly when its effect is in the database."""

    job: str
    body: ContainerBody
    probe: str
    ready: str = ""
    fills: str = ""
    """The database that it fills; emptied first, when a first run ended half-way."""
    meaning: str = ""
    """What the digest is of: the command and the release, not the image's build."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MakeDatabase:
    """A database and the user that owns it, with its password."""

    database: str
    user: str
    password: str  # a placeholder


@dataclass(frozen=True, kw_only=True, slots=True)
class MakeQueueUser:
    """An account of the message queue that works in `vhost`; `repair` is run in `container`."""

    container: str
    user: str
    password: str  # a placeholder
    vhost: str
    repair: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """A service in Keystone's catalog and its URLs."""

    service: str
    type: str
    description: str
    internal: str
    public: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MakeIdentity:
    """A service's own Keystone user (project `service`, roles admin and service) and endpoints."""

    region: str
    user: str
    password: str  # a placeholder
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class MakeZone:
    """An availability zone with these hosts, through the compute API at `url`.

    `others` could not be looked at: whether they are in it is left as it is.
    """

    zone: str
    hosts: tuple[str, ...]
    others: tuple[str, ...]
    url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SetSwitch:
    """Bridges, ports and keys in the Open vSwitch database of a host."""

    container: str
    socket: str
    datapath_type: str
    bridges: Mapping[str, tuple[str, ...]]
    external_ids: Mapping[str, str]
    other_config: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class BringImages:
    """Container images that a host must hold, by content: reference → id."""

    images: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoveContainer:
    """A container of this cloud that nothing declares any more; its volumes stay."""

    container: str


Action = (
    WriteFiles
    | MakeVolume
    | RunContainer
    | ReadAgain
    | RunJob
    | MakeDatabase
    | MakeQueueUser
    | MakeIdentity
    | MakeZone
    | SetSwitch
    | BringImages
    | RemoveContainer
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One thing that must be so: a stable `id`, where, what, and which steps come first."""

    id: str
    host: str  # where it is done; "" when any controller will do
    action: Action
    needs: frozenset[str] = frozenset()
    digest: str = ""

    def __post_init__(self) -> None:
        if not self.digest:
            object.__setattr__(self, "digest", digest_of(self.action))


def digest_of(value: object) -> str:
    """The digest of everything that decides what an action is.

    Of a job it is the digest of its meaning alone, so that a new build of an image repeats none;
    waiting times and health checks never enter one.
    """
    match value:
        case RunJob(job=job, meaning=meaning, probe=probe):
            data: Any = ["job", job, meaning, probe]
        case RunContainer(container=name, body=body, config_digest=config):
            data = ["container", name, _plain(body), config]
        case ReadAgain(container=name, files=files, content=content, command=command):
            data = ["read", name, _plain(files), content, command]
        case WriteFiles(directory=directory, files=files):
            data = ["files", directory, [[f.name, f.mode, f.text] for f in files]]
        case _:
            data = [type(value).__name__, _plain(value)]
    return _sha256(data)


def fixed_digest(files: tuple[ConfigFile, ...]) -> str:
    """The digest of what a container can read only as it starts."""
    return _sha256([[f.name, f.mode, f.unchanging] for f in files])


def changing_digest(files: tuple[ConfigFile, ...]) -> str:
    """The digest of the files of which a running container can read something again."""
    return _sha256([[f.name, f.text] for f in files if f.fixed is not None])


def _sha256(data: Any) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]


def _plain(value: Any) -> Any:
    """Dataclasses, mappings and tuples as what JSON can hold."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list | frozenset | set):
        items = [_plain(v) for v in value]
        return sorted(items) if isinstance(value, frozenset | set) else items
    return value
