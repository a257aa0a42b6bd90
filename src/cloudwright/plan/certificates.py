"""The certificates of a cloud's containers."""

from __future__ import annotations

from collections.abc import Iterator

from cloudwright.declare.at import AUTHORITY, At
from cloudwright.declare.service import Container, File, Files, Service, hosts_of
from cloudwright.declare.tls import CERTIFICATE_PATH, KEY_PATH, Tls, server_name
from cloudwright.model.cloud import Cloud, Host
from cloudwright.model.secrets import Certificate, Secret


def files_of(container: Container, at: At) -> Files:
    """A container's certificate and key on this host; nothing when it has none."""
    if container.tls is None:
        return {}
    secret = at.current(_certificate(container, container.tls, at.cloud, at.host))
    reload = container.tls.reload
    return {
        "tls.crt": File(
            content=secret.part("certificate"), path=CERTIFICATE_PATH, mode="0644", reload=reload
        ),
        "tls.key": File(
            content=secret.part("key"),
            path=KEY_PATH,
            owner=container.tls.owner,
            mode="0400",
            reload=reload,
        ),
    }


def certificates(service: Service, cloud: Cloud) -> Iterator[Secret]:
    """The certificate of each container of a service on each host, in its first generation."""
    for container in service.containers:
        if container.tls:
            for host in hosts_of(cloud, container):
                yield _certificate(container, container.tls, cloud, host)


def _certificate(container: Container, tls: Tls, cloud: Cloud, host: Host) -> Secret:
    name = server_name(container.name, host.name)
    names = (name, host.address, *tls.also(cloud))
    return Secret(
        name=f"tls/{container.name}@{host.name}",
        recipe=Certificate(common_name=name, names=names, issuer=AUTHORITY),
    )
