"""When a container that uses the database may start."""

from __future__ import annotations

from cloudwright.declare.at import At
from cloudwright.declare.awaited import Awaited
from cloudwright.declare.member import READY
from cloudwright.declare.oslo import DATABASE_AGENT_PORT, DATABASE_PORT

JOIN_SECONDS = 30


def awaited(at: At) -> tuple[Awaited, ...]:
    """The database, through the load balancer; and before that the member of this host.

    A host that boots starts some thirty processes at once. The others wait for its member as it
    joins, and one that does not get a processor then has the ones that serve suspect each other:
    with one site lost that stops all writes (for 4 to 10 s, seen on two cores).
    """
    served = Awaited(address=at.cloud.api.internal, port=DATABASE_PORT)
    if len(at.controllers) < 2 or at.host not in at.controllers:
        return (served,)
    own = Awaited(address=at.host.address, port=DATABASE_AGENT_PORT, path=READY, most=JOIN_SECONDS)
    return (own, served)
