"""How this machine gets Debian packages: its mirror and the settings of its own apt."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from cloudwright.errors import Missing
from cloudwright.transport.host import Host

_OPTIONS = re.compile(
    r"^(Acquire::(?:https?(?:::[^\s\"]+)?|Retries|Check-Valid-Until|Check-Date|ForceIPv4)"
    r"[^\s]*) \"(.*)\";$"
)
_SUITES = re.compile(r"^(bookworm|trixie|forky|sid|stable|testing|unstable|oldstable)$")


SUITE = "trixie"
"""What lab hosts and the guest are made of; container images are made of their release's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Apt:
    """This machine's way to a Debian archive: proxy, private CA and all."""

    mirror: str
    options: tuple[tuple[str, str], ...]
    """apt's own names and values; needed during a build, and to be left in no result."""


async def find_apt(machine: Host) -> Apt:
    """Ask this machine's apt where it gets Debian from; Missing when there is no apt."""
    done = await machine.run(
        "apt-config dump && echo --- && "
        "apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' "
        "'Created-By: Packages'",
        check=False,
    )
    settings, mark, targets = done.stdout.partition("---\n")
    if not mark:
        raise Missing(
            "this machine has no working apt",
            why=done.output,
            hint="images and the guest are made on Debian 12 or 13",
        )
    options = [m.groups() for line in settings.splitlines() if (m := _OPTIONS.match(line))]
    return Apt(
        mirror=_mirror(targets),
        options=tuple((str(name), str(value)) for name, value in options if value),
    )


def mmdebstrap(
    apt: Apt,
    *,
    suite: str,
    packages: tuple[str, ...],
    hooks: tuple[str, ...] = (),
    variant: str = "minbase",
) -> str:
    """The command that makes a tree of Debian's `suite` at `$target`, a shell variable.

    A `$target` that ends in `.tar` becomes a tar file, any other a directory. `hooks` run in this
    machine's shell after the packages are in, with the tree as `$1`. `variant` is mmdebstrap's:
    `extract` unpacks the packages and what they depend on, and sets nothing up. The tree names
    no mirror and has none of this machine's settings: what is made is never changed in place.
    """
    trimmed = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
    clean = (
        'rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap '
        '"$1"/etc/hostname "$1"/etc/resolv.conf; '
        ': > "$1"/etc/apt/sources.list'
    )
    words = [
        "mmdebstrap",
        "--quiet",
        f"--variant={variant}",
        f"--include={','.join(packages)}",
        '--aptopt=APT::Install-Recommends "false"',
        *(f'--aptopt={name} "{value}"' for name, value in apt.options),
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in trimmed),
        *(f"--customize-hook={hook}" for hook in (*hooks, clean)),
        suite,
    ]
    return f'{shlex.join(words)} "$target" {shlex.quote(apt.mirror)}'


def _mirror(targets: str) -> str:
    for line in targets.splitlines():
        uri, suite, component = [*line.split(), "", "", ""][:3]
        if component == "main" and _SUITES.match(suite) and "security" not in uri:
            return uri
    raise Missing(
        "this machine's apt knows no Debian archive",
        why=targets,
        hint="images and the guest are made on Debian 12 or 13; `apt-get update` may be due",
    )
