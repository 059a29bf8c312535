"""The page in a real browser."""

import hashlib

import pytest
from selenium.webdriver.common.by import By

from tests.end_to_end.conftest import LIMIT
from tests.servers.eventually import eventually

NAME = "购物清单.txt"
CONTENT = "牛奶\n面包\n".encode() * 100_000

# Keeps the value of the progress bar over the reload that follows the upload.
WATCH_THE_BAR = """
const bar = document.getElementById("progress");
new MutationObserver(() => {
  if (!bar.hidden) sessionStorage.setItem("shown", bar.value);
}).observe(bar, { attributes: true });
"""


@pytest.fixture(scope="module")
def service(make_service, private_redis):
    """A running service; the storage vendor makes no difference to the page."""
    service = make_service(private_redis.url)
    with service.running():
        yield service


@pytest.fixture
def page(browser, service):
    """The page, open."""
    browser.get(service.url)
    return browser


@pytest.fixture
def row(page):
    """``row()``: the file's table row as texts by class; empty without a row."""

    def row() -> dict[str, str]:
        cells = page.execute_script(
            """
            const link = [...document.querySelectorAll("tbody a")].find(
              (link) => link.textContent === arguments[0]);
            return link && [...link.closest("tr").cells].map(
              (cell) => [cell.className, cell.innerText]);
            """,
            NAME,
        )
        return dict(cells or {})

    return row


def test_page_uploads_and_deletes(page, row, tmp_path):
    """The page sends a file with a progress bar, shows it ready, and deletes it."""
    file = tmp_path / NAME
    file.write_bytes(CONTENT)
    page.execute_script(WATCH_THE_BAR)
    page.find_element(By.ID, "file").send_keys(str(file))

    page.find_element(By.CSS_SELECTOR, "#upload button").click()

    # The page reloads itself once, and polls until the worker has read the file.
    eventually(lambda: row().get("state") == "ready", timeout=60)
    shown = row()
    assert shown["size"] == str(len(CONTENT))
    assert shown["lines"] == "200000"
    assert shown["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert page.execute_script("return sessionStorage.getItem('shown')") == "1"
    page.find_element(By.CSS_SELECTOR, f"[aria-label='Delete {NAME}']").click()
    eventually(lambda: not row())


def test_refused_upload_is_reported(page, service, tmp_path):
    """The page shows why the service refuses a file."""
    file = tmp_path / "large"
    file.write_bytes(bytes(LIMIT + 1))
    page.find_element(By.ID, "file").send_keys(str(file))

    page.find_element(By.CSS_SELECTOR, "#upload button").click()

    status = page.find_element(By.ID, "status")
    eventually(lambda: "The upload failed" in status.text)


def test_form_of_a_page_is_sent_back(service):
    """Without JavaScript the form is posted, and redirects to the page."""
    part = {"file": ("报告.txt", b"", "text/plain")}
    accept = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}

    answer = service.call(
        "POST", "/files", files=part, headers=accept, allow_redirects=False
    )

    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert "报告.txt" in service.call("GET", "/").text
