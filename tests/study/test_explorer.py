"""The report's explorer in a real browser: by mouse, by finger, from the keyboard alone."""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from made_up_report import (
    drawn_figures,
    few_digits,
    made_up_results,
    report,
    trained_model,
)
from study.data import pixels
from study.report.levels import LEVELS

from ae_numpy.codec import Codec

# The page rounds weights to 11 binary places, which changes these errors by less than 1e-4; a
# missing bias, a transposed matrix or the wrong scale changes them by more than a tenth.
MSE_TOLERANCE = 1e-3
# Grey levels of 0 to 255: rounding to a level, and what the rounded weights change.
GREY_TOLERANCE = 1.0


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    report(folder, figures=drawn_figures(folder))
    return folder / "report.html"


def output(page) -> dict:
    """What the explorer has computed: the attributes that it keeps it in."""
    return page.locator("#output").evaluate("output => ({...output.dataset})")


READ = """canvas => {
  const copy = new OffscreenCanvas(28, 28).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, 28, 28);
  return data.filter((level, k) => k % 4 === 0).join(" ");  // grey: the red levels say all
}"""


def canvas(page, name: str) -> np.ndarray:
    """The ink of an image of 28 times 28 pixels, 0 to 255, shape (784,)."""
    return 255.0 - np.array(page.locator(f"#{name}").evaluate(READ).split(), float)


def ink(x: np.ndarray) -> np.ndarray:
    """What the page draws for pixels from 0.01 to 1."""
    return 255 * (x - 0.01) / 0.99


def assert_shows_a_reconstruction(page):
    """Compare the page's numbers and images with the package's, for the current choice."""
    found = output(page)
    model = trained_model(found["protocol"], int(found["ratio"]), found["bias"] == "true")
    x = pixels(few_digits().test_images[[int(found["digit"])]])
    reconstruction = model.reconstruct(x)
    mse = float(((reconstruction - x) ** 2).mean())
    assert float(found["mse"]) == pytest.approx(mse, rel=MSE_TOLERANCE)
    assert page.locator("#mse").text_content() == f"{float(found['mse']):.4f}"
    np.testing.assert_allclose(canvas(page, "original"), ink(x[0]), atol=GREY_TOLERANCE)
    drawn = canvas(page, "reconstruction")
    np.testing.assert_allclose(drawn, ink(reconstruction[0]), atol=GREY_TOLERANCE)
    code = np.array(found["code"].split(), float)
    np.testing.assert_allclose(code, model.encode(x)[0], atol=2e-3)
    bars = page.locator("#units li").all_text_contents()
    np.testing.assert_allclose([float(bar) for bar in bars], code, atol=0.0051)


def assert_shows_the_decoded_point(page):
    """Compare the image with what the package decodes the page's code to."""
    found = output(page)
    assert found["ratio"] == "392"
    model = trained_model(found["protocol"], 392, found["bias"] == "true")
    code = np.array([found["code"].split()], float)
    decoded = ink(model.decode(code)[0])
    np.testing.assert_allclose(canvas(page, "reconstruction"), decoded, atol=GREY_TOLERANCE)
    return code[0]


def test_clicking_ratios_kinds_and_digits_shows_codes_and_reconstructions(open_page, file):
    page = open_page(file)
    assert_shows_a_reconstruction(page)  # at once
    seen = []
    for ratio, protocol, bias in [
        ("392", "tuned", "true"),
        ("7", "tuned", "true"),
        ("98", "published", "false"),
        ("56", "corrected", "true"),
    ]:
        for name, value in (("protocol", protocol), ("bias", bias), ("ratio", ratio)):
            page.click(f"label[for='{name}-{value}']")
        for k in (3, 17, 42):
            page.locator("#digits button").nth(k).click()
            assert_shows_a_reconstruction(page)
            found = output(page)
            assert (found["ratio"], found["protocol"], found["bias"]) == (ratio, protocol, bias)
            assert page.locator("#digits button[aria-pressed=true]").count() == 1
            seen.append(found["mse"])
        assert page.locator("#square").is_visible() == (ratio == "392")
    assert len(set(seen)) == 12


def test_models_left_out_cannot_be_chosen_and_it_is_said(open_page, file):
    page = open_page(file)
    assert not page.locator("#too-large").is_visible()
    page.click("label[for=ratio-7]")
    page.click("label[for=protocol-published]")
    assert page.locator("#too-large").is_visible()
    assert page.locator("#ratio-7").is_disabled()
    assert_shows_a_reconstruction(page)
    assert output(page)["protocol"] == "published"


def press(page, *keys: str):
    for key in keys:
        page.keyboard.press(key)


def focused(page) -> str:
    return page.evaluate("document.activeElement.id || document.activeElement.ariaLabel")


def tab_to(page, name: str):
    """Press the Tab key until an element has the focus."""
    for _ in range(40):
        press(page, "Tab")
        if re.fullmatch(name, focused(page) or ""):
            return
    pytest.fail(f"the Tab key does not reach {name}")


