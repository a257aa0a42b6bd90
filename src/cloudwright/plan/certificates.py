"""The certificates of a cloud's containers, and which of them are in use now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cloudwright.declare.at import AUTHORITY, At
from cloudwright.declare.service import Container, File, Files, Service, hosts_of
from cloudwright.declare.tls import CERTIFICATE_PATH, KEY_PATH, Tls, server_name
from cloudwright.model.cloud import Cloud, Host
from cloudwright.model.secrets import Certificate, Secret, find_keys, taken_apart
from cloudwright.plan.steps import WriteFiles

if TYPE_CHECKING:
    from cloudwright.plan.blueprint import Blueprint
    from cloudwright.plan.difference import Observed


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


def in_use(blueprint: Blueprint, observed: Observed) -> frozenset[tuple[str, int]]:
    """Lineage and generation of every secret in the files that hosts have: what was found where it
    is not what is declared, and nothing of what is not there yet."""
    keys: set[str] = set()
    for step in blueprint.steps.values():
        seen = observed.seen.get(step.id)
        if isinstance(step.action, WriteFiles) and seen:
            found = {file.name: file.text for file in seen.found}
            for file in step.action.files:
                keys |= find_keys(found.get(file.name, file.text))
    return frozenset(taken_apart(key) for key in keys)


def _certificate(container: Container, tls: Tls, cloud: Cloud, host: Host) -> Secret:
    name = server_name(container.name, host.name)
    names = (name, host.address, *tls.also(cloud))
    return Secret(
        name=f"tls/{container.name}@{host.name}",
        recipe=Certificate(common_name=name, names=names, issuer=AUTHORITY),
    )
