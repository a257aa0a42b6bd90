"""Memcached remembers validated tokens and answers of services for as long as they may be lost."""

from __future__ import annotations

from cloudwright.declare.at import At
from cloudwright.declare.image import Image
from cloudwright.declare.oslo import CACHE_PORT
from cloudwright.declare.service import Container, File, Files, Service, TcpHealth

CONNECTIONS = 4096


def files(at: At) -> Files:
    megabytes = max(64, min(2048, at.facts.memory_bytes // (64 * 1024 * 1024)))
    return {
        "start": File(
            content=(
                "#!/bin/sh\n"
                f"exec memcached -l {at.host.address} -p {CACHE_PORT} -U 0"
                f" -m {megabytes} -c {CONNECTIONS}\n"
            ),
            path="/usr/local/bin/memcached-start",
            mode="0755",
        )
    }


service = Service(
    name="memcached",
    summary="cache",
    image=Image(name="memcached", packages=("memcached",), users=("memcached",), user="memcached"),
    containers=(
        Container(
            name="memcached",
            role="control",
            command="/usr/local/bin/memcached-start",
            files=files,
            health=TcpHealth(port=CACHE_PORT),
            spared="what is not cached is asked for again",
        ),
    ),
)
