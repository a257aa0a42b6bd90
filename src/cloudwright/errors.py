"""Every error that a user can meet, as one tree.

CloudError                     what happened · where · why · hint (what to do next)
├─ InvalidCloud   exit 2       all problems at once; nothing was touched
├─ UnsafePlan     exit 3       a check refused; nothing was touched
├─ HostError      exit 4       a host, or this machine, could not do its part
│  ├─ Unreachable
│  ├─ CommandFailed            command, exit_code, output
│  ├─ EngineError              what Podman or Docker answered
│  └─ Missing                  a requirement that is not there
├─ StepFailed     exit 1       some steps ran; says which did not and that `apply` resumes
├─ Locked         exit 5       by whom, since when
└─ Interrupted    exit 130     Ctrl-C
An OSError of a file or disk here becomes a HostError. A bug of ours is anything else, and exits
with 70.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

OUTPUT_LINES = 20
"""An error shows this many last lines of the output that explains it."""


def number(count: int, noun: str) -> str:
    """So many of what `noun` names, such as `1 host` and `2 hosts`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


class CloudError(Exception):
    """An error with a place and a way out.

    `what` is lower-case and without a full stop; `where` is `file:line:column` or `step@host`;
    `why` is the cause or the last output; `hint` says what to do next.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", why: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.hint = hint

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.why:
            lines += [f"  {line}" for line in self.why.splitlines()[-OUTPUT_LINES:]]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Problem:
    """One thing wrong in `cloud.yaml` or beside it; `line` and `column` are from 1, or 0.

    A `warning` is told, and is no reason to refuse.
    """

    file: str
    line: int = 0
    column: int = 0
    text: str
    hint: str = ""
    warning: bool = False

    def __str__(self) -> str:
        place = ":".join(str(p) for p in (self.file, self.line, self.column) if p)
        text = f"warning: {self.text}" if self.warning else self.text
        return f"{place}: {text}" + (f"\n  hint: {self.hint}" if self.hint else "")


class InvalidCloud(CloudError):
    """`cloud.yaml` or its overrides are wrong; carries every problem found, in order of place."""

    exit_code = 2

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = tuple(sorted(problems))
        count = sum(not problem.warning for problem in problems)
        super().__init__(f"{number(count, 'problem')} in the cloud's description")

    def __str__(self) -> str:
        return "\n".join([str(p) for p in self.problems] + [f"{self.what}; nothing was touched"])


class UnsafePlan(CloudError):
    """A check refused the plan; nothing was touched."""

    exit_code = 3


class HostError(CloudError):
    """A host (or this machine) could not do its part."""

    exit_code = 4


class Unreachable(HostError):
    """No connection: network, name, host key or login."""


class CommandFailed(HostError):
    """A command ended with a code other than 0; `output` is both its streams."""

    def __init__(
        self, command: str, exit_status: int, output: str, *, where: str = "", hint: str = ""
    ) -> None:
        super().__init__(
            f"`{command}` ended with {exit_status}", where=where, why=output, hint=hint
        )
        self.command = command
        self.exit_status = exit_status
        self.output = output


class EngineError(HostError):
    """Podman or Docker refused; `status` is the HTTP status, 0 when there was no answer."""

    def __init__(self, what: str, *, status: int = 0, where: str = "", why: str = "") -> None:
        super().__init__(what, where=where, why=why)
        self.status = status


class Missing(HostError):
    """Something that must be there is not: a package, a kernel feature, an image, space."""


class StepFailed(CloudError):
    """Some steps did not end well; the rest went on, and `apply` resumes."""

    exit_code = 1


class Locked(CloudError):
    """Another run holds the cloud."""

    exit_code = 5


class Interrupted(CloudError):
    """Ctrl-C: running steps ended, none was started after it."""

    exit_code = 130


_FULL = "make room there, or give it another place"
_OURS = "look at owner and mode of it and of its folder, or run the verb as its owner"

_WAYS_OUT = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "raise the limit of a file's size (ulimit -f), or give it another place",
    errno.EACCES: _OURS,
    errno.EPERM: _OURS,
    errno.EROFS: "its file system can only be read; give it another place",
    errno.ENOENT: "make what is missing, or name another place",
    errno.ENOTDIR: "a file stands where a folder must be; move it away",
    errno.EEXIST: "a file stands where a folder must be; move it away",
    errno.EIO: "its disk is broken: see what the kernel says (dmesg)",
}
"""What to do about it, by the system's reason."""

_OF_A_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
"""Reasons that a connection never has: a write that fails names no file."""


def of_this_machine(error: OSError) -> HostError | None:
    """What the operator's own machine refused, as an error for people: a file or a folder there,
    or its disk. None for all else, such as a connection that was lost."""
    place = error.filename2 or error.filename
    if place is None and error.errno not in _OF_A_DISK:
        return None
    return HostError(
        "cannot read or write on this machine",
        where=os.fsdecode(place) if isinstance(place, str | bytes) else "",
        why=(error.strerror or str(error)).lower(),
        hint=_WAYS_OUT.get(error.errno or 0, "mend that, then run the verb again"),
    )


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """What the system refuses in the block is of `path`: a write that fails names no file, and
    nobody knows the draft that becomes `path` in the end."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise
