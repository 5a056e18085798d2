"""The page at / in headless Chromium: by keyboard alone, narrow and wide, light and dark; it asks nobody but its own server."""

import os
import pathlib
import re
import shutil

import pytest
import requests
from conftest import ROOT, Server

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")


CONTRAST = (ROOT / "Scripts/contrast.js").read_text()


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
    ground, ink = page.evaluate(
        """["backgroundColor", "color"].map(name => getComputedStyle(document.body)[name].match(/\\d+/g).slice(0, 3)
           .reduce((sum, part) => sum + Number(part), 0))""")
    assert (ground > ink + 300) == (scheme == "light") and (ink > ground + 300) == (scheme == "dark")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "text"
    page.keyboard.press("Control+A")
    page.keyboard.type("Abbey Road is an album by the Beatles, recorded in 1969 in London.")
    page.keyboard.press("Control+Enter")
    playwright.expect(page.locator("#answer")).to_contain_text("Album", timeout=30_000)
    assert page.locator("#heads tr").count() == 7
    # What it took, of what the whole model takes.
    for place, unit in [("#workText", "GFLOP"), ("#timeText", "ms")]:
        assert re.fullmatch(rf"[\d.]+%: [\d.]+ of [\d.]+ {unit}", page.locator(place).inner_text()), place
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
    page.evaluate("document.getElementById('error').textContent = 'What is wrong is read, too.'")
    assert page.evaluate(CONTRAST)["low"] == []
    page.evaluate("document.getElementById('error').textContent = ''")
    assert not errors and not foreign
    folder = os.environ.get("MP_SCREENSHOTS")
    if folder:
        page.screenshot(path=pathlib.Path(folder) / f"page-{width}-{scheme}.png", full_page=True)
    page.close()


def test_the_last_answer_that_was_asked_for_is_shown_and_who_leaves_at_the_entry_was_in_no_layer(browser, model):
    with Server(model, "--exit-range", "entropy(threshold=0)..entropy(threshold=1)") as server:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        # The reply to the first question comes after that to the second.
        page.add_init_script(
            """const own = fetch; let asked = 0; window.fetch = async (path, options) => {
              const number = path === "pyramid" ? ++asked : 0, reply = await own(path, { ...options, signal: undefined });
              if (number === 1) await new Promise(done => setTimeout(() => { window.isLate = true; done(); }, 1500));
              return reply;
            };""")
        page.goto(server.url + "/")
        slider = page.locator("#sliders input[type=range]").first
        slider.press("Home")
        slider.press("End")
        playwright.expect(page.locator("#place")).to_contain_text("the entry of 6", timeout=30_000)
        # The page's policy lets no string be evaluated, as waiting for a function would.
        for _ in range(200):
            if page.evaluate("window.isLate"):
                break
            page.wait_for_timeout(50)
        assert page.evaluate("window.isLate")
        page.wait_for_timeout(100)
        playwright.expect(page.locator("#place")).to_contain_text("the entry of 6")
        assert page.locator("#layers .layer b").all_inner_texts() == ["the entry"] and not page.locator("#error").inner_text()
        page.close()
        # Nor has it been in one for the metrics.
        body = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["The Bora is a river."]}],
                "parameters": {"exit": "entropy(threshold=1)"}}
        reply = requests.post(f"{server.url}/v2/models/{model.stem}/infer", json=body, timeout=30).json()
        assert [output["data"] for output in reply["outputs"] if output["name"] == "exit_layer"] == [[0]]
        metrics = server.metrics_with('mp_exit_layer_bucket', "no text is counted")
        alive = [line for line in metrics.splitlines() if line.startswith("mp_tokens_alive_total")]
        assert alive and all(float(line.split()[-1]) == 0 for line in alive), alive
        assert server.stop()[0] == 0


