"""What a session found stays found until something is changed."""

from __future__ import annotations

from pathlib import Path

from cloudwright.engine.clock import run_virtual
from cloudwright.engine.fake import FakeEngine
from cloudwright.execute.host.fleet import Fleet, Member
from cloudwright.execute.secrets.vault import Vault
from cloudwright.execute.session import Session
from cloudwright.images.schemas import Schemas
from cloudwright.model.load import load
from cloudwright.model.overrides import Overrides
from cloudwright.transport.fake import FakeHost

EXAMPLE = Path(__file__).parents[2] / "examples" / "aio.yaml"


def test_images_are_looked_for_once_and_again_when_it_is_asked(tmp_path: Path) -> None:
    cloud = load(EXAMPLE)
    [name] = [host.name for host in cloud.hosts]
    engine = FakeEngine(name)
    session = Session(
        path=tmp_path / "cloud.yaml",
        cloud=cloud,
        services=(),
        overrides=Overrides(),
        vault=Vault(tmp_path),
        fleet=Fleet(members={name: Member(host=FakeHost(name), engine=engine)}),
        schemas=Schemas(release=cloud.release),
        images={},
    )

    async def story() -> None:
        assert not (await session.holdings()).held[name]
        image = engine.add_image(f"{cloud.images.prefix}/glance:1")
        assert not (await session.holdings()).held[name], "an engine lists its images slowly"
        session.look_again()
        assert (await session.holdings()).held[name] == {image.id}

    run_virtual(story())
