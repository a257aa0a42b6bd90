"""Empty hosts in memory, and this machine beside them with `podman` and every container image."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import subprocess
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cloudwright.cli.apply import supplied
from cloudwright.engine.fake import FakeEngine
from cloudwright.execute.host.fleet import Fleet, Member
from cloudwright.execute.journal.holder import Holder
from cloudwright.execute.journal.record import to_line
from cloudwright.execute.lock.ledger import DIRECTORY
from cloudwright.execute.proposal import Proposal, propose, read, save
from cloudwright.execute.secrets.vault import Vault
from cloudwright.execute.session import Session
from cloudwright.images.schemas import Schemas
from cloudwright.model.load import load
from cloudwright.model.overrides import Overrides
from cloudwright.operations.deliver import needed_images
from cloudwright.plan.select import Selection
from cloudwright.services import SERVICES
from cloudwright.transport.fake import FakeHost
from cloudwright.transport.host import Completed
from tests.simulated.ledgers import record

EXAMPLE = Path(__file__).parents[2] / "examples" / "three-controllers.yaml"


class EmptyHost(FakeHost):
    """A host with nothing on it; a real shell runs the scripts of its ledger, in a folder."""

    async def tcp_socket(self, address: str, port: int) -> Path:
        """A way to where nobody listens, as SSH makes one."""
        return Path("/nowhere") / f"{address}:{port}"


@dataclass(kw_only=True)
class Site:
    """Empty hosts, and this machine with `podman` and every container image."""

    folder: Path
    free: int = 2**40
    built: bool = True
    engines: dict[str, FakeEngine] = field(default_factory=dict)

    def session(self) -> Session:
        """This machine looks at the cloud; each time anew, as a verb does."""
        path = self.folder / "cloud.yaml"
        cloud = load(path)
        members = {}
        for host in cloud.hosts:
            self.engines.setdefault(host.name, FakeEngine(host.name))
            members[host.name] = Member(
                host=EmptyHost(host.name, answer=self.answer(host.name)),
                engine=self.engines[host.name],
            )
        needed = needed_images(cloud, SERVICES)
        references = sorted({r for own in needed.values() for r in own})
        images = {r: hashlib.sha256(r.encode()).hexdigest() for r in references}
        save_images(self.folder / "bin", images)
        return Session(
            path=path,
            cloud=cloud,
            services=SERVICES,
            overrides=Overrides(),
            vault=Vault(self.folder / ".cloudwright"),
            fleet=Fleet(members=members),
            schemas=Schemas(release=cloud.release),
            images=images if self.built else {},
        )

    def answer(self, name: str) -> Callable[[str, bytes], Completed]:
        def answer(command: str, stdin: bytes) -> Completed:
            text = ""
            if DIRECTORY in command:
                script = command.replace(DIRECTORY, str(self.ledger(name)))
                done = subprocess.run(["/bin/sh", "-c", script], input=stdin, capture_output=True)
                return Completed(
                    status=done.returncode,
                    stdout=done.stdout.decode(),
                    stderr=done.stderr.decode(),
                )
            if "cores=" in command:
                text = f"cores=4\nmemory={2**34}\ndisk={2**40}\narch=x86_64\nkernel=6\nkvm=\n"
                text += f"now={time.time()}\n"
            elif "now %s" in command:
                text = f"now {time.time()}\nfree /var/lib/containers {self.free}\n"
            return Completed(status=0, stdout=text, stderr="")

        return answer

    def ledger(self, name: str) -> Path:
        return self.folder / name

    def changed(self) -> set[str]:
        """Hosts that a run was written down on: none begins without."""
        return {name for name in self.engines if list(self.ledger(name).glob("runs/*"))}

    def supplied(self) -> set[str]:
        """Hosts that hold images."""
        found = {name: asyncio.run(engine.images()) for name, engine in self.engines.items()}
        return {name for name, images in found.items() if images}

    def plan(self, *hosts: str) -> Path:
        """What `plan --out` writes."""
        file = self.folder / "change.json"

        async def story() -> None:
            session = self.session()
            await save(session, (await propose(session, Selection(hosts=hosts))).contract, file)

        asyncio.run(story())
        return file

    def apply(self, file: Path | None = None, **chosen: tuple[str, ...]) -> Proposal:
        """Until just before the first step."""
        session = self.session()
        shown = read(session.path, session.cloud, file) if file else None
        return asyncio.run(supplied(session, shown, ask=False, plain=True, **chosen))

    def lock(self) -> None:
        """Somebody else's run, from another machine, that goes on."""
        holder = Holder(
            run="2026-01-01T00-00-00-0001",
            cloud="tiny",
            why="apply",
            user="bob",
            machine="elsewhere",
            pid=1,
            since=1.0,
        )
        asyncio.run(self.session().ledger.take(holder, to_line(record("1"))))


def save_images(folder: Path, images: dict[str, str]) -> None:
    """A `podman` whose `save` gives one archive, of all images."""
    folder.mkdir(exist_ok=True)
    layer = b"what every image stands on"
    entries = [
        {"Config": f"{id}.json", "RepoTags": [reference], "Layers": ["0.tar"]}
        for reference, id in images.items()
    ]
    files = {"0.tar": layer, "manifest.json": json.dumps(entries).encode()}
    with tarfile.open(folder / "all.tar", "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    (folder / "podman").write_text(f"#!/bin/sh\nexec cat {folder}/all.tar\n")
    (folder / "podman").chmod(0o755)
