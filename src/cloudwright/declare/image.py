"""What a container image is made of, said by the service that needs it."""

from __future__ import annotations

from dataclasses import dataclass, field

from cloudwright.declare.options import OptionSet


@dataclass(frozen=True, kw_only=True, slots=True)
class Schema:
    """A database that is made once, at the build, and kept in the image as SQL.

    `command` is upstream's own; it finds the database in `connection` of the configuration's
    `section`.
    """

    database: str
    section: str
    command: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """One container image.

    `projects` are names in the release's lock (Python packages, in /var/lib/kolla/venv);
    `packages` are Debian packages; `users` are names in `declare.users.KOLLA_USERS`; `user` is
    whom the container runs as unless its declaration says otherwise; `links` maps a path in the
    image to what it points at; `run` are further shell lines, run as root at the end of the build;
    `names` are the names that Kolla gives to the same content (extra tags); `options` are those
    of the files that its processes read, which the release keeps as data. `start` are shell lines
    that run, as the container's user, before its command (the contract's extend-start);
    `programs` maps a name in /usr/local/bin to a script. `stops_all` sends the signal to stop to
    every process, for a first one that does not pass it on. `schemas` are made with the server of
    the image that `recipe.DATABASE` names.
    """

    name: str
    parent: str = "base"  # "base", or "openstack-base" for everything with Python projects
    projects: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    user: str = "root"
    links: dict[str, str] = field(default_factory=dict)
    run: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    options: tuple[OptionSet, ...] = ()
    start: str = ""
    programs: dict[str, str] = field(default_factory=dict)
    stops_all: bool = False
    schemas: tuple[Schema, ...] = ()
