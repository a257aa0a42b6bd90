"""Self-fencing: a voter that most others do not see steps aside, and a cut becomes a clean one."""

from __future__ import annotations

import json

from cloudwright.declare.at import At
from cloudwright.declare.image import Image
from cloudwright.declare.library import LIBRARY, library
from cloudwright.declare.service import (
    HEARTBEAT_SHARES,
    CommandHealth,
    Container,
    File,
    Files,
    Service,
)
from cloudwright.model.cloud import VOTERS, Cloud, Host

PORT = 13998
"""UDP, on each voter's own address."""

PROGRAM = f"{LIBRARY}/fence.py"


def is_there(cloud: Cloud) -> bool:
    """Whether the cloud has it: of two voters none has a majority without the other."""
    return len(cloud.hosts_with(VOTERS)) > 2


def order(cloud: Cloud) -> tuple[Host, ...]:
    """Every voter, whom it is best to keep first: witnesses carry nobody."""
    return tuple(sorted(cloud.hosts_with(VOTERS), key=lambda host: not host.has("control")))


def client() -> Files:
    """With these a container of the same host asks what `asked` says."""
    return library(__name__, "asked.py", "program/asking.py")


def files(at: At) -> Files:
    voters, api = order(at.cloud), at.cloud.api
    told = {
        "name": at.host.name,
        "members": {host.name: host.address for host in voters},
        "shared": sorted({api.internal, api.external}) if at.cloud.needs_virtual_address else [],
        "port": PORT,
        "spared": sorted({host.ssh.port for host in voters}),
        "secret": at.password("self-fence/members"),
    }
    programs = ("rule.py", "program/fence.py", "program/views.py", "program/words.py")
    return {
        **client(),
        **library(__name__, *programs),
        "fence.json": File(
            content=json.dumps(told, indent=1, ensure_ascii=False) + "\n",
            path=f"{LIBRARY}/fence.json",
        ),
    }


service = Service(
    name="self-fence",
    summary="steps aside in a partial cut",
    image=Image(name="self-fence", packages=("nftables",)),
    containers=(
        Container(
            name="self-fence",
            role=VOTERS,
            command=f"python3 -u {PROGRAM}",
            files=files,
            health=CommandHealth(command=("python3", PROGRAM, "ask")),
            cpu_shares=HEARTBEAT_SHARES,
            capabilities={
                "NET_ADMIN": "cuts this host off from the other voters while they go on without it"
            },
            when=is_there,
            spared="it acts only when hosts have lost each other, and then on those that remain",
        ),
    ),
)
