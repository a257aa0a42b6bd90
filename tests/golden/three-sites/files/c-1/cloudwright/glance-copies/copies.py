"""Brings the files of machine images from the other controllers, and gives them this one's.

Runs inside the container, beside Glance's API. Glance's database says which images there are,
how long each is and what its digest must be; a file that this host lacks comes from the first
other host that has it, and takes its place only when it is the very one. The file of a deleted
image goes when the database says so, never because the database does not know it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PAUSE_SECONDS = 1.0
"""Between two looks at the database."""

TALK_SECONDS = 20.0
"""A host that is silent for so long in the middle of a file is given up."""

MOST_READERS = 8
"""Files that are given away at a time; who comes beyond is told to come again."""

CHUNK = 1 << 20
NAME = re.compile(r"/images/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")

# Images before Rocky have no digest of this kind and no file that anybody could verify.
PRESENT = (
    "SELECT id, size, os_hash_algo, os_hash_value FROM images WHERE deleted = 0 "
    "AND status IN ('active', 'deactivated') AND size > 0 AND os_hash_value IS NOT NULL"
)
DELETED = "SELECT id FROM images WHERE deleted = 1 AND status = 'deleted'"


@dataclass(frozen=True)
class Wanted:
    """A file that every host should have: `size` in bytes, and its digest."""

    id: str
    size: int
    algorithm: str
    digest: str


class Wrong(Exception):
    """What came is not the image."""


def lacking(present: Mapping[str, Wanted], directory: Path) -> list[Wanted]:
    """The images whose file is not here, or not whole, smallest first."""
    missing = [w for w in present.values() if _size(directory / w.id) != w.size]
    return sorted(missing, key=lambda wanted: (wanted.size, wanted.id))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1


def keep(wanted: Wanted, source: Iterator[bytes], directory: Path, scratch: Path) -> None:
    """Write what `source` gives as the image's file, whole and verified, or raise Wrong."""
    digest, length = hashlib.new(wanted.algorithm), 0
    part = scratch / wanted.id
    try:
        with part.open("wb") as file:
            for piece in source:
                length += len(piece)
                if length > wanted.size:
                    raise Wrong(f"{wanted.id} is longer than {wanted.size} bytes")
                digest.update(piece)
                file.write(piece)
            if (length, digest.hexdigest()) != (wanted.size, wanted.digest):
                raise Wrong(f"{wanted.id}: {length} of {wanted.size} bytes, or another content")
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o640)
        part.replace(directory / wanted.id)
    finally:
        part.unlink(missing_ok=True)


class Peers:
    """The other hosts: name → where its copies are given, and what its certificate says."""

    def __init__(self, peers: Mapping[str, Mapping[str, str]], port: int, trust: ssl.SSLContext):
        self._peers = peers
        self._port = port
        self._trust = trust

    def fetch(self, wanted: Wanted, directory: Path, scratch: Path) -> str:
        """Bring the file from the first that has it; the name of that, empty when none has."""
        for name, peer in self._peers.items():
            try:
                with self._ask(peer, wanted.id) as answer:
                    if answer.status == 200:
                        keep(wanted, _pieces(answer), directory, scratch)
                        return name
            except (OSError, HTTPException, Wrong) as error:
                if not isinstance(error, ConnectionError | TimeoutError):
                    say(f"{name}: {error}")
        return ""

    @contextlib.contextmanager
    def _ask(self, peer: Mapping[str, str], id: str) -> Iterator[HTTPResponse]:
        connection = HTTPConnection(peer["address"], self._port, timeout=TALK_SECONDS)
        plain = socket.create_connection((peer["address"], self._port), timeout=2.0)
        try:
            plain.settimeout(TALK_SECONDS)
            connection.sock = self._trust.wrap_socket(plain, server_hostname=peer["certificate"])
            connection.request("GET", f"/images/{id}")
            yield connection.getresponse()
        finally:
            connection.close()
            plain.close()


def _pieces(answer: HTTPResponse) -> Iterator[bytes]:
    while piece := answer.read(CHUNK):
        yield piece


