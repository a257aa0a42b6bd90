"""An engine in memory that answers as Podman and Docker do, and fails when it is told to."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cloudwright.engine import compare
from cloudwright.engine.api import (
    ContainerImage,
    ContainerSpec,
    ContainerState,
    EngineInfo,
    EngineVersion,
    Executed,
    StoredVolume,
)
from cloudwright.engine.fake_container import FakeContainer, Process
from cloudwright.engine.fake_images import FakeImages
from cloudwright.engine.quirks import PODMAN
from cloudwright.engine.request import create_body
from cloudwright.errors import EngineError

KILLED = 137
"""The exit code of what SIGKILL ended."""

Program = Callable[[ContainerSpec], Process | None]
"""What a container runs; None is a command that the image does not hold."""

Command = Callable[[ContainerSpec, Sequence[str], bytes, str], Executed]
"""What a command in a running container leaves: its container, argv, stdin and user."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """An error for the next `verb` on `name` (empty: any), before its effect or after it."""

    verb: str
    name: str = ""
    after: bool = False
    error: EngineError = field(default_factory=lambda: EngineError("injected", status=500))


def runs_for_ever(spec: ContainerSpec) -> Process:
    """A program that starts, says nothing and ends when it is asked to."""
    return Process()


def says_nothing(spec: ContainerSpec, argv: Sequence[str], stdin: bytes, user: str) -> Executed:
    """A command that ends well without a word."""
    return Executed(exit_code=0, output="")


class FakeEngine:
    """An Engine whose containers, images and volumes are values in memory."""

    def __init__(
        self,
        host: str,
        images: Iterable[ContainerImage] = (),
        *,
        program: Program = runs_for_ever,
        command: Command = says_nothing,
    ) -> None:
        self._host = host
        self._images = FakeImages(host, images)
        self._program = program
        self._command = command
        self._containers: dict[str, FakeContainer] = {}
        self._volumes: dict[str, StoredVolume] = {}
        self._failures: list[Failure] = []
        self._made = 0
        self.lost = False

    @property
    def host(self) -> str:
        """The host's name, for errors."""
        return self._host

    def fail_next(self, failure: Failure) -> None:
        """Let a call fail once; several failures are used up in order."""
        self._failures.append(failure)

    def add_image(self, tag: str, labels: Mapping[str, str] | None = None) -> ContainerImage:
        """Put an image on the host, as a build would; an older one loses the tag."""
        return self._images.build(tag, labels or {})

    def reboot(self) -> None:
        """End everything at once and start what restarts when a host boots."""
        for container in self._containers.values():
            if container.state in ("running", "paused"):
                self._ended(container, KILLED, restart=False)
            wanted = container.spec.restart in ("always", "unless-stopped")
            if wanted and container.started is not None and not container.stopped_by_user:
                self._run(container)

    async def version(self) -> EngineVersion:
        """Which engine answers."""
        await self._begin("version", "")
        return EngineVersion(kind="podman", version="0.0-fake", api="1.41")

    async def info(self) -> EngineInfo:
        """How this engine was set up."""
        return EngineInfo(driver="overlay", root="/var/lib/fake")

    async def images(self, folder: str = "") -> tuple[ContainerImage, ...]:
        """Every container image on the host, or those with a tag in `folder`."""
        await self._begin("images", "")
        return self._images.all(folder)

    async def image_id(self, reference: str) -> str:
        """The id of the image that `reference` stands for."""
        await self._begin("image_id", reference)
        return self._images.find(reference).id

    async def layers(self, reference: str) -> tuple[str, ...]:
        """The digests of an image's layers."""
        await self._begin("layers", reference)
        return self._images.layers(self._images.find(reference).id)

    async def load(self, chunks: AsyncIterable[bytes]) -> None:
        """Take in the images of an archive."""
        failure = await self._begin("load", "")
        self._images.take(b"".join([chunk async for chunk in chunks]))
        self._end(failure)

    async def containers(self) -> tuple[ContainerState, ...]:
        """Every container on the host."""
        await self._begin("containers", "")
        return tuple(c.seen(inspected=False) for c in self._containers.values())

    async def inspect(self, name: str) -> ContainerState:
        """One container, with all that is known of it."""
        await self._begin("inspect", name)
        return self._container(name).seen(inspected=True)

    async def create(self, spec: ContainerSpec) -> str:
        """Make a container and return its id."""
        failure = await self._begin("create", spec.name)
        image = self._images.find(spec.image)
        if not spec.name.replace("-", "").replace("_", "").replace(".", "").isalnum():
            raise self._error(400, f"not a name: {spec.name}")
        if spec.name in self._containers:
            raise self._error(409, f"the name {spec.name} is already in use")
        for mount in spec.mounts:
            if mount.is_volume and mount.source not in self._volumes:
                self._volumes[mount.source] = StoredVolume(name=mount.source, labels={})
        self._made += 1
        id = hashlib.sha256(f"{self._host} {self._made}".encode()).hexdigest()
        self._containers[spec.name] = FakeContainer(
            spec=spec, id=id, image_id=image.id, labels={**image.labels, **spec.labels}
        )
        self._end(failure)
        return id

    async def start(self, name: str) -> None:
        """Start a container."""
        failure = await self._begin("start", name)
        container = self._container(name)
        if container.state != "running":
            self._run(container)
        self._end(failure)

    async def stop(self, name: str, seconds: int | None = None) -> None:
        """Stop a container."""
        failure = await self._begin("stop", name)
        container = self._container(name)
        if container.state == "running":
            container.stopped_by_user = True
            code = container.process.on_term
            if code is None:
                await asyncio.sleep(container.spec.stop_seconds if seconds is None else seconds)
            self._ended(container, KILLED if code is None else code, restart=False)
        self._end(failure)

    async def kill(self, name: str, signal: str = "KILL") -> None:
        """Send a signal."""
        failure = await self._begin("kill", name)
        container = self._container(name)
        if container.state != "running":
            raise self._error(409, f"{name} is {container.state}, not running")
        signal = signal.removeprefix("SIG")
        code = {"KILL": KILLED, "TERM": container.process.on_term}.get(signal)
        if code is not None:
            container.stopped_by_user = True
            self._ended(container, code, restart=False)
        self._end(failure)

    async def rename(self, name: str, new: str) -> None:
        """Give a container another name."""
        failure = await self._begin("rename", name)
        container = self._container(name)
        if new in self._containers:
            raise self._error(409, f"the name {new} is already in use")
        del self._containers[name]
        container.spec = replace(container.spec, name=new)
        self._containers[new] = container
        self._end(failure)

    async def remove(self, name: str, *, force: bool = False) -> None:
        """Remove a container."""
        failure = await self._begin("remove", name)
        container = self._container(name)
        if container.state == "running":
            if not force:
                raise self._error(409, f"{name} is running; stop it first or use force")
            self._ended(container, KILLED, restart=False)
        del self._containers[name]
        self._end(failure)

    async def wait(self, name: str) -> int:
        """Wait until a container does not run and return its exit code."""
        failure = await self._begin("wait", name)
        container = self._container(name)
        while container.state == "running":
            await self._pause(container)
        self._end(failure)
        return container.exit_code or 0

    async def logs(
        self, name: str, *, tail: int | None = None, follow: bool = False
    ) -> AsyncIterator[str]:
        """The lines that a container wrote."""
        failure = await self._begin("logs", name)
        container = self._container(name)
        self._end(failure)
        sent = 0 if tail is None else max(0, len(container.log) - tail)
        while True:
            for line in container.log[sent:]:
                sent += 1
                yield line
            if not follow or container.state != "running":
                return
            await self._pause(container)

    async def differences(self, spec: ContainerSpec) -> tuple[str, ...]:
        """What of a container is not as its specification says."""
        await self._begin("differences", spec.name)
        made = create_body(self._container(spec.name).spec, PODMAN)
        found = {"Config": made, "HostConfig": made["HostConfig"]}
        return compare.differences(create_body(spec, PODMAN), found)

    async def exec(
        self, name: str, argv: Sequence[str], *, stdin: bytes = b"", user: str = ""
    ) -> Executed:
        """Run a command in a running container."""
        failure = await self._begin("exec", name)
        container = self._container(name)
        if container.state != "running":
            raise self._error(409, f"{name} is {container.state}, not running")
        done = self._command(container.spec, argv, stdin, user)
        self._end(failure)
        return done

    async def volumes(self) -> tuple[StoredVolume, ...]:
        """Every named volume."""
        await self._begin("volumes", "")
        return tuple(self._volumes.values())

    async def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a named volume."""
        failure = await self._begin("create_volume", name)
        self._volumes.setdefault(name, StoredVolume(name=name, labels=dict(labels)))
        self._end(failure)

    async def remove_volume(self, name: str) -> None:
        """Remove a named volume with its data."""
        failure = await self._begin("remove_volume", name)
        if name not in self._volumes:
            raise self._error(404, f"no such volume: {name}")
        mounts = [m for c in self._containers.values() for m in c.spec.mounts if m.is_volume]
        if any(mount.source == name for mount in mounts):
            raise self._error(409, f"volume {name} is being used")
        del self._volumes[name]
        self._end(failure)

    async def close(self) -> None:
        """A closed engine answers no more."""
        self.lost = True

    async def _begin(self, verb: str, name: str) -> Failure | None:
        """Let others run, let time have passed, and fail if this call shall."""
        await asyncio.sleep(0)
        if self.lost:
            raise EngineError(f"the engine did not answer {verb}", where=self._host)
        for container in self._containers.values():
            self._settle(container)
        asked = (f for f in self._failures if f.verb == verb and f.name in ("", name))
        failure = next(asked, None)
        if failure is not None:
            self._failures.remove(failure)
            if not failure.after:
                raise failure.error
        return failure

    def _end(self, failure: Failure | None) -> None:
        if failure is not None:
            raise failure.error

    def _run(self, container: FakeContainer) -> None:
        process = self._program(container.spec)
        if process is None:
            raise self._error(400, f"executable file not found: {container.spec.command}")
        container.process = process
        container.state, container.exit_code = "running", None
        container.stopped_by_user = False
        container.started = asyncio.get_running_loop().time()
        container.ends = None if process.seconds is None else container.started + process.seconds
        container.log += process.output
        self._tell(container)

    def _settle(self, container: FakeContainer) -> None:
        """End a process whose time has come."""
        now = asyncio.get_running_loop().time()
        if container.state == "running" and container.ends is not None and now >= container.ends:
            self._ended(container, container.process.exit_code, restart=True)

    def _ended(self, container: FakeContainer, code: int, *, restart: bool) -> None:
        container.state, container.exit_code, container.ends = "exited", code, None
        policy = container.spec.restart
        always = policy in ("always", "unless-stopped")
        if restart and (always or (policy == "on-failure" and code != 0)):
            container.restarts += 1
            self._run(container)
        self._tell(container)

    async def _pause(self, container: FakeContainer) -> None:
        """Wait until something happens to the container."""
        left = None
        if container.ends is not None:
            left = container.ends - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(left):
                await container.changed.wait()
        except TimeoutError:
            self._settle(container)

    def _tell(self, container: FakeContainer) -> None:
        container.changed.set()
        container.changed = asyncio.Event()

    def _container(self, name: str) -> FakeContainer:
        if name in self._containers:
            return self._containers[name]
        found = [c for c in self._containers.values() if len(name) >= 12 and c.id.startswith(name)]
        if len(found) != 1:
            raise self._error(404, f"no such container: {name}")
        return found[0]

    def _error(self, status: int, why: str) -> EngineError:
        return EngineError(f"refused ({status})", status=status, where=self._host, why=why)
