"""A headless Chromium with an empty profile, driven by Selenium."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.servers.missing import CannotRun, find_binary
from tests.servers.server import own_folder

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

DEADLINE = 60
"""Seconds for a page or a script."""


@contextmanager
def open_browser() -> "Iterator[Chrome]":
    """Start a browser with an empty profile.

    Raises:
        CannotRun: Chromium, its driver or Selenium is missing.
    """
    chromium = find_binary("chromium", "browser", "chromium")
    driver = find_binary("chromedriver", "browser", "chromium-driver")
    try:
        from selenium.webdriver import Chrome, ChromeOptions, ChromeService
    except ImportError:
        raise CannotRun(
            "browser", "selenium is not installed; pip install selenium"
        ) from None
    folder = own_folder()
    options = ChromeOptions()
    options.binary_location = str(chromium)
    for flag in [*FLAGS, f"--user-data-dir={folder}/profile"]:
        options.add_argument(flag)
    # With both paths Selenium does not try to download a driver.
    service = ChromeService(str(driver), env=environment(str(folder)))
    try:
        with Chrome(options=options, service=service) as browser:
            browser.set_page_load_timeout(DEADLINE)
            browser.set_script_timeout(DEADLINE)
            yield browser
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def environment(home: str) -> dict[str, str]:
    """This process's environment, with a home that is deleted with the browser."""
    return {**os.environ, "HOME": home, "TMPDIR": home}
