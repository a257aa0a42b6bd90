"""The keys of a lab: one to log in with, and one for each host to be known by."""

from __future__ import annotations

import os
from pathlib import Path

from cloudwright.errors import naming
from cloudwright.lab.spec import LabHost, LabSpec
from cloudwright.transport.lean_ssh import asyncssh

_KIND = "ssh-ed25519"
HOST_KEY = "ssh_host_ed25519_key"


def make_keys(spec: LabSpec) -> None:
    """Make what is missing below `spec.directory`: `id_ed25519`, host keys and `known_hosts`.

    Keys that are there stay, so that a lab made anew is still trusted.
    """
    spec.directory.mkdir(parents=True, exist_ok=True)
    login = _key(spec.directory / "id_ed25519", f"cloudwright lab {spec.cloud}")
    lines: list[str] = []
    for host in spec.hosts:
        directory = host_directory(spec, host)
        directory.mkdir(parents=True, exist_ok=True)
        own = _key(directory / HOST_KEY, host.name)
        _write(directory / "authorized_keys", _public(login), 0o644)
        lines += [f"{name} {_public(own)}" for name in _known_as(host)]
    _write(spec.directory / "known_hosts", "".join(lines), 0o644)


def host_directory(spec: LabSpec, host: LabHost) -> Path:
    """Where the files lie that `host` is given: its host key and who may log in."""
    return spec.directory / "hosts" / host.name


def _known_as(host: LabHost) -> tuple[str, ...]:
    names = (host.address, host.name)
    return names if host.port == 22 else tuple(f"[{name}]:{host.port}" for name in names)


def _key(path: Path, comment: str) -> asyncssh.SSHKey:
    if path.exists():
        return asyncssh.read_private_key(path)
    key = asyncssh.generate_private_key(_KIND, comment=comment)
    _write(path.with_name(path.name + ".pub"), _public(key), 0o644)
    _write(path, key.export_private_key().decode(), 0o600)
    return key


def _public(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode()


def _write(path: Path, text: str, mode: int) -> None:
    """Replace `path` whole or not at all: a run killed here leaves no half key."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    with naming(path):
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
            os.replace(scratch, path)
        except OSError:
            scratch.unlink()
            raise
