"""What brings machine images from the controller that took them to the others."""

from __future__ import annotations

import json

from cloudwright.declare import database, oslo
from cloudwright.declare.at import CA_PATH, At
from cloudwright.declare.library import LIBRARY
from cloudwright.declare.service import Container, File, Files, Permission, TcpHealth, Volume
from cloudwright.declare.template import resource
from cloudwright.declare.tls import CERTIFICATE_PATH, KEY_PATH, Tls, server_name

NAME = "glance-copies"
PORT = 13292
CONF = "/etc/glance/copies.json"
PROGRAM = f"{LIBRARY}/copies.py"
DATA = "/var/lib/glance"
"""Where Glance keeps its files, in a volume that both see."""


def files(at: At) -> Files:
    """The program that brings image files to this host, and what it is told."""
    peers = {
        host.name: {
            "address": host.address,
            "certificate": server_name(NAME, host.name),
        }
        for host in sorted(at.controllers, key=lambda h: h.site != at.host.site)
        if host.name != at.host.name
    }
    told = {
        "address": at.host.address,
        "port": PORT,
        "peers": peers,
        "images": f"{DATA}/images",
        "scratch": f"{DATA}/copies",
        "database": oslo.database_url(at, "glance"),
        "ca": CA_PATH,
        "certificate": CERTIFICATE_PATH,
        "key": KEY_PATH,
    }
    return {
        "copies.py": File(
            content=resource(__package__, "program", "copies.py"), path=PROGRAM, owner="glance"
        ),
        "copies.json": File(
            content=json.dumps(told, indent=1, ensure_ascii=False) + "\n",
            path=CONF,
            owner="glance",
        ),
    }


container = Container(
    name=NAME,
    role="control",
    command=f"python -u {PROGRAM} {CONF}",
    files=files,
    volumes=(Volume(name="glance", path=DATA),),
    permissions=(Permission(path=DATA, owner="glance:glance", mode="0750"),),
    tls=Tls(owner="glance"),
    health=TcpHealth(port=PORT),
    waits=database.awaited,
    when=lambda cloud: len(cloud.hosts_with("control")) > 1,
    spared="a file that it did not bring meanwhile comes later",
)
