"""Which options a configuration file may hold, said by the service that owns the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LIBRARIES = (
    "oslo.config",
    "oslo.log",
    "oslo.concurrency",
    "oslo.reports",
    "oslo.service.periodic_task",
    "oslo.service.service",
    "oslo.service.sslutils",
    "oslo.service.wsgi",
)
"""Namespaces of the libraries that every process of OpenStack's uses."""

API_LIBRARIES = (
    "keystonemiddleware.audit",
    "keystonemiddleware.auth_token",
    "oslo.middleware",
    "oslo.middleware.basic_auth",
    "oslo.policy",
    "osprofiler",
)
"""Namespaces of the libraries that a process with an API uses as well."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OptionSet:
    """The options of one file, or of several that the same process reads.

    `project` names the release's data file, which is exported from the container image of that
    name; `namespaces` are oslo.config's, as the packages in that image name them. `like` are
    sections that no namespace lists → the section whose options they take. `named_by` are options
    (`DEFAULT.enabled_backends`) that name sections (`one:kind, two:kind`) → the section whose
    options these take. `free` are patterns of sections, or of `section.option`, that may be
    there although no namespace lists them.
    """

    project: str
    namespaces: tuple[str, ...]
    like: Mapping[str, str] = field(default_factory=dict)
    named_by: Mapping[str, str] = field(default_factory=dict)
    free: tuple[str, ...] = ()
