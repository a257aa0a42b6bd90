"""The program that starts a cluster's member, and the settings that it reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from cloudwright.declare.at import At
from cloudwright.declare.service import File, Files
from cloudwright.declare.template import resource
from cloudwright.model.cloud import Host

DIRECTORY = "/usr/local/lib/cloudwright"
COMMAND = f"python3 -u {DIRECTORY}/agent.py"
READY = "/ready"
"""Answered with 200 exactly while the member may be used."""


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
    agent = resource(__name__, "program", "agent.py")
    own = resource(package, "program", adapter)
    return {
        "agent.py": File(content=agent, path=f"{DIRECTORY}/agent.py", mode="0644"),
        "adapter.py": File(content=own, path=f"{DIRECTORY}/adapter.py", mode="0644"),
        "member.json": File(
            content=json.dumps(told, indent=1, ensure_ascii=False) + "\n",
            path=f"{DIRECTORY}/member.json",
            owner=owner,
        ),
    }
