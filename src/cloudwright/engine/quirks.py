"""Where Podman and Docker differ behind the same REST API, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SOCKETS = ("/run/podman/podman.sock", "/var/run/docker.sock", "/run/docker.sock")
"""Where an engine listens on a host, the one that we would rather have first."""

API = "/v1.41"
"""The oldest API that every Podman from 4.3 and every Docker from 20.10 speaks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Quirks:
    """What one engine does in its own way.

    `log_driver` and `log_options` keep a container's output in a file of bounded size that the
    engine itself can read back. `restart_names` renames restart policies. `local_prefix` is put
    before the tag of an image that came from no registry. `errors` maps words in an error message
    to the status that the API promises for it. `at_boot` are units of systemd, one of each tuple
    enabled: without them the engine answers nobody after a boot, or starts no container.
    """

    kind: str
    log_driver: str
    log_options: Mapping[str, str]
    restart_names: Mapping[str, str] = field(default_factory=dict)
    local_prefix: str = ""
    errors: tuple[tuple[str, int], ...] = ()
    at_boot: tuple[tuple[str, ...], ...] = ()


PODMAN = Quirks(
    kind="podman",
    # journald is Podman's default, and a host need not have one that is readable.
    log_driver="k8s-file",
    log_options={"max-size": "50mb"},
    # podman-restart.service starts only "always" when a host boots, before Podman 5.
    restart_names={"unless-stopped": "always"},
    local_prefix="localhost/",
    # Podman answers these with 500, where the API says 400, 404 or 409.
    errors=(
        ("already in use", 409),
        ("constraint failed: ContainerConfig.Name", 409),  # Podman 5: another has the name
        ("is being used", 409),
        ("container state improper", 409),
        ("can only kill running containers", 409),
        ("no such image", 404),
        ("image not known", 404),
        ("no such container", 404),
        ("no such volume", 404),
        ("invalid argument", 400),
        ("invoke a command that was not found", 400),
    ),
    at_boot=(("podman-restart.service",), ("podman.socket", "podman.service")),
)

DOCKER = Quirks(
    kind="docker",
    log_driver="json-file",
    log_options={"max-size": "50m", "max-file": "2"},
    at_boot=(("docker.service",),),
)

ENGINES = (PODMAN, DOCKER)


def promised_status(quirks: Quirks, status: int, message: str) -> int:
    """Return the status that the API promises for an error that the engine sent as `status`."""
    if status != 500:
        return status
    return next((code for words, code in quirks.errors if words in message), status)
