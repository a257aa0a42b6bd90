"""A finding: one thing that the doctor looked at on this machine."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import Literal

from cloudwright.transport.host import File

Severity = Literal["ok", "note", "warning", "error"]
"""`note` is good to know, `warning` costs speed or comfort, `error` stands in the way."""

_MARKS: dict[Severity, str] = {"ok": "✓", "note": "·", "warning": "!", "error": "✗"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Fix:
    """What cures a finding without a person: packages, files of our own, then commands."""

    packages: tuple[str, ...] = ()
    """Debian packages to install."""
    files: tuple[File, ...] = ()
    """Only ever files that are ours alone."""
    commands: tuple[str, ...] = ()
    """Shell commands, each right to run again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What was found, why it matters and what to do; `fix` does it where that is safe.

    `tried`: it was done, and the finding is there still.
    """

    name: str
    severity: Severity
    text: str
    why: str = ""
    cure: str = ""
    fix: Fix = field(default_factory=Fix)
    tried: bool = False

    @property
    def is_well(self) -> bool:
        """Whether nothing need be done."""
        return self.severity in ("ok", "note")

    @property
    def is_error(self) -> bool:
        """Whether it stands in the way."""
        return self.severity == "error"

    @property
    def can_fix(self) -> bool:
        """Whether `cure` can do something about it."""
        return not self.is_well and self.fix != Fix()

    def __str__(self) -> str:
        lines = [f"{_MARKS[self.severity]} {self.name}: {self.text}"]
        if not self.is_well:
            lines += [f"    {line}" for line in self.why.splitlines()]
            lines += [f"    cure: {self.cure}"] if self.cure else []
            if self.tried:
                lines += ["    that was done, and did not help"]
            elif self.can_fix:
                lines += ["    `cloudwright doctor --fix` does that"]
        return "\n".join(lines)


def install_command(packages: tuple[str, ...]) -> str:
    """The command that installs Debian packages without asking anything."""
    return (
        "export DEBIAN_FRONTEND=noninteractive; apt-get update -qq && "
        f"apt-get install --yes --no-install-recommends -qq {shlex.join(sorted(packages))}"
    )
