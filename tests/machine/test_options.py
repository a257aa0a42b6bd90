"""What the built images say of their own options is what the release keeps as data.

The images are those that `make ready` built.
"""

from __future__ import annotations

import asyncio

import pytest

from cloudwright.declare.image import Image
from cloudwright.execute.images.option_export import export_all
from cloudwright.images.option_data import kept_text, option_projects
from cloudwright.services import SERVICES

RELEASE = "2026.2"
IMAGES = tuple(service.image for service in SERVICES if service.image)


@pytest.mark.parametrize("image", option_projects(IMAGES), ids=lambda image: image.name)
def test_an_image_exports_what_the_release_keeps(image: Image) -> None:
    texts = asyncio.run(export_all(IMAGES, RELEASE, (image.name,)))
    assert texts[image.name] == kept_text(RELEASE, image.name), (
        "`cloudwright images options --write src/cloudwright/releases/2026.2` writes it anew"
    )
