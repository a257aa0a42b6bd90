"""Jobs as steps: schemas and everything else that runs exactly once."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import replace

from cloudwright.declare.at import At
from cloudwright.declare.service import Container, Database, Job, Service, has_tables, hosts_of
from cloudwright.model.cloud import Cloud, Host
from cloudwright.plan.body import body_of
from cloudwright.plan.needs import Needs
from cloudwright.plan.steps import RunJob, Step


def schema_jobs(service: Service) -> tuple[Job, ...]:
    """The job that makes each database's schema, proved by a table in it."""
    return tuple(
        Job(
            name=f"schema-{database.name}",
            command=lambda at, command=database.create: command,  # type: ignore[misc]
            like=database.like,
            shortcut=_snapshot(database),
            probe=has_tables(database.name),
            fills=database.name,
            needs=database.needs,
        )
        for database in service.databases
        if database.create
    )


def _snapshot(database: Database) -> str:
    """Our images can load what `create` made at their build; other images have no such program."""
    words = (database.name, database.conf, database.section, database.create)
    program = "cloudwright_schema"
    return f"if command -v {program} >/dev/null; then exec {program} {shlex.join(words)}; fi; "


def job_steps(
    service: Service,
    job: Job,
    cloud: Cloud,
    ats: Mapping[str, At],
    image_ids: Mapping[str, str],
    needs: Needs,
) -> Iterable[Step]:
    """One step, or one per host of the role that `job.each` names; of hosts that answered."""
    like = container_named(service, job.like)
    runner = next((h for h in hosts_of(cloud, like) if h.name in ats), None)
    subjects: tuple[Host | None, ...] = (None,)
    if job.each:
        subjects = tuple(h for h in cloud.hosts_with(job.each) if h.name in ats)
    if runner is None:
        return
    for subject in subjects:
        suffix = f"@{subject.name}" if subject else ""
        host_name = subject.name if subject else runner.name
        command = job.command(ats[runner.name])
        body = body_of(service, like, cloud, image_ids)
        body = replace(
            body,
            # Through the start program's first half, so that a job sees the same files, at the
            # same places and with the same owners, as the container that it is like.
            command=("bash", "-c", f"set -e; sudo -E kolla_set_configs; {job.shortcut}{command}"),
            environment={**body.environment, **job.environment(ats[runner.name])},
            user=job.user or body.user,
        )
        yield Step(
            id=f"{service.name}/job/{job.name}{suffix}",
            host=runner.name,
            action=RunJob(
                job=f"{service.name}-{job.name}{suffix.replace('@', '-')}",
                body=body,
                probe=job.probe.replace("{host}", host_name),
                ready=job.ready.replace("{host}", host_name),
                fills=job.fills,
                meaning=f"{cloud.release} {command}",
            ),
            needs=needs.of_job(service, job, runner, subject),
        )


def container_named(service: Service, name: str) -> Container:
    """The service's container of that name; KeyError is a fault of the declaration."""
    for container in service.containers:
        if container.name == name:
            return container
    raise KeyError(f"{service.name} has no container {name}")
