"""Horizon as a browser without a screen meets it: its login form, and a cookie kept."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from ruamel.yaml import YAML

from tests.cloud.tool import Tool

SECONDS = 60.0
FORM = "/auth/login/"
BEHIND = "/settings/"
"""A page that only who is logged in sees, and that asks no other service."""
FIELD = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Session:
    """A login: the cookies of one browser."""

    client: httpx.Client

    def state(self) -> str:
        """`in`, `out` (sent to the login form), or why the page did not come."""
        try:
            answer = self.client.get(BEHIND)
        except httpx.TransportError as error:
            return repr(error)
        if answer.status_code == 200:
            return "in" if "User Settings" in answer.text else answer.text
        if answer.is_redirect and FORM in answer.headers["location"]:
            return "out"
        return f"status {answer.status_code}"

    def log_out(self) -> None:
        """As the menu's last entry does: a form of its own."""
        given = dict(FIELD.findall(self.client.get(BEHIND).text))
        referer = {"Referer": f"{self.client.base_url}"}
        answer = self.client.post("/auth/logout/", data=given, headers=referer)
        assert answer.is_redirect, answer.text


@contextmanager
def logged_in(cloud: Tool, address: str) -> Iterator[Session]:
    """Fill in the form as a browser does, with the credentials that `apply` printed."""
    clouds = YAML(typ="safe").load(cloud.state / "clouds.yaml")["clouds"]
    auth = clouds[cloud.name]["auth"]
    trust = ssl.create_default_context(cafile=str(cloud.state / "ca.pem"))
    url = f"https://{address}"
    with httpx.Client(base_url=url, verify=trust, timeout=SECONDS) as client:
        form = client.get(FORM)
        assert form.status_code == 200, form.text
        given = dict(FIELD.findall(form.text))
        given |= {"username": auth["username"], "password": auth["password"], "domain": "Default"}
        answer = client.post(FORM, data=given, headers={"Referer": f"{url}{FORM}"})
        assert answer.status_code == 302, answer.text
        yield Session(client)