def test_a_list_has_a_slider_for_each_of_its_numbers(browser, model):
    options = ["--prune", "received-attention(thresholds=[0.1, 0.2, 0.3, 0.4, 0.5])", "--prune-range",
               "received-attention(thresholds=[0, 0, 0, 0.4, 0])..received-attention(thresholds=[2, 2, 2, 0.4, 2])"]
    with Server(model, *options) as server:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        errors, asked = [], []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: asked.append(request.post_data_json) if request.url.endswith("/pyramid") else None)
        page.goto(server.url + "/")
        sliders = page.locator("#sliders input[type=range]")
        playwright.expect(sliders).to_have_count(5)
        labels = page.locator("#sliders label").all_inner_texts()
        assert [label.rsplit(" ", 1)[0].strip() for label in labels] == [
            f"received-attention thresholds after layer {layer}" for layer in range(1, 6)]
        # That which may not change stands still.
        assert [sliders.nth(index).is_disabled() for index in range(5)] == [False, False, False, True, False]
        page.locator("#text").press("Control+Enter")
        playwright.expect(page.locator("#answer")).not_to_be_empty(timeout=30_000)
        assert "prune" not in asked[-1]
        before = page.locator("#layers .layer").count()
        sliders.nth(1).press("End")
        playwright.expect(page.locator("#sliders output").nth(1)).to_have_text("2.00")
        for _ in range(100):
            if len(asked) > 1:
                break
            page.wait_for_timeout(50)
        assert asked[-1]["prune"] == "received-attention(thresholds=[0.1, 2, 0.3, 0.4, 0.5], scale=1)"
        assert before > 0 and not page.locator("#error").inner_text() and not errors
        page.close()
        assert server.stop()[0] == 0


def test_a_model_of_several_tasks(browser, several):
    with Server(several) as server:
        page = browser.new_page(viewport={"width": 390, "height": 900})
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(server.url + "/")
        page.locator("#text").press("Control+Enter")
        playwright.expect(page.locator("#answer")).to_contain_text("topic: NaturalPlace", timeout=30_000)
        playwright.expect(page.locator("#answer")).to_contain_text("few: few ")
        assert page.locator("#heads tr").count() == 14
        assert page.locator("#heads tr[aria-current]").count() == 2
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert not errors
        page.close()
        assert server.stop()[0] == 0


def test_a_token_is_asked_for_and_a_model_chosen(browser, model, several, tmp_path):
    for name, path in [("one", model), ("two", several)]:
        shutil.copy(path, tmp_path / f"{name}.mpc")
    with Server(tmp_path, env={"MP_SERVE_TOKEN": "s3cr3t"}) as server:
        page = browser.new_page(viewport={"width": 390, "height": 900})
        page.goto(server.url + "/")
        playwright.expect(page.locator("#error")).to_contain_text("token", timeout=30_000)
        page.locator("#token").fill("s3cr3t")
        page.locator("#text").press("Control+Enter")
        playwright.expect(page.locator("#answer")).to_contain_text("NaturalPlace", timeout=30_000)
        assert not page.locator("#error").inner_text()
        # No request may change a policy here, which the page says in place of sliders.
        assert page.locator("#sliders input").count() == 0
        playwright.expect(page.locator("#fixed")).to_contain_text("--exit-range")
        assert page.locator("#model option").all_inner_texts() == ["one", "two"]
        page.locator("#model").select_option("two")
        page.locator("#text").press("Control+Enter")
        playwright.expect(page.locator("#answer")).to_contain_text("topic: NaturalPlace", timeout=30_000)
        page.close()
        assert server.stop()[0] == 0


def test_a_pair_is_shown(browser, ranker):
    with Server(ranker) as server:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(server.url + "/")
        page.locator("#pair").fill("The Lotru flows south.")
        page.locator("#text").press("Control+Enter")
        playwright.expect(page.locator("#answer")).not_to_be_empty(timeout=30_000)
        chips = page.locator("#layers .layer").first.locator(".chip").all_inner_texts()
        assert "lot" in "".join(chips).lower() and chips.count("[SEP]") == 2
        page.close()
        assert server.stop()[0] == 0
