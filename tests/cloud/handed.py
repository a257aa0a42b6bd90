"""What `apply` and `smoke --keep` hand over at their end, read from their own words."""

from __future__ import annotations

import re
import shlex
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import httpx

LABELS = re.compile(r"^(API|Horizon|credentials|CA|floating IP|log in): +(\S.*)$", re.MULTILINE)
CREDENTIALS = re.compile(r"(\S+) \(cloud (\S+)\), (\S+)")
SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Handed:
    """The lines by their label."""

    lines: dict[str, str]

    @property
    def ca(self) -> Path:
        return Path(self.lines["CA"])

    @property
    def credentials(self) -> tuple[Path, str, Path]:
        """`clouds.yaml`, what it calls the cloud, and `openrc`."""
        found = CREDENTIALS.fullmatch(self.lines["credentials"])
        assert found, self.lines
        return Path(found[1]), found[2], Path(found[3])

    def check(self) -> None:
        """Each address answers with the CA that is named, and each file is there."""
        trust = ssl.create_default_context(cafile=str(self.ca))
        with httpx.Client(verify=trust, timeout=SECONDS, trust_env=False) as client:
            version = client.get(self.lines["API"])
            assert version.status_code == 200, version.text
            assert version.json()["version"]["id"].startswith("v3")
            page = client.get(self.lines["Horizon"], follow_redirects=True)
            assert page.status_code == 200, page.text
            assert 'name="password"' in page.text
        clouds, name, openrc = self.credentials
        assert f"  {name}:\n" in clouds.read_text()
        for file in (clouds, openrc):
            assert file.stat().st_mode & 0o777 == 0o600

    def log_in(self, command: str) -> str:
        """What a command prints in the instance, by the printed way in."""
        argv = [*shlex.split(self.lines["log in"]), command]
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def handed_over(output: str) -> Handed:
    """What the output of a verb says of it."""
    return Handed(dict(LABELS.findall(output)))
