"""The names that declarations use in `needs`, as the ids of the steps that they mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cloudwright.declare.service import Container, Job, Service, hosts_of
from cloudwright.model.cloud import Cloud, Host


@dataclass(frozen=True, kw_only=True, slots=True)
class Needs:
    """Resolves needs over one cloud.

    A name is a service (all its containers, and its jobs), a container (on every host; `@name`:
    on the same host), `service/job`, `service/switch/name` (`@` likewise), or `service/identity`.
    """

    cloud: Cloud
    services: tuple[Service, ...]

    def of_container(self, service: Service, container: Container, host: Host) -> frozenset[str]:
        """Files, volumes, what service and container name, and, for a control container of a
        service with databases, its schemas: no API starts before its database answers."""
        own = {f"{service.name}/files/{container.name}@{host.name}"}
        own |= {f"{service.name}/volume/{v.name}@{host.name}" for v in container.volumes}
        if container.role == "control":
            own |= {f"{service.name}/job/schema-{d.name}" for d in service.databases if d.create}
        return frozenset(own) | self.resolve((*service.needs, *container.needs), service, host)

    def of_job(
        self, service: Service, job: Job, runner: Host, subject: Host | None
    ) -> frozenset[str]:
        """The files of the container that it is like, the databases, and what it names."""
        own = {f"{service.name}/files/{job.like}@{runner.name}"}
        like = next(c for c in service.containers if c.name == job.like)
        own |= {f"{service.name}/volume/{v.name}@{runner.name}" for v in like.volumes}
        own |= {f"{service.name}/database/{d.name}" for d in service.databases}
        named = self.resolve(
            (*service.needs, *job.needs, "haproxy", "keepalived"), service, subject or runner
        )
        return frozenset(own) | named

    def resolve(self, names: Iterable[str], own: Service, host: Host) -> frozenset[str]:
        """The ids of the steps that `names` mean for something of `own` on `host`."""
        return frozenset(id for name in names for id in self._ids(name, own, host))

    def _ids(self, name: str, own: Service, host: Host) -> Iterator[str]:
        here = name.startswith("@")
        name = name.removeprefix("@")
        if "/" in name:
            yield from self._path(name, here, host)
            return
        for service in self.services:
            for container in service.containers:
                if container.name == name or (service.name == name and service is not own):
                    hosts = hosts_of(self.cloud, container, host if here else None)
                    yield from _container_ids(service, container, hosts)
            if service.name == name and service is not own:
                yield from self._jobs(service)

    def _jobs(self, service: Service) -> Iterator[str]:
        for database in service.databases:
            if database.create:
                yield f"{service.name}/job/schema-{database.name}"
        for job in service.jobs:
            yield from self._job_ids(service, job)

    def _job_ids(self, service: Service, job: Job) -> Iterator[str]:
        if job.each:
            hosts = self.cloud.hosts_with(job.each)
            yield from (f"{service.name}/job/{job.name}@{h.name}" for h in hosts)
        else:
            yield f"{service.name}/job/{job.name}"

    def _path(self, name: str, here: bool, host: Host) -> Iterator[str]:
        service_name, _, rest = name.partition("/")
        service = next((s for s in self.services if s.name == service_name), None)
        if service is None:
            raise KeyError(f"a need names no service: {name}")
        if rest == "identity":
            yield name
            return
        for switch in service.switches:
            if rest == f"switch/{switch.name}":
                hosts = self.cloud.hosts_with(switch.role)
                if here:
                    hosts = (host,) if host.has(switch.role) else ()
                yield from (f"{name}@{h.name}" for h in hosts)
                return
        for job in service.jobs:
            if job.name == rest:
                yield from self._job_ids(service, job)
                return
        if any(f"schema-{d.name}" == rest for d in service.databases):
            yield f"{service.name}/job/{rest}"
            return
        raise KeyError(f"a need names nothing: {name}")


def _container_ids(service: Service, container: Container, hosts: Iterable[Host]) -> Iterator[str]:
    """It runs there, and has read its files as they are now."""
    for host in hosts:
        yield f"{service.name}/{container.name}@{host.name}"
        if container.reload:
            yield f"{service.name}/reload/{container.name}@{host.name}"
