"""A container's specification in the words of the REST API, and its answers in ours."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, cast, get_args

from cloudwright.engine.api import (
    ContainerImage,
    ContainerSpec,
    ContainerState,
    EngineInfo,
    State,
    StoredVolume,
)
from cloudwright.engine.quirks import Quirks

STATES = frozenset(get_args(State))
OTHER_WORDS = {"configured": "created", "initialized": "created", "stopped": "exited"}
"""Podman's words for states that the API calls otherwise."""


def create_body(spec: ContainerSpec, quirks: Quirks) -> dict[str, Any]:
    """Return the body of a request to create the container."""
    body: dict[str, Any] = {
        "Image": spec.image,
        "Env": [f"{name}={value}" for name, value in spec.environment.items()],
        "Labels": dict(spec.labels),
        "StopTimeout": spec.stop_seconds,
        "HostConfig": _host_config(spec, quirks),
    }
    optional = {
        "Cmd": None if spec.command is None else list(spec.command),
        "Entrypoint": None if spec.entrypoint is None else list(spec.entrypoint),
        "User": spec.user or None,
        "Hostname": spec.hostname or None,
        "WorkingDir": spec.working_directory or None,
        "StopSignal": spec.stop_signal or None,
    }
    return body | {key: value for key, value in optional.items() if value is not None}


def _host_config(spec: ContainerSpec, quirks: Quirks) -> dict[str, Any]:
    config: dict[str, Any] = {
        "Binds": [str(mount) for mount in spec.mounts],
        "NetworkMode": spec.network,
        "Privileged": spec.privileged,
        "CapAdd": list(spec.capabilities),
        "RestartPolicy": {"Name": quirks.restart_names.get(spec.restart, spec.restart)},
        "Ulimits": [{"Name": u.name, "Soft": u.soft, "Hard": u.hard} for u in spec.ulimits],
        "Devices": [
            {"PathOnHost": path, "PathInContainer": path, "CgroupPermissions": "rwm"}
            for path in spec.devices
        ],
        "SecurityOpt": list(spec.security_opts),
        "Tmpfs": dict(spec.tmpfs),
        "LogConfig": {"Type": quirks.log_driver, "Config": dict(quirks.log_options)},
    }
    optional = {
        "PidMode": "host" if spec.pid_host else None,
        "IpcMode": "host" if spec.ipc_host else None,
        "CgroupnsMode": "host" if spec.cgroupns_host else None,
        "Init": spec.init or None,
        "ShmSize": spec.shm_size or None,
        "Memory": spec.memory or None,
        "CpuShares": spec.cpu_shares or None,
    }
    return config | {key: value for key, value in optional.items() if value is not None}


def listed_state(item: dict[str, Any]) -> ContainerState:
    """Read one entry of the list of containers."""
    state = state_of(item["State"])
    status = str(item.get("Status", ""))
    return ContainerState(
        name=str(item["Names"][0]).lstrip("/"),
        id=str(item["Id"]),
        image=str(item["Image"]),
        image_id=bare_id(str(item["ImageID"])),
        labels=item.get("Labels") or {},
        state=state,
        exit_code=_listed_exit_code(status) if state == "exited" else None,
        status_text=status,
    )


def inspected_state(item: dict[str, Any]) -> ContainerState:
    """Read the answer about one container."""
    state = item["State"]
    started = _moment(str(state.get("StartedAt", "")))
    word = state_of(str(state["Status"]))
    return ContainerState(
        name=str(item["Name"]).lstrip("/"),
        id=str(item["Id"]),
        image=str(item["Config"]["Image"]),
        image_id=bare_id(str(item["Image"])),
        labels=item["Config"].get("Labels") or {},
        state=word,
        exit_code=int(state["ExitCode"]) if word in ("exited", "dead") else None,
        started_at=started,
        restarts=int(item.get("RestartCount") or 0),
        status_text=str(state.get("Error") or word),
        pid=int(state.get("Pid") or 0),
    )


def info_of(answer: dict[str, Any]) -> EngineInfo:
    """Read what an engine says of itself; of `name=seccomp,profile=default` the name."""
    options = [option.partition(",")[0] for option in answer.get("SecurityOptions") or []]
    return EngineInfo(
        driver=str(answer.get("Driver", "")),
        root=str(answer.get("DockerRootDir", "")),
        security=tuple(option.removeprefix("name=") for option in options),
    )


def image_of(item: dict[str, Any], quirks: Quirks) -> ContainerImage:
    """Read one entry of the list of images; a local tag is also listed without its prefix."""
    tags: dict[str, None] = {}
    for tag in item.get("RepoTags") or []:
        if tag == "<none>:<none>":
            continue
        tags[tag] = None
        if quirks.local_prefix and tag.startswith(quirks.local_prefix):
            tags[tag.removeprefix(quirks.local_prefix)] = None
    return ContainerImage(
        id=bare_id(str(item["Id"])),
        tags=tuple(tags),
        labels=item.get("Labels") or {},
        size=int(item.get("Size", 0)),
    )


def volume_of(item: dict[str, Any]) -> StoredVolume:
    """Read one entry of the list of volumes."""
    return StoredVolume(
        name=str(item["Name"]),
        labels=item.get("Labels") or {},
        path=str(item.get("Mountpoint", "")),
    )


def stream_error(line: str) -> str:
    """The error that one line of a progress stream tells of; "" for any other line."""
    try:
        said = json.loads(line)
    except ValueError:
        return ""
    return str(said.get("error") or "") if isinstance(said, dict) else ""


def bare_id(text: str) -> str:
    """An image's id without the name of its hash."""
    return text.removeprefix("sha256:")


def state_of(word: str) -> State:
    """The API's word for a state."""
    known = OTHER_WORDS.get(word.lower(), word.lower())
    return cast(State, known) if known in STATES else "unknown"


def _listed_exit_code(status: str) -> int | None:
    """`Exited (137) 3 minutes ago` is the only place where a list tells it."""
    _, found, rest = status.partition("(")
    code = rest.partition(")")[0]
    return int(code) if found and code.lstrip("-").isdigit() else None


def _moment(text: str) -> datetime | None:
    """Read a time; the year 1 stands for never."""
    if not text or text.startswith("0001-"):
        return None
    return datetime.fromisoformat(text)
