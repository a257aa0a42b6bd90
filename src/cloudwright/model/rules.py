"""What must be true of a cloud beyond the type of each value: one function for each rule."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cloudwright.errors import Problem
from cloudwright.model import rules_networks
from cloudwright.model.cloud import DEFAULT_RELEASE, ROLES
from cloudwright.model.decode import Path, suggestion
from cloudwright.model.draft import Draft, Rule

DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""RFC 1123, lower-case alone: names end up in host names, certificates and file names."""

RELEASE = r"20\d\d\.[12]"
"""How OpenStack names a release: the year, and the half of it."""

FOLDER = r"[a-z0-9][a-z0-9.-]*(:\d+)?(/[a-z0-9][a-z0-9._-]*)*"
"""A registry and a folder in it."""

IMAGE = rf"{FOLDER}(:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(@sha256:[0-9a-f]{{64}})?"
"""An image's name, with a tag, a digest or both (the OCI distribution specification)."""

USER = r"[^\s:/-][^\s:/]{0,255}"
"""Who logs in: directories give names such as `EXAMPLE\\ann` and `ann@example.org` too."""

MTU = range(1280, 65536)
"""Bytes. 1280 is the least that IPv6 instances may meet (RFC 8200)."""


NECESSARY = tuple(role for role in ROLES if role != "witness")
"""The roles that no cloud can be without."""


def check_names(draft: Draft) -> Iterator[Problem]:
    """The cloud, sites and hosts are called by DNS labels."""
    named: list[tuple[Path, str]] = [(("name",), draft.name)] if draft.name else []
    named += [(("sites", site.name, "name"), site.name) for site in draft.sites]
    named += [(("hosts", host.name, "name"), host.name) for host in draft.hosts]
    for path, name in named:
        if not DNS_LABEL.fullmatch(name):
            yield draft.problem(
                path,
                f'"{name}" is no name',
                "1 to 63 of a-z, 0-9 and -, with neither end a -",
            )
        elif name == "localhost" and path[0] == "hosts":
            hint = "what the machine calls itself (`hostname`) when it is asked from elsewhere"
            yield draft.problem(path, '"localhost" is every machine\'s name for itself', hint)


def check_words(draft: Draft) -> Iterator[Problem]:
    """Release, region, physical network, who logs in and what is said of images look like what
    they are."""
    physical = draft.networks.external.physical_network if draft.networks else ""
    wanted = (
        (("release",), draft.release, RELEASE, f"such as {DEFAULT_RELEASE}"),
        (("region",), draft.region, r"[A-Za-z0-9._-]{1,255}", "letters, digits and . _ -"),
        (
            ("networks", "external", "physical_network"),
            physical,
            r"[A-Za-z0-9_-]{1,64}",
            "letters, digits and _ -",
        ),
        (
            ("images", "prefix"),
            draft.prefix,
            FOLDER,
            "a registry and a folder in it, such as localhost/cloudwright",
        ),
        (("images", "base"), draft.base, IMAGE, "such as registry.example.org/debian:13"),
        *((path, ssh.user, USER, "such as root or debian") for path, ssh in draft.logins("user")),
    )
    for path, text, pattern, hint in wanted:
        if text and not re.fullmatch(pattern, text):
            yield draft.problem(path, f'"{text}" cannot be the {path[-1]}', hint)


def check_release(draft: Draft) -> Iterator[Problem]:
    """The release is one of those that there are: of another there are no images, and nothing is
    known of its options."""
    if draft.releases is None or not re.fullmatch(RELEASE, draft.release):
        return
    if draft.release not in draft.releases:
        hint = f"known: {', '.join(draft.releases)}"
        yield draft.problem(("release",), f'there is no release "{draft.release}"', hint)


def check_numbers(draft: Draft) -> Iterator[Problem]:
    """Ports, VRRP's number and packet sizes are within their bounds."""
    found: list[tuple[Path, int, range]] = [
        (path, ssh.port, range(1, 65536)) for path, ssh in draft.logins("port")
    ]
    if draft.api:
        found.append((("api", "virtual_router_id"), draft.api.virtual_router_id, range(1, 256)))
    if draft.networks:
        found.append((("networks", "management", "mtu"), draft.networks.management.mtu, MTU))
        found.append((("networks", "external", "mtu"), draft.networks.external.mtu, MTU))
    if draft.networks and draft.networks.tunnel:
        found.append((("networks", "tunnel", "mtu"), draft.networks.tunnel.mtu, MTU))
    for path, number, bounds in found:
        if number not in bounds:
            said = f'"{".".join(path)}" must be {bounds[0]} to {bounds[-1]}, not {number}'
            yield draft.problem(path, said)


def check_roles(draft: Draft) -> Iterator[Problem]:
    """Every host has at least one role, none twice, none unknown."""
    for host in draft.hosts:
        path = ("hosts", host.name, "roles")
        if not host.roles:
            yield draft.problem(path, f'host "{host.name}" has no role', suggestion("", ROLES))
        for index, role in enumerate(host.roles):
            if role not in ROLES:
                said = f'unknown role "{role}" of host "{host.name}"'
                yield draft.problem((*path, str(index)), said, suggestion(role, ROLES))
            elif role in host.roles[:index]:
                said = f'host "{host.name}" has the role "{role}" twice'
                yield draft.problem((*path, str(index)), said)


def check_sites(draft: Draft) -> Iterator[Problem]:
    """Every host stands in a site of the file."""
    names = [site.name for site in draft.sites]
    for host in draft.hosts:
        if host.site not in names and (names or draft.whole):
            said = f'unknown site "{host.site}" of host "{host.name}"'
            yield draft.problem(("hosts", host.name, "site"), said, suggestion(host.site, names))


