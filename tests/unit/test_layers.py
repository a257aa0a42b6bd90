"""An archive of images without the layers that its reader has."""

from __future__ import annotations

import asyncio
import io
import itertools
import tarfile
from collections.abc import AsyncIterator, Mapping

from hypothesis import given
from hypothesis import strategies as st

from cloudwright.execute.images.layers import BLOCK, without_layers

LAYERS = {f"{digit * 64}": digit.encode() * length for digit, length in zip("abc", (0, 700, 4096))}  # noqa: B905


def archive(format: int) -> bytes:
    """What `podman save` makes: layers, links to them, a configuration, the list of images."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=format) as made:
        for digest, content in LAYERS.items():
            entry = tarfile.TarInfo(f"{digest}.tar")
            entry.size = len(content)
            made.addfile(entry, io.BytesIO(content))
            link = tarfile.TarInfo(f"{digest}/layer.tar")
            link.type, link.linkname = tarfile.SYMTYPE, f"../{digest}.tar"
            made.addfile(link)
        for name in ("x" * 150, "manifest.json"):
            entry = tarfile.TarInfo(name)
            entry.size = 3
            made.addfile(entry, io.BytesIO(b"{}\n"))
    return stream.getvalue()


def thinned(data: bytes, held: set[str], cuts: list[int]) -> bytes:
    """The archive through the filter, arriving in pieces."""
    edges = sorted({0, len(data), *(cut % len(data) for cut in cuts)})

    async def pieces() -> AsyncIterator[bytes]:
        for begin, end in itertools.pairwise(edges):
            yield data[begin:end]

    async def whole() -> bytes:
        return b"".join([chunk async for chunk in without_layers(pieces(), held)])

    return asyncio.run(whole())


def content(data: bytes) -> Mapping[str, bytes | None]:
    """Name → content of each file, None for what is none."""
    with tarfile.open(fileobj=io.BytesIO(data)) as opened:
        return {
            member.name: file.read() if (file := opened.extractfile(member)) else None
            for member in opened.getmembers()
            if not member.issym()
        }


@given(
    held=st.sets(st.sampled_from(sorted(LAYERS))),
    cuts=st.lists(st.integers(min_value=0, max_value=20_000), max_size=12),
    format=st.sampled_from((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT)),
)
def test_held_layers_are_empty_and_all_else_is_as_it_was(
    held: set[str], cuts: list[int], format: int
) -> None:
    data = archive(tarfile.GNU_FORMAT if format == tarfile.USTAR_FORMAT else format)
    made = thinned(data, held, cuts)
    wanted = {
        name: b"" if name.removesuffix(".tar") in held else text
        for name, text in content(data).items()
    }
    assert content(made) == wanted
    dropped = sum(-(-len(LAYERS[digest]) // BLOCK) * BLOCK for digest in held)
    assert len(made) == len(data) - dropped


def test_an_archive_of_what_nobody_has_is_unchanged() -> None:
    data = archive(tarfile.GNU_FORMAT)
    assert thinned(data, set(), [1, 511, 513]) == data


def test_a_size_of_many_gigabytes_is_read() -> None:
    """GNU tar writes it in binary; only the head is here, so nothing may follow it."""
    entry = tarfile.TarInfo(f"{'d' * 64}.tar")
    entry.size = 9 * 1024**3
    head = entry.tobuf(tarfile.GNU_FORMAT)
    made = thinned(head + b"x" * BLOCK, {"d" * 64}, [])
    assert tarfile.TarInfo.frombuf(made, "utf-8", "strict").size == 0
    assert len(made) == BLOCK
