"""The system's own ssh client, told the same address, key and known hosts as we use ourselves."""

from __future__ import annotations

from cloudwright.transport.ssh import SshAddress


def ssh_argv(address: SshAddress, command: str, *, terminal: bool) -> list[str]:
    """The words of an `ssh` call that runs `command` there; host keys stay checked."""
    argv = ["ssh", "-t" if terminal else "-T", "-p", str(address.port)]
    argv += ["-o", "StrictHostKeyChecking=yes", "-o", "LogLevel=ERROR"]
    if address.key_file is not None:
        argv += ["-i", str(address.key_file), "-o", "IdentitiesOnly=yes"]
    if address.known_hosts is not None:
        argv += ["-o", f"UserKnownHostsFile={address.known_hosts}"]
    return [*argv, f"{address.user}@{address.host}", command]
