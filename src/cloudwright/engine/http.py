"""Podman or Docker on a host, over its REST API through a forwarded socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cloudwright.engine import compare, request, stream
from cloudwright.engine.api import (
    ContainerImage,
    ContainerSpec,
    ContainerState,
    EngineInfo,
    EngineVersion,
    Executed,
    StoredVolume,
)
from cloudwright.engine.quirks import API, DOCKER, PODMAN, SOCKETS, promised_status
from cloudwright.errors import EngineError, Missing
from cloudwright.transport.host import Host
from cloudwright.transport.lean_http import httpx

ANSWER_SECONDS = 120.0
"""An engine under load takes its time to make or remove a container."""

PING_SECONDS = 20.0
"""For whether there is one at all: Podman's service is only started by that very question."""

EXIT_CODE_TRIES = 50


async def connect_engine(host: Host) -> HttpEngine:
    """Find the engine that answers on `host`; raises Missing when there is none."""
    tests = "; ".join(f"[ -S {path} ] && echo {path}" for path in SOCKETS)
    found = (await host.run(f"{tests}; true")).stdout.split()
    problems = []
    for path in found:
        try:
            return await open_engine(host.name, await host.unix_socket(path))
        except EngineError as error:
            problems.append(f"{path}: {error.why or error.what}")
    units = [among[0] for among in PODMAN.at_boot]
    raise Missing(
        "no container engine answers",
        where=host.name,
        why="\n".join(problems) or f"there is none of {', '.join(SOCKETS)}",
        hint=f"`apt-get install podman`, then `systemctl enable --now {' '.join(units)}`",
    )


async def open_engine(host: str, socket: Path) -> HttpEngine:
    """Open the engine that listens on a local `socket`; `host` is the name for errors."""
    engine = HttpEngine(host, socket)
    try:
        await engine.version()
    except BaseException:
        await engine.close()
        raise
    return engine


