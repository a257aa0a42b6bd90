"""Nova, Neutron and Glance in memory, over HTTP, as far as a drill's servers see them."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cloudwright.execute.drill.apis import Caller

Answer = tuple[int, dict[str, Any] | bytes]


@dataclass
class Cloud:
    """What is there, by kind and id. `outcome`: the status that a new server comes to, or empty
    when it stays in BUILD; `lingers`: looks at the list for which a deleted one is still there.

    `refuses` are methods that are answered 503. When it `forgets`, it acknowledges servers and
    keeps none; when it is `silent`, it makes servers and says that it did not. `asked` names every
    server that was asked for, and `zones` where.
    """

    outcome: str = "ACTIVE"
    lingers: int = 0
    refuses: set[str] = field(default_factory=set)
    forgets: bool = False
    silent: bool = False
    zones: list[str] = field(default_factory=list)
    things: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    leaving: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    uploaded: dict[str, bytes] = field(default_factory=dict)
    _ids: int = 0

    def handle(self, method: str, url: str, body: bytes) -> Answer:
        if method in self.refuses:
            return 503, {}
        path, query = urlsplit(url).path, parse_qs(urlsplit(url).query)
        kind, _, rest = path.removeprefix("/v2.0").removeprefix("/v2")[1:].partition("/")
        match method:
            case "POST":
                return self._make(kind, json.loads(body))
            case "PUT":
                self.uploaded[rest.partition("/")[0]] = body
                return 204, {}
            case "DELETE":
                return self._delete(kind, rest)
            case _:
                return self._look(kind, rest, query)

    def _make(self, kind: str, body: dict[str, Any]) -> Answer:
        self._ids += 1
        id, single = str(self._ids), kind.removesuffix("s")
        thing = {**body.get(single, body), "id": id, "status": "BUILD"}
        if kind == "servers":
            self.asked.append(thing["name"])
            self.zones.append(thing.get("availability_zone", ""))
            self._check(thing)
        if not (kind == "servers" and self.forgets):
            self.things.setdefault(kind, {})[id] = thing
        if kind == "servers" and self.silent:
            return 504, {}
        return 202, thing if kind == "images" else {single: thing}

    def _check(self, server: dict[str, Any]) -> None:
        """A server is made of things that are there, and its network has a subnet."""
        [network] = server["networks"]
        assert self.uploaded[server["imageRef"]]
        assert server["flavorRef"] in self.things["flavors"]
        assert network["uuid"] in self.things["networks"]
        subnets = self.things["subnets"].values()
        assert any(subnet["network_id"] == network["uuid"] for subnet in subnets)

    def _delete(self, kind: str, id: str) -> Answer:
        if id not in self.things.get(kind, {}):
            return 404, {}
        if kind == "servers":
            self.leaving[id] = self.lingers
        else:
            del self.things[kind][id]
        if kind == "networks":
            subnets = self.things.get("subnets", {})
            for subnet in [s for s in subnets.values() if s["network_id"] == id]:
                del subnets[subnet["id"]]
        return 204, {}

    def _look(self, kind: str, id: str, query: dict[str, list[str]]) -> Answer:
        if kind == "os-availability-zone":
            names = {"a": True, "b": True, "c": False}
            zones = [{"zoneName": n, "zoneState": {"available": up}} for n, up in names.items()]
            return 200, {"availabilityZoneInfo": zones}
        there = self.things.setdefault(kind, {})
        if not id:
            self._leave(there)
            names = [pattern.removeprefix("^") for pattern in query.get("name", [])]
            tags = set(query.get("tag", []))
            found = [
                thing
                for thing in there.values()
                if all(name in thing.get("name", "") for name in names)
                and tags <= set(thing.get("tags", ()))
            ]
            return 200, {kind: found}
        if id.endswith("/file"):
            data = self.uploaded.get(id.removesuffix("/file"), b"")
            return (200, data) if data and id.removesuffix("/file") in there else (404, {})
        if id not in there:
            return 404, {}
        there[id]["status"] = self.outcome or "BUILD"
        more: dict[str, Any] = {"OS-EXT-SRV-ATTR:host": None, "OS-EXT-STS:task_state": None}
        if self.outcome == "ERROR":
            more["fault"] = {"message": "No valid host was found."}
        elif not self.outcome:
            more |= {"OS-EXT-SRV-ATTR:host": "two", "OS-EXT-STS:task_state": "spawning"}
        return 200, {kind.removesuffix("s"): {**there[id], **more}}

    def _leave(self, there: dict[str, dict[str, Any]]) -> None:
        for id in [id for id in self.leaving if id in there]:
            self.leaving[id] -= 1
            if self.leaving[id] < 0:
                del there[id], self.leaving[id]

    def names(self, kind: str) -> set[str]:
        """Of everything of a kind that is there."""
        return {thing["name"] for thing in self.things.get(kind, {}).values()}


@contextmanager
def served(cloud: Cloud) -> Iterator[Caller]:
    """A caller whose three endpoints are `cloud`."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        status, told = cloud.handle(request.command, request.path, body)
        said = told if isinstance(told, bytes) else json.dumps(told).encode()
        text = b"" if status == 204 else said
        request.send_response(status)
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)

    verbs = {f"do_{verb}": answer for verb in ("GET", "POST", "PUT", "DELETE")}
    quiet = {"log_message": lambda *_: None}
    handler = type("Handler", (BaseHTTPRequestHandler,), verbs | quiet)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    base = f"http://127.0.0.1:{server.server_port}"
    services = ("compute", "image", "network")
    try:
        yield Caller(
            auth_url=base,
            password="",
            tls=ssl.create_default_context(),
            endpoints=dict.fromkeys(services, base),
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
