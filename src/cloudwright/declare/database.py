"""When a container that uses the database may start."""

from __future__ import annotations

from cloudwright.declare.at import At
from cloudwright.declare.awaited import Awaited
from cloudwright.declare.member import READY
from cloudwright.declare.oslo import DATABASE_AGENT_PORT

JOIN_SECONDS = 30

STATUS_PORT = 13999
"""The load balancer's, plain HTTP on the host's own address: its health and its counters."""

BALANCER_READY = "/quorum"
"""What it answers with 200 while it knows a member of the database that is ready."""


def awaited(at: At) -> tuple[Awaited, ...]:
    """The database, as this host's load balancer sees it; before that the member of this host.

    A host that boots starts some thirty processes at once. The others wait for its member as it
    joins, and one that does not get a processor then has the ones that serve suspect each other:
    with one site lost that stops all writes (for 4 to 10 s, seen on two cores).
    """
    served = Awaited(address=at.host.address, port=STATUS_PORT, path=BALANCER_READY)
    if len(at.controllers) < 2 or at.host not in at.controllers:
        return (served,)
    own = Awaited(address=at.host.address, port=DATABASE_AGENT_PORT, path=READY, most=JOIN_SECONDS)
    return (own, served)
