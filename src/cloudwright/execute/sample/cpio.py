"""Writes a cpio archive as the kernel wants its first file system (the "newc" form)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

_DIRECTORY, _FILE, _LINK, _DEVICE = 0o040000, 0o100000, 0o120000, 0o020000


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One name in the archive. Parents are made when they are needed."""

    path: str
    content: bytes = b""
    mode: int = 0o644
    kind: int = _FILE
    owner: int = 0
    device: tuple[int, int] = (0, 0)


def file(path: str, content: bytes, mode: int = 0o644) -> Entry:
    """A plain file of root."""
    return Entry(path=path, content=content, mode=mode)


def link(path: str, target: str) -> Entry:
    """A symbolic link."""
    return Entry(path=path, content=target.encode(), mode=0o777, kind=_LINK)


def directory(path: str, mode: int = 0o755, owner: int = 0) -> Entry:
    """A directory."""
    return Entry(path=path, mode=mode, kind=_DIRECTORY, owner=owner)


def device(path: str, major: int, minor: int) -> Entry:
    """A character device."""
    return Entry(path=path, mode=0o600, kind=_DEVICE, device=(major, minor))


def archive(entries: list[Entry]) -> bytes:
    """The archive; the same entries always give the same bytes."""
    given = {entry.path: entry for entry in entries}
    parents = {
        str(parent)
        for path in given
        for parent in PurePosixPath(path).parents
        if str(parent) not in (".", "/")
    }
    whole = {**{path: directory(path) for path in parents}, **given}
    # A directory sorts before what is in it.
    records = [_record(number, whole[path]) for number, path in enumerate(sorted(whole), 1)]
    return b"".join([*records, _record(0, Entry(path="TRAILER!!!", mode=0, kind=0))])


def _record(number: int, entry: Entry) -> bytes:
    name = entry.path.encode() + b"\0"
    links = 2 if entry.kind == _DIRECTORY else 1
    fields = (
        number,
        entry.kind | entry.mode,
        entry.owner,
        entry.owner,
        links,
        0,
        len(entry.content),
        0,
        0,
        *entry.device,
        len(name),
        0,
    )
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return _padded(head) + _padded(entry.content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