def check_sites_have_hosts(draft: Draft) -> Iterator[Problem]:
    """No site stands empty."""
    names = {site.name for site in draft.sites}
    if not draft.whole or any(host.site not in names for host in draft.hosts):
        return  # the host with the unknown site may be the one that is missed here
    for site in draft.sites:
        if not any(host.site == site.name for host in draft.hosts):
            said = f'site "{site.name}" has no host'
            hint = "remove the site, or put a host in it"
            yield draft.problem(("sites", site.name, "name"), said, hint)


def check_witnesses(draft: Draft) -> Iterator[Problem]:
    """A witness site carries neither instances nor APIs: its hosts vote, and nobody else does so
    alone."""
    witnesses = {site.name for site in draft.sites if site.witness}
    for host in draft.hosts:
        for index, role in enumerate(host.roles):
            path = ("hosts", host.name, "roles", str(index))
            if host.site in witnesses and role in ROLES and role != "witness":
                yield draft.problem(
                    path,
                    f'host "{host.name}" has the role "{role}", but its site "{host.site}" is a '
                    "witness, which only votes",
                    "give it the role witness alone, or remove `witness: true`",
                )
            elif role == "witness" and host.site not in witnesses:
                yield draft.problem(
                    path,
                    f'host "{host.name}" has the role "witness", but its site "{host.site}" '
                    "is no witness",
                    "a controller votes already; or say `witness: true` of a third site",
                )


def check_every_role_is_had(draft: Draft) -> Iterator[Problem]:
    """A cloud needs a host of every role."""
    if not draft.knows_roles:
        return  # an unknown role may be the one that is missed here
    for role in NECESSARY:
        if not any(role in host.roles for host in draft.hosts):
            hint = "add it to the roles of a host"
            yield draft.problem(("hosts",), f'no host has the role "{role}"', hint)


def check_voters(draft: Draft) -> Iterator[Problem]:
    """An even number of voters survives no more failures than one fewer, and can be split
    into halves that both stop (Galera, RabbitMQ and OVSDB all decide by majority)."""
    voters = draft.voters
    count = len(voters)
    if not draft.whole or not count or count % 2:
        return
    last = voters[-1]
    role = "control" if "control" in last.roles else "witness"
    survives = "none may fail, as with one" if count == 2 else f"only {count // 2 - 1} may fail"
    kind = "controllers" if voters == draft.controllers else "controllers and witnesses"
    yield draft.problem(
        ("hosts", last.name, "roles"),
        f"{count} {kind}: a majority needs an odd number ({survives})",
        "add a controller, or a host of role witness in a third site with `witness: true`, "
        f'or take the role {role} from "{last.name}"',
    )


def check_survives(draft: Draft) -> Iterator[Problem]:
    """No site holds half of the votes or more, unless the operator says that it may: its loss
    would stop every cluster."""
    sites = {host.site for host in draft.hosts}
    if not draft.whole or draft.survive != "site" or len(sites) < 2:
        return
    voters = draft.voters
    for site in draft.sites:
        if own := _takes_votes(draft, site.name):
            yield draft.problem(
                ("sites", site.name, "name"),
                f'the loss of site "{site.name}" takes {own} of {len(voters)} votes: database, '
                "queue and OVN would stop everywhere",
                "spread the controllers, with a third site that is a witness if there are two; "
                "or say `survive: host`",
            )


def check_spread(draft: Draft) -> Iterator[Problem]:
    """No site has every controller, or every way out, unless the operator says that it may: votes
    alone answer no API and route no packet."""
    sites = {host.site for host in draft.hosts}
    if not draft.knows_roles or not sites <= {site.name for site in draft.sites}:
        return  # what is misspelt may be what is missed here
    if draft.survive != "site" or len(sites) < 2:
        return
    cut = "what has no floating IP" if draft.ha == "distributed" else "instances elsewhere"
    for role, lost, odd in (
        ("control", "no API would answer", ", and keep the number of votes odd"),
        ("network", f"{cut} would have no way in or out", ""),
    ):
        having = [host for host in draft.hosts if role in host.roles]
        for site in draft.sites:
            elsewhere = any(host.site != site.name for host in having)
            if not having or elsewhere or site.witness:
                continue
            if role == "control" and _takes_votes(draft, site.name):
                continue  # said already, with the same cure
            yield draft.problem(
                ("sites", site.name, "name"),
                f'the loss of site "{site.name}" takes every host of role {role} '
                f"({', '.join(host.name for host in having)}): {lost}",
                f"give a host of another site the role {role}{odd}; or say `survive: host`",
            )


RULES: tuple[Rule, ...] = (
    check_names,
    check_words,
    check_release,
    check_numbers,
    check_roles,
    check_sites,
    check_sites_have_hosts,
    check_witnesses,
    check_every_role_is_had,
    check_voters,
    check_survives,
    check_spread,
    *rules_networks.RULES,
)


def check(draft: Draft) -> tuple[Problem, ...]:
    """Every problem that every rule finds."""
    return tuple(problem for rule in RULES for problem in rule(draft))


def _takes_votes(draft: Draft, site: str) -> int:
    """How many votes go with a site that has the majority; 0 for any other, and where the number
    of votes is a problem of its own."""
    voters = draft.voters
    own = sum(host.site == site for host in voters)
    return own if len(voters) % 2 and own * 2 > len(voters) else 0
