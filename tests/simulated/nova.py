"""Nova in memory, as far as an evacuation sees it, with the rules of its own code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from keystoneauth1.exceptions import BadRequest, Conflict, NotFound

from cloudwright.execute.evacuate.apis import Apis


@dataclass(frozen=True)
class Answer:
    body: Any

    def json(self) -> Any:
        return self.body


@dataclass
class Service:
    """A compute service; `reports` says whether its process lives and tells of itself."""

    reports: bool = False
    forced_down: bool = False
    reported: int = 0


@dataclass
class Server:
    host: str
    state: str = "active"
    task: str | None = None


@dataclass
class Migration:
    id: int
    server: str
    source: str
    dest: str
    status: str = "accepted"


@dataclass
class Nova:
    """`looks` is how many questions about an instance an evacuation lasts; those of `broken` fail.

    `most` is how many evacuations were ever under way at once; `versions` tells the microversion
    and the body of each request for one.
    """

    services: dict[str, Service]
    servers: dict[str, Server]
    looks: int = 3
    broken: frozenset[str] = frozenset()
    migrations: list[Migration] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)
    most: int = 0
    asked: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    restarts: int = 0

    def apis(self) -> Apis:
        async def at_once(work: Callable[..., Any], *arguments: Any) -> Any:
            return work(*arguments)

        return Apis(compute=self, placement=None, image=None, thread=at_once)

    def get(self, url: str, microversion: str) -> Answer:
        path, query = urlsplit(url).path, parse_qs(urlsplit(url).query)
        if path == "/os-services":
            return Answer({"services": [self._service(name) for name in self.services]})
        if path == "/os-migrations":
            return Answer({"migrations": [] if "marker" in query else self._records(query)})
        return Answer({"server": self._look(path.removeprefix("/servers/"))})

    def post(self, url: str, json: dict[str, Any], microversion: str) -> None:
        id = url.split("/")[2]
        server, wish = self.servers[id], json["evacuate"]
        service = self.services[server.host]
        if service.reports and not service.forced_down:
            raise BadRequest(f"Compute service of {server.host} is still in use.")
        if server.task:
            raise Conflict(f"Cannot 'evacuate' instance {id} while it is in task_state")
        self.asked.append((id, microversion, wish))
        server.task = "rebuilding"
        self.migrations.append(Migration(len(self.migrations), id, server.host, wish["host"]))
        self.left[id] = self.looks
        self.most = max(self.most, len(self.left))

    def put(self, url: str, json: dict[str, Any], microversion: str) -> None:
        name = url.rpartition("/")[2]
        if not json["forced_down"] and self._unclean(name, "done"):
            raise BadRequest("`done` evacuation migration records remain")
        self.services[name].forced_down = json["forced_down"]
        self.services[name].reported += 1  # the row was changed, by whomever

    def start(self, host: str) -> None:
        """What nova-compute does as it starts: clean up, and only then report."""
        self.restarts += 1
        for record in self._unclean(host, "accepted", "pre-migrating", "done"):
            record.status = "completed"
        self.services[host].reports = True

    def _service(self, name: str) -> dict[str, Any]:
        service = self.services[name]
        service.reported += service.reports
        up = service.reports and not service.forced_down
        return {
            "id": name,
            "host": name,
            "state": "up" if up else "down",
            "status": "enabled",
            "forced_down": service.forced_down,
            "updated_at": f"{service.reported:05}",
        }

    def _look(self, id: str) -> dict[str, Any]:
        if id not in self.servers:
            raise NotFound("gone")
        server = self.servers[id]
        if id in self.left:
            self._go_on(id, server)
        return {
            "id": id,
            "status": "REBUILD" if server.task else server.state.upper(),
            "fault": {"message": "No valid host was found."} if server.state == "error" else None,
            "OS-EXT-SRV-ATTR:host": server.host,
            "OS-EXT-STS:task_state": server.task,
        }

    def _go_on(self, id: str, server: Server) -> None:
        """One step: it spawns, has no task for a moment, and only then belongs to its new host."""
        self.left[id] -= 1
        record = next(m for m in reversed(self.migrations) if m.server == id)
        if self.left[id] == 1:
            server.task = None
            if id in self.broken:
                server.state, record.status = "error", "failed"
                del self.left[id]
        elif self.left[id] == 0:
            server.host, record.status = record.dest, "done"
            del self.left[id]

    def _unclean(self, host: str, *states: str) -> list[Migration]:
        return [m for m in self.migrations if m.source == host and m.status in states]

    def _records(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        [source], [server] = query.get("source_compute", [""]), query.get("instance_uuid", [""])
        return [
            {
                "id": m.id,
                "uuid": str(m.id),
                "instance_uuid": m.server,
                "source_compute": m.source,
                "status": m.status,
            }
            for m in self.migrations
            if source in ("", m.source) and server in ("", m.server)
        ]