class HttpEngine:
    """An Engine behind a UNIX socket."""

    def __init__(self, host: str, socket: Path) -> None:
        self._host = host
        self._socket = socket
        self._quirks = DOCKER
        self._client = httpx.AsyncClient(
            # Nothing here is TLS: to read the authorities of this machine takes 20 ms a host.
            transport=httpx.AsyncHTTPTransport(uds=str(socket), verify=False),
            base_url=f"http://engine{API}",
            timeout=ANSWER_SECONDS,
            trust_env=False,
        )

    @property
    def host(self) -> str:
        """The host's name, for errors."""
        return self._host

    async def version(self) -> EngineVersion:
        """Which engine answers."""
        # Not /version: Podman asks the package manager about its parts, which takes 0.7 s.
        headers = (await self._call("GET", "/_ping", timeout=PING_SECONDS)).headers
        # As `Libpod/4.3.1 (linux)` and `Docker/20.10.24 (linux)`.
        name, _, rest = headers.get("Server", "").partition("/")
        podman = name == "Libpod"
        self._quirks = PODMAN if podman else DOCKER
        return EngineVersion(
            kind="podman" if podman else "docker",
            version=rest.partition(" ")[0],
            api=headers.get("Api-Version", ""),
        )

    async def info(self) -> EngineInfo:
        """How this engine was set up."""
        return request.info_of(await self._get("/info"))

    async def images(self, folder: str = "") -> tuple[ContainerImage, ...]:
        """Every container image on the host, or those with a tag in `folder`."""
        wanted = {"filters": json.dumps({"reference": [f"{folder}/*"]})} if folder else {}
        answer = await self._get("/images/json", **wanted)
        return tuple(request.image_of(item, self._quirks) for item in answer)

    async def image_id(self, reference: str) -> str:
        """The id of the image that `reference` stands for."""
        answer = await self._get(f"/images/{quote(reference, safe='/:@')}/json")
        return request.bare_id(str(answer["Id"]))

    async def layers(self, reference: str) -> tuple[str, ...]:
        """The digests of an image's layers."""
        answer = await self._get(f"/images/{quote(reference, safe='/:@')}/json")
        return tuple(request.bare_id(layer) for layer in answer["RootFS"].get("Layers") or ())

    async def load(self, chunks: AsyncIterable[bytes]) -> None:
        """Take in the images of an archive."""
        path = "/images/load"
        try:
            status, answer = await stream.upload(self._socket, f"{API}{path}?quiet=true", chunks)
        except OSError as error:
            raise self._silent(f"POST {path}", error) from error
        if status >= 400:
            raise self._refused(f"POST {path}", status, answer)
        # The answer has begun before the work has: what went wrong after that is in its lines.
        for line in answer.decode(errors="replace").splitlines():
            if wrong := request.stream_error(line):
                raise self._refused(f"POST {path}", 500, json.dumps({"message": wrong}).encode())

    async def containers(self) -> tuple[ContainerState, ...]:
        """Every container on the host."""
        answer = await self._get("/containers/json", all="true")
        return tuple(request.listed_state(item) for item in answer)

    async def inspect(self, name: str) -> ContainerState:
        """One container, with all that is known of it."""
        return request.inspected_state(await self._get(f"/containers/{quote(name)}/json"))

    async def differences(self, spec: ContainerSpec) -> tuple[str, ...]:
        """What of a container is not as its specification says."""
        found = await self._get(f"/containers/{quote(spec.name)}/json")
        return compare.differences(request.create_body(spec, self._quirks), found)

    async def create(self, spec: ContainerSpec) -> str:
        """Make a container and return its id."""
        body = request.create_body(spec, self._quirks)
        answer = await self._call("POST", "/containers/create", {"name": spec.name}, body)
        return str(answer.json()["Id"])

    async def start(self, name: str) -> None:
        """Start a container."""
        await self._act(name, "start")

    async def stop(self, name: str, seconds: int | None = None) -> None:
        """Stop a container."""
        patience = ANSWER_SECONDS + (seconds or 0)
        await self._act(name, "stop", timeout=patience, **_given(t=seconds))

    async def kill(self, name: str, signal: str = "KILL") -> None:
        """Send a signal."""
        await self._act(name, "kill", signal=signal)

    async def rename(self, name: str, new: str) -> None:
        """Give a container another name."""
        await self._act(name, "rename", name=new)

    async def remove(self, name: str, *, force: bool = False) -> None:
        """Remove a container."""
        if force:
            # Podman would first wait for the container's own stop time; Docker kills at once.
            try:
                await self.kill(name)
            except EngineError as error:
                if error.status != 409:
                    raise
        await self._call(
            "DELETE", f"/containers/{quote(name)}", {"force": str(force).lower(), "v": "false"}
        )

    async def wait(self, name: str) -> int:
        """Wait until a container does not run and return its exit code."""
        answer = await self._act(name, "wait", timeout=None, condition="not-running")
        return int(answer.json()["StatusCode"])

    async def logs(
        self, name: str, *, tail: int | None = None, follow: bool = False
    ) -> AsyncIterator[str]:
        """The lines that a container wrote."""
        parameters = {"stdout": "true", "stderr": "true", "follow": str(follow).lower()}
        parameters |= _given(tail=tail)
        path = f"/containers/{quote(name)}/logs"
        try:
            async with self._client.stream(
                "GET", path, params=parameters, timeout=None if follow else ANSWER_SECONDS
            ) as answer:
                if answer.is_error:
                    raise self._refused(f"GET {path}", answer.status_code, await answer.aread())
                async for line in stream.lines(answer.aiter_raw()):
                    yield line
        except httpx.TransportError as error:
            raise self._silent(f"GET {path}", error) from error

    async def exec(
        self, name: str, argv: Sequence[str], *, stdin: bytes = b"", user: str = ""
    ) -> Executed:
        """Run a command in a running container."""
        body = {
            "AttachStdin": bool(stdin),
            "AttachStdout": True,
            "AttachStderr": True,
            "Cmd": list(argv),
            "User": user,
        }
        made = await self._call("POST", f"/containers/{quote(name)}/exec", body=body)
        path = f"/exec/{made.json()['Id']}"
        try:
            status, raw = await stream.converse(
                self._socket, f"{API}{path}/start", {"Detach": False, "Tty": False}, stdin
            )
        except (OSError, ValueError) as error:
            raise self._silent(f"POST {path}/start", error) from error
        if status not in (101, 200):
            raise self._refused(f"exec in {name}", status, raw)
        output = b"".join([content async for _, content in stream.frames(_once(raw))])
        code = await self._exec_exit_code(path)
        return Executed(exit_code=code, output=output.decode(errors="replace"))

    async def volumes(self) -> tuple[StoredVolume, ...]:
        """Every named volume."""
        answer = await self._get("/volumes")
        return tuple(request.volume_of(item) for item in answer.get("Volumes") or [])

    async def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a named volume; one that is there is left as it is."""
        body = {"Name": name, "Labels": dict(labels)}
        try:
            await self._call("POST", "/volumes/create", body=body)
        except EngineError as err:
            # Two at once: Podman tells the second one so, Docker does not.
            if "already exists" not in err.why:
                raise

    async def remove_volume(self, name: str) -> None:
        """Remove a named volume with its data."""
        await self._call("DELETE", f"/volumes/{quote(name)}")

    async def close(self) -> None:
        """Let the connections to the engine go."""
        await self._client.aclose()

    async def _exec_exit_code(self, path: str) -> int:
        """The stream's end comes a moment before the engine has written the code down."""
        for _ in range(EXIT_CODE_TRIES):
            answer = await self._get(f"{path}/json")
            if not answer["Running"] and answer["ExitCode"] is not None:
                return int(answer["ExitCode"])
            await asyncio.sleep(0.02)
        raise EngineError("a command ended without an exit code", where=self._host)

    async def _get(self, path: str, **parameters: str) -> Any:
        return (await self._call("GET", path, parameters)).json()

    async def _act(
        self, name: str, verb: str, /, *, timeout: float | None = ANSWER_SECONDS, **parameters: str
    ) -> httpx.Response:
        path = f"/containers/{quote(name)}/{verb}"
        return await self._call("POST", path, parameters, timeout=timeout)

    async def _call(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None = None,
        body: dict[str, Any] | None = None,
        *,
        timeout: float | None = ANSWER_SECONDS,
    ) -> httpx.Response:
        try:
            answer = await self._client.request(
                method, path, params=parameters, json=body, timeout=timeout
            )
        except httpx.TransportError as error:
            raise self._silent(f"{method} {path}", error) from error
        if answer.is_error:
            raise self._refused(f"{method} {path}", answer.status_code, answer.content)
        return answer

    def _refused(self, asked: str, status: int, content: bytes) -> EngineError:
        try:
            message = str(json.loads(content)["message"])
        except (ValueError, KeyError, TypeError):
            message = content.decode(errors="replace")
        status = promised_status(self._quirks, status, message)
        what = f"{self._quirks.kind} refused {asked} ({status})"
        return EngineError(what, status=status, where=self._host, why=message.strip())

    def _silent(self, asked: str, error: Exception) -> EngineError:
        why = f"{type(error).__name__}: {error}"
        return EngineError(f"the engine did not answer {asked}", where=self._host, why=why)


def _given(**values: int | None) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value is not None}


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
