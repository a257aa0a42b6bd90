"""A host asks its own self-fence."""

from __future__ import annotations

import socket

ANSWER_BYTES = 1024


def family(address: str) -> socket.AddressFamily:
    """Of sockets that use this address."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def say(own: str, port: int, word: bytes) -> None:
    """Tell the self-fence at our `own` address something; it may get lost."""
    with socket.socket(family(own), socket.SOCK_DGRAM) as mouth:
        try:
            mouth.bind((own, 0))
            mouth.sendto(word, (own, port))
        except OSError:
            return


def ask(own: str, port: int, question: bytes, seconds: float) -> bytes:
    """The answer that the self-fence at our `own` address gives; empty when none comes in time."""
    with socket.socket(family(own), socket.SOCK_DGRAM) as mouth:
        mouth.settimeout(seconds)
        try:
            mouth.bind((own, 0))
            mouth.sendto(question, (own, port))
            return mouth.recv(ANSWER_BYTES)
        except OSError:
            return b""
