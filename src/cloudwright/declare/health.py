"""Ways to ask a daemon that has no API whether it works."""

from __future__ import annotations

from cloudwright.declare.service import CommandHealth

_CONNECTED = r"""
port=$(printf %04X "$1")
for inode in $(awk -v p=":$port" '$4 == "01" && substr($3, length($3) - 4) == p {print $10}' \
    /proc/net/tcp /proc/net/tcp6 2>/dev/null); do
  find /proc/[0-9]*/fd -lname "socket:\[$inode\]" 2>/dev/null | grep -q . && exit 0
done
echo "has no connection to port $1"
exit 1
"""


def connected(port: int) -> CommandHealth:
    """Healthy when a process of the container holds an established connection to `port`.

    With the host's network every connection of the host is in /proc/net/tcp; whose it is shows in
    the descriptors of the container's own processes (proc_pid_fd(5)).
    """
    return CommandHealth(command=("sh", "-c", _CONNECTED, "connected", str(port)))
