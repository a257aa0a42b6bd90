"""Debian's Chromium without a screen, as Horizon's users have a browser."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

WAIT_SECONDS = 180
AGAIN_SECONDS = 30
LOGGED_IN = "[href*='/auth/logout'], [action*='/auth/logout']"
"""What every page has for whom it knows."""

QUIET = (
    "--headless=new",
    "--no-sandbox",  # tests run as root, whom Chromium's sandbox refuses
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
)


@contextmanager
def browser(profile: Path, *, trusted_key: str) -> Iterator[Chrome]:
    """A browser with an empty profile that trusts one more public key (base64 of its SHA-256)."""
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for word in QUIET:
        options.add_argument(word)
    options.add_argument(f"--user-data-dir={profile}")
    options.add_argument(f"--ignore-certificate-errors-spki-list={trusted_key}")
    driver = Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        driver.set_page_load_timeout(WAIT_SECONDS)
        yield driver
    finally:
        driver.quit()


def log_in(driver: Chrome, url: str, user: str, password: str) -> None:
    """Fill in Horizon's login form and wait for the page behind it."""
    driver.get(url)
    wait = WebDriverWait(driver, WAIT_SECONDS)
    wait.until(lambda d: d.find_elements(By.NAME, "username"))
    for field, value in (("username", user), ("password", password)):
        driver.find_element(By.NAME, field).send_keys(value)
    domains = driver.find_elements(By.NAME, "domain")
    if domains and domains[0].is_displayed():
        domains[0].send_keys("Default")
    driver.find_element(By.CSS_SELECTOR, "form button[type=submit]").click()
    # Between the two pages there is a moment without either's elements.
    wait.until(lambda d: d.find_elements(By.CSS_SELECTOR, LOGGED_IN))


def text_of(driver: Chrome, url: str, awaited: str) -> str:
    """What a page shows once it shows `awaited`; fails with what it showed instead."""
    shown = ""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        driver.get(url)  # once more, as a person does who sees an error
        again = min(deadline, time.monotonic() + AGAIN_SECONDS)
        while time.monotonic() < again:
            with contextlib.suppress(NoSuchElementException, StaleElementReferenceException):
                shown = driver.find_element(By.TAG_NAME, "body").text
                if awaited in shown:
                    return shown
            time.sleep(0.5)
    raise AssertionError(f"{url} never showed {awaited!r}, but\n{shown}")
