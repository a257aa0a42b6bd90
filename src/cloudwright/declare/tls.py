"""Who a container is to the others on the internal network: its own certificate and key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cloudwright.declare.at import CA_PATH
from cloudwright.model.cloud import Cloud

CERTIFICATE_PATH = "/etc/cloudwright/tls.crt"
"""The container's own certificate, with its issuer's behind it."""

KEY_PATH = "/etc/cloudwright/tls.key"
"""The key of it, for its owner alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tls:
    """A certificate at CERTIFICATE_PATH and its key at KEY_PATH, which `owner` alone may read.

    It is for `server_name` and the host's address; `also` are further names and addresses that
    the server behind it is reached by. `reload`: the container's `Reload` makes it use a new
    certificate; else it is made anew for one.
    """

    owner: str
    also: Callable[[Cloud], tuple[str, ...]] = lambda cloud: ()
    reload: bool = False


OVSDB_OPTIONS = f"--private-key={KEY_PATH} --certificate={CERTIFICATE_PATH} --ca-cert={CA_PATH}"
"""With these a program of OVN's is known to its databases, and knows them. It reads the files
again when they change."""


def server_name(container: str, host: str) -> str:
    """The DNS name in the certificate of a container on a host; no resolver need know it."""
    return f"{container}.{host}"
