"""What a container really is, beside what it was asked to be: labels can be written by anybody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[str, ...]:
    """What of a container is not as it would be made today, in words; empty when all is.

    `wanted` is the body of a request to create it, `found` the engine's answer about it. Only
    what the request names is compared: an image and the engine add their own.
    """
    host, asked = found["HostConfig"], wanted["HostConfig"]
    return (
        *_of_process(wanted, found["Config"]),
        *_of_privilege(asked, host),
        *_of_mounts(asked["Binds"], host.get("Binds") or ()),
    )


def _of_process(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    for name in ("Cmd", "Entrypoint", "User"):
        if name in wanted and found.get(name) != wanted[name]:
            yield f"its {WORDS[name]} is {_text(found.get(name))}, not {_text(wanted[name])}"
    settings, labels = found.get("Env") or (), found.get("Labels") or {}
    yield from (f"its environment lacks {s}" for s in wanted["Env"] if s not in settings)
    for name, value in wanted["Labels"].items():
        if labels.get(name) != value:
            yield f"its label {name} is not {value}"


def _of_privilege(asked: Mapping[str, Any], host: Mapping[str, Any]) -> Iterator[str]:
    for name in ("NetworkMode", "Privileged"):
        if host.get(name) != asked[name]:
            yield f"its {WORDS[name]} is {host.get(name)}, not {asked[name]}"
    if (host.get("PidMode") == "host") != (asked.get("PidMode") == "host"):
        word = "does not see" if "PidMode" in asked else "sees"
        yield f"it {word} the host's processes"
    if host["RestartPolicy"]["Name"] != asked["RestartPolicy"]["Name"]:
        yield f"its restart policy is {host['RestartPolicy']['Name'] or 'no'}"
    if not asked["Privileged"]:  # Podman then leaves out what every container may
        more = _capabilities(host.get("CapAdd")) - _capabilities(asked["CapAdd"])
        yield from (f"it has capability {name}" for name in sorted(more))


WORDS = {
    "Cmd": "command",
    "Entrypoint": "entry point",
    "User": "user",
    "NetworkMode": "network",
    "Privileged": "privilege",
}


def _of_mounts(wanted: Iterable[str], found: Iterable[str]) -> Iterator[str]:
    there, asked = {_mount(m) for m in found}, {_mount(m) for m in wanted}
    yield from (f"it has no mount {mount}" for mount in sorted(asked - there))
    yield from (f"it has a mount {mount}" for mount in sorted(there - asked))


def _mount(bind: str) -> str:
    """`source:target`, and `:ro`; Podman adds options of its own."""
    source, target, *rest = bind.split(":")
    read_only = bool(rest) and "ro" in rest[0].split(",")
    return f"{source}:{target}" + (":ro" if read_only else "")


def _capabilities(names: Iterable[str] | None) -> set[str]:
    return {name.removeprefix("CAP_") for name in names or ()}


def _text(words: object) -> str:
    return " ".join(words) if isinstance(words, list) else str(words)
