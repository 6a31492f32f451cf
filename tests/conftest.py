"""What the whole suite shares: deterministic Hypothesis, and a browser to open pages in."""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Derandomised: the suite gives the same verdict on every run. No deadline: a first call may
# compile. A shared machine may be slow at drawing data, which is not the fault of a test.
settings.register_profile(
    "ae_numpy",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ae_numpy")

# No sandbox: it needs rights that containers lack. The browser makes no requests of its own.
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
VIEWPORT = {"width": 1200, "height": 900}


@pytest.fixture(scope="module")
def browser():
    """Chromium, without a window; the tests that need it skip where it is missing."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip("playwright is missing: pip install playwright")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(names)} is on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def used_page(browser):
    """The page of all tests that ask for no settings: a new one takes longer than most of them."""
    page = browser.new_page(viewport=VIEWPORT)
    yield page
    page.close()


def emptied(page):
    """Leave nothing on the page of what a test did to it: document, size, medium, pointer."""
    page.goto("about:blank")
    page.set_viewport_size(VIEWPORT)
    page.emulate_media(media="null")
    page.mouse.move(0, 0)
    return page


@pytest.fixture
def open_page(browser, used_page):
    """Open a file, at a fragment; fails at the end if there was an error or any other request."""
    pages, complaints = [], []
    listeners = {
        "console": lambda message: complaints.append(message.text),
        "pageerror": lambda error: complaints.append(str(error)),
        "request": lambda request: complaints.append(request.url),
    }

    def open_page(file: Path, fragment: str = "", **settings):
        if settings:
            page = browser.new_page(**{"viewport": VIEWPORT, **settings})
        else:
            leave(used_page)
            page = emptied(used_page)
        pages.append(page)
        for event, listener in listeners.items():
            page.on(event, listener)
        page.goto(file.as_uri() + fragment)
        assert complaints.pop(0) == file.as_uri()
        return page

    def leave(page):
        if page in pages:
            pages.remove(page)
            for event, listener in listeners.items():
                page.remove_listener(event, listener)

    yield open_page
    for page in pages.copy():
        leave(page)
        if page is not used_page:
            page.close()
    assert [said for said in complaints if not said.startswith("data:")] == []
