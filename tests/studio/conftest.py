"""The page in a real browser, against a real server of this process whose worker is the test card."""

import shutil

import pytest
from rig import listening, open_service, working

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser():
    """For one file: while it lives its event loop runs, and no test of the same process can start another."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no Chromium on the PATH; looked for {', '.join(NAMES)}")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def service(tmp_path):
    opened = open_service(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def url(service, tmp_path):
    """A server whose jobs take a moment each."""
    with listening(service) as address, working(service, tmp_path, seconds=0.5):
        yield address


@pytest.fixture
def open_page(browser):
    """Opens the page; a mistake in a script fails the test that met it."""
    contexts, mistakes = [], []

    def open_at(address, **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda mistake: mistakes.append(str(mistake)))
        page.on(
            "console", lambda said: mistakes.append(said.text) if "Content Security" in said.text else None
        )
        page.goto(address)
        page.wait_for_selector("input[name=resolution]:checked", state="attached")
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert mistakes == []