def test_all_of_it_works_from_the_keyboard_alone(open_page, file):
    page = open_page(file)
    press(page, "Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    tab_to(page, "ratio-392")
    press(page, "ArrowRight", "ArrowRight")
    assert output(page)["ratio"] == "98"
    tab_to(page, "protocol-tuned")
    press(page, "ArrowRight")
    assert output(page)["protocol"] == "corrected"
    tab_to(page, "bias-true")
    press(page, "ArrowRight")
    assert output(page)["bias"] == "false"
    tab_to(page, "0, test image .*")
    press(page, "ArrowRight", "ArrowRight", "ArrowDown", "ArrowDown", "ArrowUp", "ArrowLeft")
    before = output(page)["digit"]
    labels = page.locator("#digits button").evaluate_all("all => all.map(b => b.ariaLabel)")
    assert focused(page) == labels[11]
    press(page, "Enter")
    assert output(page)["digit"] == re.search(r"\d+$", labels[11]).group() != before
    assert_shows_a_reconstruction(page)
    press(page, "ArrowLeft", "Space")
    assert output(page)["digit"] == re.search(r"\d+$", labels[10]).group()
    press(page, "Shift+Tab")
    assert focused(page) == "bias-false"
    press(page, "Shift+Tab", "Shift+Tab", "ArrowLeft", "ArrowLeft")
    assert output(page)["ratio"] == "392"
    tab_to(page, "square")
    press(page, *["Shift+ArrowLeft", "Shift+ArrowDown"] * 11)
    assert assert_shows_the_decoded_point(page).tolist() == [0, 0]  # no further than the corner
    press(page, "ArrowRight", "ArrowRight", "ArrowLeft", "ArrowUp", "Shift+ArrowUp")
    moved = assert_shows_the_decoded_point(page)
    np.testing.assert_allclose(moved, [0.01, 0.11], atol=1e-9)
    page.wait_for_function(
        "text => document.getElementById('announcement').textContent.includes(text)",
        arg=", ".join(f"{a:.2f}" for a in moved),
    )
    press(page, "Home")
    assert_shows_a_reconstruction(page)


def test_the_decoded_image_follows_the_pointer(open_page, file):
    page = open_page(file)
    square = page.locator("#square")
    square.scroll_into_view_if_needed()
    box = square.bounding_box()
    images = []
    for a1, a2 in [(0.1, 0.9), (0.5, 0.5), (0.93, 0.2)]:
        page.mouse.move(box["x"] + a1 * box["width"], box["y"] + (1 - a2) * box["height"])
        code = assert_shows_the_decoded_point(page)
        np.testing.assert_allclose(code, [a1, a2], atol=2 / box["width"])
        images.append(canvas(page, "reconstruction"))
    assert all(np.abs(a - b).max() > 2 for a, b in pairwise(images))
    page.locator("#digits button").nth(8).click()
    assert_shows_a_reconstruction(page)  # the point is at the digit's own code again


def test_the_square_is_drawn_for_each_model_and_point(open_page, file):
    page = open_page(file)
    pictures = []
    for keys in ((), ("Shift+ArrowRight",), ("Shift+ArrowLeft",) * 2, ("Home",)):
        page.locator("#square").focus()
        press(page, *keys)
        pictures.append(page.locator("#square").evaluate("canvas => canvas.toDataURL()"))
    page.click("label[for=protocol-published]")
    pictures.append(page.locator("#square").evaluate("canvas => canvas.toDataURL()"))
    assert pictures[3] == pictures[0]
    assert len(set(pictures)) == 4


def test_figures_of_the_protocols_share_a_place_and_all_are_printed(open_page, file):
    page = open_page(file)
    images = page.locator("#figures .figure").nth(1).locator("img")
    visible = [image.is_visible() for image in images.all()]
    assert visible == [True, False, False]
    tables = page.locator("#biases table")
    assert [table.is_visible() for table in tables.all()] == [True, False, False]
    tab_to(page, "tabs-figure-5-0")
    press(page, "ArrowRight")
    assert [image.is_visible() for image in images.all()] == [False, True, False]
    assert not page.locator(".claims .why").first.is_visible()
    page.locator("#reasons").check()
    assert page.locator(".claims .why").first.is_visible()
    page.locator("#reasons").uncheck()
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 720, "height": 1000})  # about A4 at 96 dots an inch
    assert page.evaluate("document.documentElement.scrollWidth") <= 720
    assert all(shown.is_visible() for shown in [*images.all(), *tables.all()])
    assert page.locator(".claims .why").first.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_of_a_phone_and_a_finger_moves_the_point(open_page, file, scheme):
    phone = {"width": 390, "height": 844}
    page = open_page(file, viewport=phone, has_touch=True, is_mobile=True, color_scheme=scheme)
    widths = "[document.documentElement.scrollWidth, innerWidth]"
    for ratio in ("7", "392"):
        page.tap(f"label[for=ratio-{ratio}]")
        width, inner = page.evaluate(widths)
        assert width <= inner == 390
    page.locator("#square").scroll_into_view_if_needed()
    box = page.locator("#square").bounding_box()
    page.touchscreen.tap(box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"])
    np.testing.assert_allclose(assert_shows_the_decoded_point(page), [0.25, 0.5], atol=0.01)


def test_a_run_without_two_units_has_no_square(open_page, tmp_path):
    report(tmp_path, made_up_results(("corrected",), (28, 7)))
    page = open_page(tmp_path / "report.html")
    assert_shows_a_reconstruction(page)
    assert not page.locator("#square").is_visible()
    assert not page.locator("#square-hint").is_visible()
    assert page.locator("#protocol").is_hidden()


def test_no_other_script_style_base_or_form_works(browser, file, tmp_path):
    page_of = file.read_text(encoding="utf-8")
    planted = (
        "<base href='https://elsewhere.invalid/'><style>h1 { color: rgb(1, 2, 3) }</style>"
        "<script>document.title = 'planted'</script><img src='x' onerror='document.title = 1'>"
        "<form action='https://elsewhere.invalid/'></form>"
    )
    changed = tmp_path / "changed.html"
    changed.write_text(page_of.replace("</header>", planted + "</header>", 1), encoding="utf-8")
    page, requests, complaints = browser.new_page(), [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(changed.as_uri())
    assert page.title() == "Fourteen autoencoders, trained again"
    assert page.evaluate("document.baseURI") == changed.as_uri()
    assert page.locator("h1").evaluate("h => getComputedStyle(h).color") != "rgb(1, 2, 3)"
    with page.expect_console_message(lambda message: "form-action" in message.text):
        page.evaluate("document.forms[0].requestSubmit()")
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    for directive in ("base-uri", "style-src", "script-src"):
        assert any(directive in said for said in complaints)
    page.close()


def move_slider(page, stop: int):
    """Put the slider of levels at a stop, as a mouse or a key does."""
    slide = "(input, stop) => { input.value = stop; input.dispatchEvent(new Event('input')); }"
    page.locator("#levels").evaluate(slide, stop)


@pytest.mark.parametrize("ratio", [392, 98, 7])
def test_the_slider_of_levels_counts_the_bytes_that_the_package_counts(open_page, file, ratio):
    page = open_page(file)
    page.click(f"label[for=ratio-{ratio}]")
    assert float(output(page)["bits"]) == 32 * 784 / ratio  # float32
    X, model = pixels(few_digits().train_images), trained_model("tuned", ratio, True)
    n_clear = 0
    for stop, levels in enumerate(LEVELS):
        move_slider(page, stop)
        codec = Codec(model, levels=levels).fit(X)
        for k in (5, 21):
            page.locator("#digits button").nth(k).click()
            found = output(page)
            assert found["levels"] == str(levels)
            code = np.array(found["code"].split(), float)
            x = pixels(few_digits().test_images[[int(found["digit"])]])
            # So near the middle of two levels, the page's float16 weights may round otherwise.
            exact = model.encode(x)[0] * (levels - 1)
            clear = np.abs(exact % 1 - 0.5) > 2e-3 * (levels - 1)
            n_clear += clear.sum()
            np.testing.assert_allclose((code * (levels - 1))[clear], np.rint(exact)[clear])
            if clear.all():
                assert float(found["bits"]) == pytest.approx(codec.bits(x)[0], abs=1e-6)
            # Whatever was rounded how: its bits are those of the package's counts.
            symbols = np.rint(code * (levels - 1)).astype(np.uint8)[np.newaxis]
            counted = codec._tables.cheapest(symbols)[1][0]
            assert float(found["bits"]) == pytest.approx(counted, abs=1e-6)  # sums of 2^-16 bits
            shown = f"{counted / 8:.1f} bytes ({784 / (counted / 8):.1f}x)"
            assert page.locator("#bytes").text_content() == shown
            decoded = ink(model.decode(code[np.newaxis])[0])
            drawn = canvas(page, "reconstruction")
            np.testing.assert_allclose(drawn, decoded, atol=GREY_TOLERANCE)
    assert n_clear > 0.8 * 2 * len(LEVELS) * model.code_size_


def test_the_slider_of_levels_works_from_the_keyboard_and_moves_the_point(open_page, file):
    page = open_page(file)
    before = output(page)["code"]
    page.locator("#levels").focus()
    press(page, "Home")
    assert set(output(page)["code"].split()) <= {"0", "1"}
    press(page, "ArrowRight")
    assert output(page)["levels"] == "3"
    assert page.locator("#levels").get_attribute("aria-valuetext") == "3 levels"
    page.locator("#square").focus()
    press(page, "Shift+ArrowRight")  # a tenth is less than half a level, or is rounded to it
    assert set(output(page)["code"].split()) <= {"0", "0.5", "1"}
    press(page, "Home")
    page.locator("#levels").focus()
    press(page, "End")
    assert output(page)["code"] == before
