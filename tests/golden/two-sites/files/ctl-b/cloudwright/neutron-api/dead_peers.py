"""OVN's databases on a host that died are given up within three seconds of a word to them.

OVSDB's library for Python asks a silent server whether it lives (`ovsdb_probe_interval`), and
waits as long again: 8.5 s after a site was lost Neutron still waited for the database there, and
with it every port. What the other side's kernel does not acknowledge says it sooner (tcp(7),
TCP_USER_TIMEOUT); a process that hangs is found by the question as before.
"""

import socket
from typing import Any

from ovs import socket_util

DEAD_MILLISECONDS = 3000

_connect = socket_util.inet_connect_active


def _connect_impatiently(sock: Any, *given: Any) -> Any:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_MILLISECONDS)
    return _connect(sock, *given)


socket_util.inet_connect_active = _connect_impatiently