class Giver(ThreadingHTTPServer):
    """Gives this host's files to whoever is another host's copy of this program."""

    daemon_threads = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__((settings["address"], settings["port"]), Request)
        self.directory = Path(settings["images"])
        self.certificates = {peer["certificate"] for peer in settings["peers"].values()}
        self.places = threading.BoundedSemaphore(MOST_READERS)
        context = _context(settings, ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_REQUIRED
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )

    def handle_error(self, request: object, client_address: object) -> None:
        """A line for what is not merely a connection that broke."""
        if not isinstance(sys.exception(), OSError):
            say(f"{client_address}: {sys.exception()!r}")


class Request(BaseHTTPRequestHandler):
    """`GET /images/ID`, for those whose certificate says that they may."""

    server: Giver
    timeout = TALK_SECONDS

    def setup(self) -> None:
        """Here, in the thread of this request: who says nothing holds up nobody else."""
        self.request.settimeout(TALK_SECONDS)
        self.request.do_handshake()
        super().setup()

    def do_GET(self) -> None:
        """The file, or why not."""
        names = {value for _, value in self.request.getpeercert().get("subjectAltName", ())}
        found = NAME.fullmatch(self.path)
        if not names & self.server.certificates:
            self.send_error(403)
        elif not found:
            self.send_error(404)
        elif not self.server.places.acquire(blocking=False):
            self.send_error(503)
        else:
            try:
                self._give(self.server.directory / found[1])
            finally:
                self.server.places.release()

    def _give(self, path: Path) -> None:
        try:
            file = path.open("rb")
        except FileNotFoundError:
            self.send_error(404)
            return
        with file:
            self.send_response(200)
            self.send_header("Content-Length", str(os.fstat(file.fileno()).st_size))
            self.end_headers()
            shutil.copyfileobj(file, self.wfile, CHUNK)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: what was brought is in the log of who brought it."""


def _context(settings: Mapping[str, Any], protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(settings["ca"])
    context.load_cert_chain(settings["certificate"], settings["key"])
    return context


def tidy(deleted: set[str], directory: Path) -> None:
    """Remove the files of images that were deleted over another host."""
    for path in directory.iterdir():
        if path.name in deleted:
            path.unlink(missing_ok=True)
            say(f"{path.name} was deleted")


def look(engine: Any) -> tuple[dict[str, Wanted], set[str]]:
    """What the database says of images: those that are there, and the ids of those deleted."""
    from sqlalchemy import text

    with engine.connect() as connection:
        rows = connection.execute(text(PRESENT)).all()
        deleted = {str(id) for (id,) in connection.execute(text(DELETED))}
    return {str(i): Wanted(str(i), int(s), str(a), str(v)) for i, s, a, v in rows}, deleted


def say(words: str) -> None:
    """A line for the log."""
    print(words, file=sys.stderr, flush=True)


def main(path: str) -> None:
    """Give and bring until the container is stopped."""
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError

    settings = json.loads(Path(path).read_text())
    directory, scratch = Path(settings["images"]), Path(settings["scratch"])
    directory.mkdir(exist_ok=True)
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    engine = create_engine(settings["database"], pool_recycle=280, pool_pre_ping=True)
    # What can never work ends here, before a port says that all is well.
    with contextlib.suppress(SQLAlchemyError):
        look(engine)
    threading.Thread(target=Giver(settings).serve_forever, daemon=True).start()
    peers = Peers(settings["peers"], settings["port"], _context(settings, ssl.PROTOCOL_TLS_CLIENT))
    told = ""
    while True:
        wrong = ""
        try:
            present, deleted = look(engine)
            tidy(deleted - present.keys(), directory)
            for wanted in lacking(present, directory):
                if name := peers.fetch(wanted, directory, scratch):
                    say(f"{wanted.id}: {wanted.size} bytes, from {name}")
                else:
                    wrong = f"nobody who answers has {wanted.id}"
        except (SQLAlchemyError, OSError) as error:
            wrong = str(error).splitlines()[0]
        if wrong and wrong != told:
            say(wrong)
        told = wrong
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1])
