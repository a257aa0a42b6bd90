"""The engines that the contract is held against: one in memory, Podman, Docker."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import io
import os
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import httpx

from cloudwright.engine.api import ContainerImage, ContainerSpec, Engine, Executed
from cloudwright.engine.fake import FakeEngine
from cloudwright.engine.fake_container import Process
from cloudwright.engine.http import open_engine
from cloudwright.lab.host_image import ensure_image
from cloudwright.transport.local import LocalHost

PREFIX = f"cw-contract-{os.getpid()}"
IMAGE = f"localhost/{PREFIX}:1"
OLD_TAG = f"localhost/{PREFIX}:old"
IMAGE_LABELS = {"cloudwright.test": "image"}
PODMAN = ("podman", "--runtime", "runc", "--cgroup-manager", "cgroupfs")

FOREVER = ("sleep", "1000")
TALKS = ("sh", "-c", "echo one; echo two >&2; sleep 0.2; seq 5; exit 5")
POLITE = ("sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.02; done")
MISSING = ("/no/such/program",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rig:
    """Opens an engine that holds IMAGE."""

    name: str
    engine: Callable[[], AbstractAsyncContextManager[Engine]]


@contextlib.contextmanager
def fake() -> Iterator[Rig]:
    """The engine that ships for simulations."""

    @contextlib.asynccontextmanager
    async def engine() -> AsyncIterator[Engine]:
        image = ContainerImage(id="ab" * 32, tags=(IMAGE, OLD_TAG), labels=IMAGE_LABELS)
        yield FakeEngine("here", [image], program=_program, command=_command)

    yield Rig(name="fake", engine=engine)


def _program(spec: ContainerSpec) -> Process | None:
    """What the commands of this suite do."""
    processes = {
        FOREVER: Process(on_term=None),
        TALKS: Process(output=("one", "two", *"12345"), seconds=0.2, exit_code=5),
        POLITE: Process(on_term=7),
    }
    return processes.get(spec.command or FOREVER)


def _command(spec: ContainerSpec, argv: Sequence[str], stdin: bytes, user: str) -> Executed:
    match list(argv):
        case ["cat"]:
            return Executed(exit_code=0, output=stdin.decode())
        case ["id", "-u"]:
            return Executed(exit_code=0, output=f"{user or 0}\n")
        case ["sh", "-c", "echo out; echo err >&2; exit 3"]:
            return Executed(exit_code=3, output="out\nerr\n")
        case _:
            return Executed(exit_code=127, output=f"not found: {argv}\n")


@contextlib.contextmanager
def podman(directory: Path) -> Iterator[Rig]:
    """A Podman service of our own on this machine's store."""
    socket = directory / "podman.sock"
    argv = [*PODMAN, "system", "service", "-t", "0", f"unix://{socket}"]
    with _service(argv, socket, directory):
        load = [*PODMAN, "import", *(f"--change={command}" for command in _commands()), "-", IMAGE]
        _loaded(load, [*PODMAN, "tag", IMAGE, OLD_TAG])
        try:
            yield Rig(name="podman", engine=functools.partial(_opened, socket))
        finally:
            _clean(PODMAN)


@contextlib.contextmanager
def docker(directory: Path, *options: str) -> Iterator[Rig]:
    """Debian's Docker in a lab host that shares this machine's name spaces, so that nothing of it
    is ever installed here; its store goes with it. `directory` is the same in it as here, and its
    name the container's."""
    image = asyncio.run(ensure_image(LocalHost(), print, ("docker.io",)))
    name = f"{PREFIX}-{directory.name}"
    socket = directory / "docker.sock"
    argv = ["podman", "run", "--rm", "--name", name, "--privileged", "--tmpfs=/run:rw,exec"]
    argv += [f"--{space}=host" for space in ("network", "pid", "ipc", "cgroupns")]
    argv += ["--volume=/var/lib/containers", f"--volume={directory.parent}:{directory.parent}"]
    argv += ["--entrypoint=dockerd", image, f"--host=unix://{socket}", *DOCKERD, *options]
    try:
        with _service(argv, socket, directory):
            _import(socket)
            yield Rig(name="docker", engine=functools.partial(_opened, socket))
    finally:
        subprocess.run(["podman", "rm", "-f", "-t", "0", name], capture_output=True, check=False)


