"""The images of an engine in memory: ids, tags and layers, and what it takes from an archive."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import replace

from cloudwright.engine.api import ContainerImage
from cloudwright.errors import EngineError


class FakeImages:
    """Images by id; a tag is at one of them."""

    def __init__(self, host: str, images: Iterable[ContainerImage]) -> None:
        self._host = host
        self._images = list(images)
        self._layers: dict[str, tuple[str, ...]] = {}

    def all(self, folder: str = "") -> tuple[ContainerImage, ...]:
        """Every image, or those with a tag in `folder`, the oldest first."""
        return tuple(
            image
            for image in self._images
            if not folder or any(tag.rpartition("/")[0] == folder for tag in image.tags)
        )

    def find(self, reference: str) -> ContainerImage:
        """The image that a tag, an id or the beginning of an id stands for, or a 404."""
        bare = reference.removeprefix("sha256:")
        for image in self._images:
            if reference in image.tags or (len(bare) >= 12 and image.id.startswith(bare)):
                return image
        why = f"no such image: {reference}"
        raise EngineError("refused (404)", status=404, where=self._host, why=why)

    def layers(self, id: str) -> tuple[str, ...]:
        """The layers of an image; one that came by no archive has none."""
        return self._layers.get(id, ())

    def build(self, tag: str, labels: Mapping[str, str]) -> ContainerImage:
        """A new image of that name."""
        content = f"{tag} {sorted(labels.items())} {len(self._images)}"
        id = hashlib.sha256(content.encode()).hexdigest()
        return self._add(ContainerImage(id=id, tags=(tag,), labels=labels))

    def take(self, archive: bytes) -> None:
        """Every image of an archive; a 500, with nothing taken, when it is damaged."""
        held = {layer for layers in self._layers.values() for layer in layers}
        try:
            with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
                sizes = {member.name: member.size for member in opened.getmembers()}
                manifest = opened.extractfile("manifest.json")
                entries = json.loads(manifest.read() if manifest else b"")
        except (tarfile.TarError, KeyError, ValueError) as error:
            raise self._damaged(str(error)) from error
        found = {entry["Config"]: _digests(entry["Layers"]) for entry in entries}
        for layer in {layer for layers in found.values() for layer in layers} - held:
            if not sizes.get(f"{layer}.tar"):
                raise self._damaged(f"no content for layer {layer}")
        for entry in entries:
            id, tags = str(entry["Config"]).removesuffix(".json"), entry["RepoTags"] or ()
            self._layers[id] = found[entry["Config"]]
            self._add(ContainerImage(id=id, tags=tuple(tags), labels={}))

    def _damaged(self, why: str) -> EngineError:
        return EngineError("not an archive of images", status=500, where=self._host, why=why)

    def _add(self, new: ContainerImage) -> ContainerImage:
        older = [
            replace(image, tags=tuple(tag for tag in image.tags if tag not in new.tags))
            for image in self._images
            if image.id != new.id
        ]
        self._images = [*older, new]
        return new


def _digests(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name.removesuffix(".tar") for name in names)
