"""Where the value of each option comes from: a service, a site or host, or the operator's file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cloudwright.declare.at import At
from cloudwright.declare.ini import Ini, Setting, Value, merge, settings
from cloudwright.declare.service import Container
from cloudwright.model.cloud import Cloud, Host, Site
from cloudwright.model.facts import Facts
from cloudwright.model.overrides import Overrides

SERVICE = "service"
SITE = "site"
HOST = "host"
DEFAULT = "default"
"""What upstream's own code takes when no file says anything."""

TWIN = "twin"
ELSEWHERE = "elsewhere"
"""Names that no real host or site should have; nothing is made of them."""


Kinds = dict[tuple[str, str, frozenset[tuple[str, str]]], Mapping[tuple[str, str], str]]
"""(container, file, its options) → what varies in it: the same on every host that has these."""


def provenance(
    container: Container, name: str, at: At, overrides: Overrides, kinds: Kinds | None = None
) -> tuple[Setting, ...]:
    """Each effective option of an INI file with its origin; none for a file that is not INI.

    `service` is the same everywhere; `site` depends on the site of `at.host`; `host` on the host
    itself: its name, its address, or what it was found to be; anything else is a place in the
    operator's own files. With `kinds` what was worked out for one host is not for the next.
    """
    content = container.files(at)[name].content
    if isinstance(content, str):
        return ()
    declared = merge(content)
    key = (container.name, name, frozenset(_flat(declared)))
    varies = kinds.get(key) if kinds is not None else None
    if varies is None:
        varies = _varies(container, name, at)
    if kinds is not None:
        kinds[key] = varies
    own = tuple(
        (varies.get((section, option), SERVICE), {section: {option: value}})
        for section, options in declared.items()
        for option, value in options.items()
    )
    return settings((*own, *overrides.for_file(container.name, name, at.host.name)))


def _varies(container: Container, name: str, at: At) -> Mapping[tuple[str, str], str]:
    """Options that would have another value on a host beside this one, or in another site.

    A twin of the host joins the cloud, so that what names every host names it in both renderings;
    what then still differs is what depends on the host that asks.
    """
    here = _rendered(container, name, at, _with(at.cloud, at.host, at.host.site), at.host)
    beside = _with(at.cloud, at.host, at.host.site)
    beyond = _with(at.cloud, at.host, ELSEWHERE)
    own = _rendered(container, name, at, beyond, at.host)
    near = _rendered(container, name, at, beside, beside.hosts[-1])
    far = _rendered(container, name, at, beyond, beyond.hosts[-1])
    found = dict.fromkeys((key for key in own if own[key] != far.get(key)), SITE)
    return {**found, **dict.fromkeys((key for key in here if here[key] != near.get(key)), HOST)}


def _rendered(
    container: Container, name: str, at: At, cloud: Cloud, host: Host
) -> dict[tuple[str, str], Value]:
    facts = at.facts if host.name == at.host.name else _other(at.facts)
    content = container.files(replace(at, cloud=cloud, host=host, facts=facts))[name].content
    assert not isinstance(content, str)
    return _flat(merge(content))


def _flat(ini: Ini) -> dict[tuple[str, str], Value]:
    return {(s, o): value for s, options in ini.items() for o, value in options.items()}


def _with(cloud: Cloud, host: Host, site: str) -> Cloud:
    """The cloud with one host more, of the same roles."""
    twin = replace(host, name=TWIN, address="192.0.2.1", tunnel_address="192.0.2.2", site=site)
    sites = cloud.sites if site != ELSEWHERE else (*cloud.sites, Site(name=ELSEWHERE))
    return replace(cloud, hosts=(*cloud.hosts, twin), sites=sites)


def _other(facts: Facts) -> Facts:
    """A host as unlike this one as hosts can be."""
    return replace(
        facts,
        host=TWIN,
        cores=facts.cores * 8 + 64,
        memory_bytes=facts.memory_bytes * 8 + 512 * 1024**3,
        kvm=not facts.kvm,
        kernel_ovs=not facts.kernel_ovs,
    )