DOCKERD = (
    "--data-root=/var/lib/containers/docker",
    # This machine's network is nothing that a test may touch.
    "--bridge=none",
    "--iptables=false",
    "--ip6tables=false",
)


def _import(socket: Path) -> None:
    """Make the image, over the daemon's own API: its client is a package of its own."""
    repository, _, tag = IMAGE.rpartition(":")
    transport = httpx.HTTPTransport(uds=str(socket))
    with httpx.Client(transport=transport, base_url="http://docker", timeout=60) as client:
        changes = [("changes", change) for change in _commands()]
        where = [("fromSrc", "-"), ("repo", repository), ("tag", tag)]
        client.post(
            "/images/create", params=[*where, *changes], content=_root()
        ).raise_for_status()
        old = OLD_TAG.rpartition(":")[2]
        client.post(
            f"/images/{IMAGE}/tag", params={"repo": repository, "tag": old}
        ).raise_for_status()


def why_not(name: str) -> str:
    """Why an engine cannot be tried here; empty when it can."""
    if name == "fake":
        return ""
    if os.geteuid() != 0:
        return f"{name} is tried as root"
    if not Path("/usr/bin/busybox").exists():
        return "busybox-static is not installed, of which the image is made"
    # Docker's own programs are in the lab host in which it runs.
    missing = [program for program in ("podman", "runc") if shutil.which(program) is None]
    return f"{' and '.join(missing)} not installed" if missing else ""


@contextlib.asynccontextmanager
async def _opened(socket: Path) -> AsyncIterator[Engine]:
    engine = await open_engine("here", socket)
    try:
        yield engine
    finally:
        await engine.close()


@contextlib.contextmanager
def _service(argv: Sequence[str], socket: Path, directory: Path) -> Iterator[None]:
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 120
        while not socket.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((directory / "log").read_text()[-2000:])
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def _commands() -> list[str]:
    labels = [f"LABEL {name}={value}" for name, value in IMAGE_LABELS.items()]
    return ['CMD ["sleep","1000"]', *labels]


def _loaded(load: Sequence[str], tag: Sequence[str]) -> None:
    subprocess.run(load, input=_root(), check=True, capture_output=True)
    subprocess.run(tag, check=True, capture_output=True)


def _root() -> bytes:
    """A root file system of one program."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add("/usr/bin/busybox", "bin/busybox")
        for name in ("sh", "sleep", "seq", "cat", "id", "echo", "true", "ls", "stat"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    return stream.getvalue()


def _clean(client: Sequence[str]) -> None:
    """Remove what carries our prefix, whatever a failed test left, and what a run left that was
    killed and whose process is gone. An image that lost its tag to another has it as a label."""
    listings = {
        ("container", "rm"): "ps -a --format {{.Names}}",
        ("volume", "rm"): "volume ls -q",
        ("image", "rm"): "images --format {{.Repository}}:{{.Tag}}",
        ("image", "rm", ""): "images --format {{.ID}}|{{.Labels}}",
    }
    for (kind, verb, *_), listing in listings.items():
        listed = subprocess.run([*client, *listing.split()], capture_output=True, check=False)
        for line in listed.stdout.decode().splitlines():
            if _is_left(line):
                argv = [*client, kind, verb, "-f", line.partition("|")[0]]
                subprocess.run(argv, capture_output=True, check=False)


def _is_left(line: str) -> bool:
    """Whether a line names something of this run, or of one that is over."""
    found = re.search(r"cw-contract-(\d+)", line)
    return found is not None and (
        PREFIX in found.group() or not Path("/proc", found.group(1)).exists()
    )
