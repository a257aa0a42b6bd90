"""Files go to a host as one tar stream, unpacked beside their places and renamed into them."""

from __future__ import annotations

import io
import shlex
import tarfile
from collections.abc import Sequence

from cloudwright.errors import CommandFailed, HostError, Missing
from cloudwright.transport.host import File, private_directories


def pack(files: Sequence[File], token: str) -> bytes:
    """Return a tar archive that holds each file in a staging directory beside its place."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for file in files:
            entry = tarfile.TarInfo(f"{_staging(file.directory, token)}/{file.name}".lstrip("/"))
            entry.size = len(file.content)
            entry.mode = file.mode
            user, group = file.owner.split(":")
            # A name is resolved on the host; a number is taken as it is.
            entry.uid, entry.uname = (int(user), "") if user.isdigit() else (0, user)
            entry.gid, entry.gname = (int(group), "") if group.isdigit() else (0, group)
            archive.addfile(entry, io.BytesIO(file.content))
    return stream.getvalue()


def unpack_command(files: Sequence[File], token: str) -> str:
    """Return the shell command that reads the archive of `pack` and puts the files in place.

    A rename is atomic, so a reader sees the old file or the new one. When the stream breaks, tar
    fails or the last file is not there, and nothing is renamed.
    """
    directories = private_directories(files)
    staging = " ".join(shlex.quote(_staging(d, token)) for d in directories)
    last = shlex.quote(f"{_staging(files[-1].directory, token)}/{files[-1].name}")
    lines = ["set -e", "umask 022", *_owner_checks(files)]
    for directory, private in directories.items():
        mode = "0700" if private else "0755"
        # `mkdir -p -m` gives the mode to the last part alone, and only when it makes it.
        lines.append(f"mkdir -p -m {mode} -- {shlex.quote(directory)}")
    lines += [
        f"trap {shlex.quote(f'rm -rf -- {staging}')} EXIT",
        f"mkdir -m 0700 -- {staging}",
        "tar -x -p -m -f - -C /",
        f"[ -f {last} ]",
    ]
    for directory in directories:
        names = [f.name for f in files if f.directory == directory]
        sources = " ".join(
            shlex.quote(f"{_staging(directory, token)}/{name}") for name in dict.fromkeys(names)
        )
        lines.append(f"mv -f -t {shlex.quote(directory)} -- {sources}")
    return "\n".join(lines)


def unpack_error(files: Sequence[File], status: int, output: str, *, where: str) -> HostError:
    """What to tell of an unpacking that ended with `status`; nothing of it is in place then."""
    # A file system that fills up in the middle of a file lets tar write less, and no more.
    if "No space left" in output or "Wrote only" in output:
        directories = ", ".join(private_directories(files))
        return Missing(
            f"no space left on the device below {directories}",
            where=where,
            why=output.strip(),
            hint="make room there, then do the same again",
        )
    return CommandFailed(f"put {len(files)} files", status, output, where=where)


def _staging(directory: str, token: str) -> str:
    return f"{directory.rstrip('/')}/.cloudwright-{token}"


def _owner_checks(files: Sequence[File]) -> list[str]:
    """Tar takes an unknown name for root without a word; a host without the name must refuse."""
    users = sorted({f.owner.split(":")[0] for f in files} - {"root"})
    groups = sorted({f.owner.split(":")[1] for f in files} - {"root"})
    checks = [f"id -u -- {shlex.quote(u)} >/dev/null" for u in users if not u.isdigit()]
    return checks + [
        f"getent group {shlex.quote(g)} >/dev/null || {{ echo 'no group' {shlex.quote(g)} >&2; "
        "exit 1; }"
        for g in groups
        if not g.isdigit()
    ]
