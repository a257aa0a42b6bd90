"""The program that starts a cluster's member, and the settings that it reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from cloudwright.declare.at import At
from cloudwright.declare.library import LIBRARY, library
from cloudwright.declare.service import File, Files
from cloudwright.declare.template import resource
from cloudwright.model.cloud import Host

COMMAND = f"python3 -u {LIBRARY}/agent.py"
READY = "/ready"
"""Answered with 200 exactly while the member may be used."""

ASK = ("python3", f"{LIBRARY}/ask.py")
"""In a member's container: `state` says as JSON what it holds and waits for; `dead NAME...` tells
it that those members are dead."""


def program(
    at: At,
    members: Sequence[Host],
    *,
    package: str,
    adapter: str,
    port: int,
    owner: str,
    settings: Mapping[str, object],
) -> Files:
    """The files of a member on this host: the agent, an adapter, their settings.

    `adapter` is a file in `package`'s folder `program`; `port` is the agent's own, on each
    host's address; `settings` are for the adapter.
    """
    told = {
        "name": at.host.name,
        "members": {host.name: f"{host.address}:{port}" for host in members},
        "secret": at.password("cluster/members"),
        **settings,
    }
    own = resource(package, "program", adapter)
    names = ("agent.py", "member.py", "agreement.py", "questions.py", "statements.py", "ask.py")
    shared = library(__name__, *(f"program/{name}" for name in names))
    return {
        **shared,
        "adapter.py": File(content=own, path=f"{LIBRARY}/adapter.py", mode="0644"),
        "member.json": File(
            content=json.dumps(told, indent=1, ensure_ascii=False) + "\n",
            path=f"{LIBRARY}/member.json",
            owner=owner,
        ),
    }
