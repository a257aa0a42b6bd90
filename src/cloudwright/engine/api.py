"""An engine runs containers on one host: Podman or Docker, spoken to in the same words."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

Restart = Literal["no", "always", "unless-stopped", "on-failure"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Mount:
    """A directory of the host (`source` is an absolute path) or a named volume, in a container.

    `propagation` is `rprivate`, `rslave` or `rshared`; empty leaves it to the engine.
    """

    source: str
    target: str
    read_only: bool = False
    propagation: str = ""

    @property
    def is_volume(self) -> bool:
        """Whether `source` names a volume."""
        return not self.source.startswith("/")

    def __str__(self) -> str:
        options = ["ro" if self.read_only else "rw", self.propagation]
        return ":".join([self.source, self.target, ",".join(o for o in options if o)])


@dataclass(frozen=True, kw_only=True, slots=True)
class Ulimit:
    """A limit of a container's processes, as `nofile`."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerSpec:
    """All that the engine must know to make a container; sizes are in bytes, times in seconds.

    `command` None leaves the image's own. `tmpfs` maps a path to mount options.
    """

    name: str
    image: str
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    user: str = ""
    hostname: str = ""
    working_directory: str = ""
    privileged: bool = False
    capabilities: tuple[str, ...] = ()
    network: str = "host"
    pid_host: bool = False
    ipc_host: bool = False
    cgroupns_host: bool = False
    init: bool = False
    ulimits: tuple[Ulimit, ...] = ()
    restart: Restart = "no"
    stop_seconds: int = 10
    stop_signal: str = ""
    devices: tuple[str, ...] = ()
    security_opts: tuple[str, ...] = ()
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    shm_size: int = 0
    memory: int = 0
    cpu_shares: int = 0


State = Literal[
    "created", "running", "paused", "restarting", "removing", "exited", "dead", "unknown"
]


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerState:
    """A container as the engine sees it.

    `exit_code`, `started_at` and `restarts` (how often the engine started it again, as its policy
    says) are known from `inspect`; `containers` knows the code of an ended container, and leaves
    `started_at` None. `status_text` is the engine's own words. `pid` is the number of its first
    process on the host, also only from `inspect`; 0 when it does not run.
    """

    name: str
    id: str
    image: str
    image_id: str
    labels: Mapping[str, str]
    state: State
    exit_code: int | None = None
    started_at: datetime | None = None
    restarts: int = 0
    status_text: str = ""
    pid: int = 0

    @property
    def running(self) -> bool:
        """Whether its first process is there."""
        return self.state in ("running", "paused")


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerImage:
    """A container image on a host; `id` is a bare SHA-256 in hexadecimal, `size` is in bytes."""

    id: str
    tags: tuple[str, ...]
    labels: Mapping[str, str]
    size: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredVolume:
    """A named volume and where its data is on the host."""

    name: str
    labels: Mapping[str, str]
    path: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineVersion:
    """Which engine this is."""

    kind: Literal["podman", "docker"]
    version: str
    api: str


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineInfo:
    """How an engine was set up: the driver and the directory of its images, and what keeps its
    containers from the host ("rootless", "userns", "seccomp"), in the engine's words."""

    driver: str
    root: str
    security: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Executed:
    """What a command in a container left; `output` is both its streams, as they came."""

    exit_code: int
    output: str


class Engine(Protocol):
    """Podman or Docker on one host.

    Everything raises EngineError with the HTTP status and the engine's words: 404 for what is not
    there, 409 for a name that is taken or a thing in use, 0 when the engine does not answer.
    """

    @property
    def host(self) -> str:
        """The host's name, for errors."""
        ...

    async def version(self) -> EngineVersion:
        """Which engine answers."""
        ...

    async def info(self) -> EngineInfo:
        """How this engine was set up."""
        ...

    async def images(self, folder: str = "") -> tuple[ContainerImage, ...]:
        """Every container image on the host, in one call; with `folder` (as `example.org/cloud`)
        those that have a tag in it, which Podman finds in half the time."""
        ...

    async def image_id(self, reference: str) -> str:
        """The id of the image that a tag, an id or a digest stands for."""
        ...

    async def layers(self, reference: str) -> tuple[str, ...]:
        """The digests (SHA-256 in hexadecimal) of an image's layers, the lowest first."""
        ...

    async def load(self, chunks: AsyncIterable[bytes]) -> None:
        """Take in the images of an archive, as `podman save` and `docker save` make it.

        A layer that the host has need not be in it but as an empty file. Images keep their ids;
        a tag that another image had is taken from that. EngineError when the archive is damaged
        or there is no space; what the engine had before stays.
        """
        ...

    async def containers(self) -> tuple[ContainerState, ...]:
        """Every container on the host, whatever its state, in one call."""
        ...

    async def inspect(self, name: str) -> ContainerState:
        """One container, with all that is known of it."""
        ...

    async def create(self, spec: ContainerSpec) -> str:
        """Make a container, not started, and return its id; named volumes are made with it."""
        ...

    async def start(self, name: str) -> None:
        """Start a container; one that runs already is left alone."""
        ...

    async def stop(self, name: str, seconds: int | None = None) -> None:
        """Ask a container to end, kill it after `seconds`; one that does not run is left alone."""
        ...

    async def kill(self, name: str, signal: str = "KILL") -> None:
        """Send a signal; 409 when the container does not run."""
        ...

    async def rename(self, name: str, new: str) -> None:
        """Give a container another name; 409 when that is taken."""
        ...

    async def remove(self, name: str, *, force: bool = False) -> None:
        """Remove a container, never its named volumes; one that runs needs `force`."""
        ...

    async def wait(self, name: str) -> int:
        """Wait until a container does not run and return its exit code.

        One that was never started does not run; what is returned for it means nothing.
        """
        ...

    def logs(
        self, name: str, *, tail: int | None = None, follow: bool = False
    ) -> AsyncIterator[str]:
        """The lines that a container wrote, both streams, oldest first; `tail` the last ones."""
        ...

    async def differences(self, spec: ContainerSpec) -> tuple[str, ...]:
        """What of the container `spec.name` is not as `spec` says, in words; empty when all is.

        What an image or the engine adds of its own is no difference.
        """
        ...

    async def exec(
        self, name: str, argv: Sequence[str], *, stdin: bytes = b"", user: str = ""
    ) -> Executed:
        """Run a command in a running container; 409 when it does not run."""
        ...

    async def volumes(self) -> tuple[StoredVolume, ...]:
        """Every named volume."""
        ...

    async def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a named volume; one that exists is left as it is."""
        ...

    async def remove_volume(self, name: str) -> None:
        """Remove a named volume with its data; 409 while a container uses it."""
        ...

    async def close(self) -> None:
        """Let the connections to the engine go."""
        ...
