"""Images come to every engine by an archive alike, without the layers that it has."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import AsyncIterator

import pytest

from cloudwright.engine.api import Engine
from cloudwright.errors import EngineError

from .engine_tests import go
from .rigs import PREFIX, Rig

pytestmark = pytest.mark.filterwarnings("error")

FIRST, SECOND = f"localhost/{PREFIX}-first:1", f"localhost/{PREFIX}-second:1"


def layer(name: str) -> bytes:
    """A layer with one file; the same for the same name."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as made:
        entry = tarfile.TarInfo(name)
        entry.size = len(name)
        made.addfile(entry, io.BytesIO(name.encode()))
    return stream.getvalue()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


LOW, HIGH = layer("low"), layer("high")


def archive(tag: str, *layers: bytes, without: tuple[bytes, ...] = ()) -> tuple[str, bytes]:
    """An image's id and its archive, with an empty file for each layer of `without`."""
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["true"], "Labels": {"tag": tag}},
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{digest(part)}" for part in layers],
            },
        }
    ).encode()
    id = digest(config)
    names = [f"{digest(part)}.tar" for part in layers]
    manifest = [{"Config": f"{id}.json", "RepoTags": [tag], "Layers": names}]
    files = {
        **{f"{digest(part)}.tar": b"" if part in without else part for part in layers},
        f"{id}.json": config,
        "manifest.json": json.dumps(manifest).encode(),
    }
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as made:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            made.addfile(entry, io.BytesIO(content))
    return id, stream.getvalue()


async def stream(content: bytes) -> AsyncIterator[bytes]:
    for begin in range(0, len(content), 1000):
        yield content[begin : begin + 1000]


async def tagged(engine: Engine, tag: str) -> list[str]:
    """The ids of the images with that tag."""
    return [image.id for image in await engine.images() if tag in image.tags]


def test_an_image_comes_with_its_id_tag_and_layers(rig: Rig) -> None:
    async def test(engine: Engine) -> None:
        id, content = archive(FIRST, LOW, HIGH)
        await engine.load(stream(content))
        assert await tagged(engine, FIRST) == [id]
        assert await engine.image_id(FIRST) == id
        assert await engine.layers(id) == (digest(LOW), digest(HIGH))
        await engine.load(stream(content))
        assert await tagged(engine, FIRST) == [id]

    go(rig, test)


def test_a_layer_that_is_there_need_not_come_again(rig: Rig) -> None:
    async def test(engine: Engine) -> None:
        await engine.load(stream(archive(FIRST, LOW, HIGH)[1]))
        id, content = archive(SECOND, LOW, HIGH, layer("more"), without=(LOW, HIGH))
        await engine.load(stream(content))
        assert await tagged(engine, SECOND) == [id]
        assert await engine.layers(SECOND) == (digest(LOW), digest(HIGH), digest(layer("more")))

    go(rig, test)


def test_a_tag_goes_to_the_new_content(rig: Rig) -> None:
    async def test(engine: Engine) -> None:
        old, content = archive(FIRST, LOW)
        await engine.load(stream(content))
        new, content = archive(FIRST, LOW, layer("newer"))
        await engine.load(stream(content))
        assert await tagged(engine, FIRST) == [new]
        assert old in [image.id for image in await engine.images()]

    go(rig, test)


def test_a_damaged_archive_is_refused_and_nothing_comes_of_it(rig: Rig) -> None:
    async def test(engine: Engine) -> None:
        before = await engine.images()
        id, content = archive(SECOND, layer("never seen"), without=(layer("never seen"),))
        for damaged in (content, b"this is no archive" * 100, content[:2000]):
            with pytest.raises(EngineError) as caught:
                await engine.load(stream(damaged))
            assert caught.value.where == "here"
            assert caught.value.why
        assert id not in [image.id for image in await engine.images()]
        assert len(await engine.images()) == len(before)

    go(rig, test)


def test_the_images_of_a_folder(rig: Rig) -> None:
    async def test(engine: Engine) -> None:
        mine = f"localhost/{PREFIX}-cloud/first:1"
        id, content = archive(mine, LOW)
        await engine.load(stream(content))
        other = archive(FIRST, LOW, HIGH)
        await engine.load(stream(other[1]))
        found = await engine.images(f"localhost/{PREFIX}-cloud")
        assert [(image.id, mine in image.tags) for image in found] == [(id, True)]
        assert await engine.images(f"localhost/{PREFIX}-clou") == ()

    go(rig, test)
