"""A step's container in the engine's words, with the labels by which it is found again."""

from __future__ import annotations

from cloudwright.engine.api import ContainerSpec, Mount, Restart, Ulimit
from cloudwright.execute.host import labels
from cloudwright.plan.steps import Bind, ContainerBody, RunContainer, RunJob, Step

OPEN_FILES = 20_000

HOSTS_FILE = Mount(source="/etc/hosts", target="/etc/hosts", read_only=True)
"""Podman's API writes a bare file of its own, in which a host's own name is missing: every sudo
and every look-up of that name then waits 20 s for a name server that may not be there."""

START = ("kolla_start",)
"""The Kolla image contract's start program. Images have it as their command already; said here,
a container that was given another one can be told apart."""


def job_name(action: RunJob) -> str:
    """What the container of a job is called while it runs."""
    return f"job-{action.job}"


def spec_of(step: Step, body: ContainerBody, cloud: str) -> ContainerSpec:
    """All that the engine is told of the container of a step that runs one."""
    restart: Restart = "no"
    marks: dict[str, str] = {}
    match step.action:
        case RunContainer(container=name) as action:
            kind, restart = "container", "unless-stopped"
            marks = labels.particular(action)
        case RunJob() as job:
            name, kind = job_name(job), "job"
        case _:
            raise TypeError(f"{step.id} runs no container")
    return ContainerSpec(
        name=name,
        image=body.image_id or body.image,
        command=body.command or START,
        environment=body.environment,
        labels={
            labels.CLOUD: cloud,
            labels.STEP: step.id,
            labels.DIGEST: step.digest,
            labels.KIND: kind,
            **marks,
        },
        mounts=(HOSTS_FILE, *(_mount(b) for b in body.binds)),
        user=body.user,
        privileged=body.privileged,
        capabilities=body.capabilities,
        pid_host=body.host_pid,
        ipc_host=body.host_ipc,
        cgroupns_host=body.host_cgroups,
        restart=restart,
        stop_seconds=body.stop_seconds,
        cpu_shares=body.cpu_shares,
        ulimits=(Ulimit(name="nofile", soft=OPEN_FILES, hard=OPEN_FILES),),
    )


def _mount(bind: Bind) -> Mount:
    propagation = "rshared" if bind.shared else ""
    return Mount(
        source=bind.source, target=bind.target, read_only=bind.read_only, propagation=propagation
    )
