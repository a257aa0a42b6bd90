"""Wait until what a service needs takes connections, so that a cold host comes up in any order."""

import json
import os
import socket
import sys
import time

PAUSE = 0.1
"""Seconds between two tries: short beside any service's own start."""

SECONDS = 600
"""How long to wait altogether, unless KOLLA_WAIT_SECONDS says otherwise."""


def wait(path: str) -> None:
    """Return when each {"address", "port"} of the file at `path` was connected to once.

    Exits with 1 when the time is over, so that the engine starts the container again.
    """
    with open(path, encoding="utf-8") as file:
        targets = [(str(entry["address"]), int(entry["port"])) for entry in json.load(file)]
    end = time.monotonic() + float(os.environ.get("KOLLA_WAIT_SECONDS", SECONDS))
    for address, port in targets:
        _wait_for(address, port, end)


def _wait_for(address: str, port: int, end: float) -> None:
    began = time.monotonic()
    said = False
    while True:
        try:
            socket.create_connection((address, port), timeout=2).close()
        except OSError as error:
            why = error.strerror or str(error)
        else:
            if said:
                print(f"wait: {address}:{port} answers after {time.monotonic() - began:.1f} s")
            return
        if not said:
            print(f"wait: for {address}:{port} ({why})", flush=True)
            said = True
        if time.monotonic() > end:
            print(f"wait: gave up on {address}:{port} ({why})", flush=True)
            sys.exit(1)
        time.sleep(PAUSE)
