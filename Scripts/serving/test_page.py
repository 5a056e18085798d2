"""The page at / in headless Chromium: by keyboard alone, narrow and wide, light and dark; it asks nobody but its own server."""

import os
import pathlib
import shutil

import pytest

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_text_by_keyboard(browser, server, width, scheme):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    errors, foreign = [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: foreign.append(request.url) if not request.url.startswith(server.url) else None)
    page.goto(server.url + "/")
    page.wait_for_selector("#sliders input[type=range]")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "text"
    page.keyboard.press("Control+A")
    page.keyboard.type("Abbey Road is an album by the Beatles, recorded in 1969 in London.")
    page.keyboard.press("Control+Enter")
    playwright.expect(page.locator("#answer")).to_contain_text("Album", timeout=30_000)
    assert page.locator("#heads tr").count() == 7
    # A slider by keys: leaving never, the pyramid has all layers.
    for _ in range(8):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.type") == "range":
            break
    page.keyboard.press("Home")
    playwright.expect(page.locator("#place")).to_contain_text("layer 6 of 6", timeout=30_000)
    assert page.locator("#layers .layer").count() == 6
    first = page.locator("#layers .layer").last.locator(".chip.dead").count()
    last = page.locator("#layers .layer").first.locator(".chip.dead").count()
    assert first < last
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert not errors and not foreign
    folder = os.environ.get("MP_SCREENSHOTS")
    if folder:
        page.screenshot(path=pathlib.Path(folder) / f"page-{width}-{scheme}.png", full_page=True)
    page.close()
