"""An archive of container images as a stream, without the layers that its reader has already."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Container

BLOCK = 512
"""Bytes: tar is made of blocks, a header and then the content, filled up (POSIX.1-2017, pax)."""

_NAME, _SIZE, _CHECKSUM, _KIND = slice(0, 100), slice(124, 136), slice(148, 156), 156
_FILE = (ord("0"), 0)


async def without_layers(
    chunks: AsyncIterable[bytes], held: Container[str]
) -> AsyncIterator[bytes]:
    """The archive with an empty file in the place of each layer of `held`.

    A layer is the file `<digest>.tar`, as the archives of `podman save` and `docker save` name it.
    Engines know a layer by its digest, which the images' configuration lists, and do not open the
    file of one that they have; but it must be listed.
    """
    pending = bytearray()
    left, drops = 0, False
    async for chunk in chunks:
        pending += chunk
        out = bytearray()
        while left or len(pending) >= BLOCK:
            if left:
                taken = min(left, len(pending))
                if not drops:
                    out += pending[:taken]
                del pending[:taken]
                left -= taken
                if left:
                    break
                continue
            header = bytes(pending[:BLOCK])
            del pending[:BLOCK]
            size = _size(header)
            drops = header[_KIND] in _FILE and _layer(header) in held
            out += _emptied(header) if drops else header
            left = -(-size // BLOCK) * BLOCK
        if out:
            yield bytes(out)
    if pending:
        yield bytes(pending)


def _layer(header: bytes) -> str:
    name = header[_NAME].rstrip(b"\0").decode(errors="replace")
    return name.removesuffix(".tar") if name.endswith(".tar") else ""


def _size(header: bytes) -> int:
    """Octal digits, or, from 8 GiB on, a binary number after a set bit (GNU tar)."""
    field = header[_SIZE]
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big")
    return int(field.rstrip(b"\0 ") or b"0", 8)


def _emptied(header: bytes) -> bytes:
    changed = bytearray(header)
    changed[_SIZE] = b"0" * 11 + b"\0"
    # The sum of all bytes, those of the sum itself taken as blanks.
    changed[_CHECKSUM] = b" " * 8
    changed[_CHECKSUM] = b"%06o\0 " % sum(changed)
    return bytes(changed)
