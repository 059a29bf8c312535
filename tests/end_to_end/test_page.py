"""The page in a real browser, as a stranger uses it."""

import hashlib

import pytest
from selenium.webdriver.common.by import By

from tests.end_to_end.conftest import LIMIT
from tests.servers.eventually import eventually

NAME = "购物清单.txt"
CONTENT = "牛奶\n面包\n".encode() * 100_000

# What the bar shows while the form is sent, kept over the reload that follows.
WATCH_THE_BAR = """
const bar = document.getElementById("progress");
new MutationObserver(() => {
  if (!bar.hidden) sessionStorage.setItem("shown", bar.value);
}).observe(bar, { attributes: true });
"""


@pytest.fixture(scope="module")
def service(make_service, private_redis):
    """A service that runs; its vendor of storage makes no difference to a page."""
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
    """``row()``: the table's row of the file as texts by class, if there is one."""

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
    """A file is chosen, sent under a progress bar, becomes ready, and is deleted."""
    file = tmp_path / NAME
    file.write_bytes(CONTENT)
    page.execute_script(WATCH_THE_BAR)
    page.find_element(By.ID, "file").send_keys(str(file))

    page.find_element(By.CSS_SELECTOR, "#upload button").click()

    # The page reloads itself once, and asks until the worker has read the file.
    eventually(lambda: row().get("state") == "ready", timeout=60)
    shown = row()
    assert shown["size"] == str(len(CONTENT))
    assert shown["lines"] == "200000"
    assert shown["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert page.execute_script("return sessionStorage.getItem('shown')") == "1"
    page.find_element(By.CSS_SELECTOR, f"[aria-label='Delete {NAME}']").click()
    eventually(lambda: not row())


def test_refused_upload_is_told(page, service, tmp_path):
    """What the service says against a file is said on the page."""
    file = tmp_path / "large"
    file.write_bytes(bytes(LIMIT + 1))
    page.find_element(By.ID, "file").send_keys(str(file))

    page.find_element(By.CSS_SELECTOR, "#upload button").click()

    status = page.find_element(By.ID, "status")
    eventually(lambda: "The upload failed" in status.text)


def test_form_of_a_page_is_sent_back(service):
    """Without JavaScript a form is posted, and the browser is led back to the page."""
    part = {"file": ("报告.txt", b"", "text/plain")}
    accept = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}

    answer = service.call(
        "POST", "/files", files=part, headers=accept, allow_redirects=False
    )

    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert "报告.txt" in service.call("GET", "/").text
