"""The live graph in a real browser: its numbers are the package's, and every task can be solved."""

import itertools
import json
import re

import numpy as np
import pytest
from live.make import COMPUTE, HERE, chapter_numbers, content_hash, make_page, page_numbers

from ae_numpy import Network

PAGE = HERE / "index.html"
DATA = re.compile(r'(<script type="application/json" id="numbers">)(.*?)(</script>)')
NEURON, NETWORK = "#task-1", "#task-8"  # tasks about the one and the other
# Values of order 1, from the same few operations: 1e-12 leaves room for thousands of roundings.
EXACT = {"rtol": 1e-12, "atol": 1e-12}


@pytest.fixture
def live(open_page):
    """Open the page at a task."""

    def live(task: str = "", **settings):
        page = open_page(PAGE, task, **settings)
        page.set_default_timeout(5000)
        return page

    return live


CLICK = "selector => document.querySelector(selector).click()"
READ = """() => Object.fromEntries([...document.querySelectorAll("#cards .card")].map(
  ({ dataset }) => [dataset.name, { value: +dataset.value, gradient: +dataset.gradient }]))"""
SET = """values => {
  for (const [id, value] of Object.entries(values)) {
    const slider = document.getElementById(id);
    slider.value = value;
    slider.dispatchEvent(new Event("input"));
  }
}"""


def numbers(page) -> dict[str, float]:
    """All values and gradients that the page computes, under the names of the chapters."""
    cards = page.evaluate(READ)
    values = {name: card["value"] for name, card in cards.items()}
    return values | {f"d{name}": card["gradient"] for name, card in cards.items()}


def move(page, **sliders: float):
    """Move sliders by their identifiers."""
    page.evaluate(SET, sliders)


def click(page, selector: str):
    """Click at once, where how to get there is not what is tested."""
    page.evaluate(CLICK, selector)


def choose(page, tool: str):
    click(page, f"input[value={tool}]")


def go_to(page, task: int):
    click(page, f"#task-list button:nth-of-type({task})")


def turn(page, values: dict[str, float]):
    """Move the knobs of the graph."""
    move(page, **{f"slider-{name}": value for name, value in values.items()})


def start_of(model: str) -> dict[str, float]:
    return page_numbers()[model]["start"]


def random_settings(model: str, seed: int) -> dict[str, float]:
    """Multiples of a slider's step within its range, every eighth of them 0."""
    rng = np.random.default_rng(seed)
    names = list(start_of(model))
    steps = rng.integers(-80, 81, len(names)) * (rng.random(len(names)) > 0.125)
    return dict(zip(names, (steps / 20).tolist(), strict=True))


def same(found: dict[str, float], expected: dict[str, float]):
    for name, number in expected.items():
        np.testing.assert_allclose(found[name], number, **EXACT, err_msg=name)


both_models = pytest.mark.parametrize(
    ("model", "task"), [("neuron", NEURON), ("network", NETWORK)], ids=["neuron", "network"]
)

# --- The file -------------------------------------------------------------------------------------


def test_the_committed_page_is_what_the_script_makes():
    committed, made = PAGE.read_text(encoding="utf-8"), make_page()
    hint = "run examples/live/make.py"
    assert DATA.sub(r"\1\3", committed) == DATA.sub(r"\1\3", made), hint
    old, new = (json.loads(DATA.search(page)[2]) for page in (committed, made))
    for model in new:
        # exp may differ in its last digit from one processor to another.
        assert new[model]["start"] == old[model]["start"], hint
        assert new[model]["numbers"] == pytest.approx(old[model]["numbers"], rel=1e-14), hint
    assert PAGE.stat().st_size < 100_000


def test_the_numbers_are_those_of_the_chapters():
    found = page_numbers()
    neuron, network = found["neuron"], found["network"]
    assert neuron["start"]["w[1]"] == -0.25
    assert round(neuron["numbers"]["J"], 4) == 0.2672  # what chapter 1 prints
    assert round(neuron["numbers"]["dw[1]"], 4) == 0.4312
    assert network["start"]["t[1]"] == network["start"]["x[1]"] == 0.2
    np.testing.assert_allclose(network["numbers"]["z0[0]"], 0.7, rtol=1e-14)


def test_only_the_first_literal_of_a_name_counts(tmp_path):
    script = tmp_path / "chapter.py"
    script.write_text("x = [1.0]\nb = x\nx = [2.0]\nb = 3.0\n")
    assert chapter_numbers(script) == {"x": [1.0], "b": 3.0}


def test_nothing_but_the_page_s_own_script_and_style_may_run(browser):
    text = PAGE.read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    style, script = (
        re.search(f"<{tag}>(.*)</{tag.split()[0]}>", text, re.S)[1]
        for tag in ("style", 'script type="module"')
    )
    assert policy.split("; ") == [
        "default-src 'none'",
        f"style-src '{content_hash(style)}'",
        f"script-src '{content_hash(script)}'",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
    refused = "() => { try { document.body.innerHTML = ''; } catch (error) { return error.name; } }"
    page = browser.new_page()  # not by open_page: the browser complains, as it should
    page.goto(PAGE.as_uri())
    assert page.evaluate(refused) == "TypeError"
    page.close()


def test_a_page_whose_numbers_differ_says_so(open_page, tmp_path):
    text = PAGE.read_text(encoding="utf-8")
    J = page_numbers()["network"]["numbers"]["J"]
    changed = tmp_path / "changed.html"
    changed.write_text(text.replace(f'"J": {J}', f'"J": {J + 1e-11}'), encoding="utf-8")
    assert "do not trust" in open_page(changed).locator("#self-check").text_content()
    assert open_page(PAGE).locator("#self-check").text_content().startswith("Checked: 45 numbers")


# --- The numbers ----------------------------------------------------------------------------------


@both_models
def test_all_values_and_gradients_equal_the_reference(live, model, task):
    page = live(task)
    assert numbers(page).items() >= start_of(model).items()
    same(numbers(page), COMPUTE[model](start_of(model)))
    for seed in range(20):
        settings = random_settings(model, seed)
        turn(page, settings)
        found = numbers(page)
        assert found.items() >= settings.items()
        same(found, COMPUTE[model](settings))


def as_network(model: str) -> Network:
    return Network((2, 1) if model == "neuron" else (2, 2, 2), dtype="float64")


def array(found: dict[str, float], name: str, *shape: int) -> np.ndarray:
    entries = itertools.product(*map(range, shape))
    flat = [found[name + "".join(f"[{k}]" for k in index)] for index in entries]
    return np.array(flat).reshape(shape)


def parameters(model: str, found: dict[str, float]) -> dict[str, np.ndarray]:
    if model == "neuron":
        return {"W0": array(found, "w", 2)[:, None], "b0": np.array([found["b"]])}
    shapes = {"W0": (2, 2), "b0": (2,), "W1": (2, 2), "b1": (2,)}
    return {name: array(found, name, *shape) for name, shape in shapes.items()}


def sample(model: str, found: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    target = np.array([found["t"]]) if model == "neuron" else array(found, "t", 2)
    return array(found, "x", 2)[None], target[None]


# Exponents of the rate, and first and last steps. At high rates errors grow by themselves from one
# step to the next, as everything does that differs by a little: there, one step at a time.
RUNS = [(-2, 0, 100), (-1, 0, 100), (-0.5, 0, 50)]
RUNS += [(rate, first, first + 1) for rate in (0, 0.7, 1.5, 3) for first in (0, 1, 60)]


@both_models
def test_training_steps_equal_those_of_the_network(live, model, task):
    page, network, moved = live(task), as_network(model), 0
    for seed, (exponent, first, last) in enumerate(RUNS):
        turn(page, {name: v / 2 for name, v in random_settings(model, 100 + seed).items()})
        move(page, **{"train-rate": exponent, "train-step": first})
        before = numbers(page)
        X, target = sample(model, before)
        start = flat = network.flatten(parameters(model, before))
        for _ in range(first, last):
            _, gradients = network.loss_and_gradients(network.as_dict(flat), X, target)
            flat = flat - float(f"{10**exponent:.1e}") * network.flatten(gradients)
        move(page, **{"train-step": last})
        trained = network.flatten(parameters(model, numbers(page)))
        np.testing.assert_allclose(trained, flat, **EXACT)
        moved += np.abs(trained - start).max() > 1e-3
    assert moved > len(RUNS) / 2  # the others are saturated


PATHS = """() => [...document.querySelectorAll("#paths-from option")].map(({ value }) => {
  const list = document.getElementById("paths-from");
  list.value = value;
  list.dispatchEvent(new Event("change"));
  const paths = document.querySelectorAll("#paths-list button");
  return [value, [...paths].map(({ dataset }) => Number(dataset.term))];
})"""
N_PATHS = {"neuron": {}, "network": {"x": 4, "W0": 2, "b0": 2, "z0": 2, "a0": 2}}


@both_models
def test_the_products_of_the_paths_add_up_to_every_gradient(live, model, task):
    page = live(task)
    choose(page, "paths")
    turn(page, random_settings(model, 7))
    found = numbers(page)
    listed = page.evaluate(PATHS)
    assert len(listed) == {"neuron": 9, "network": 22}[model]
    for name, terms in listed:
        assert len(terms) == N_PATHS[model].get(name.split("[")[0], 1)
        np.testing.assert_allclose(sum(terms), found[f"d{name}"], **EXACT)


@both_models
def test_nudges_measure_the_slope_of_the_loss(live, model, task):
    page = live(task)
    choose(page, "nudge")
    settings = start_of(model)
    names = page.locator("#nudge-what option").all_text_contents()
    for name in names[:: 1 + len(names) // 7]:
        page.select_option("#nudge-what", name)
        for exponent in (0, -1, -5):
            move(page, **{"nudge-step": exponent})
            h = 10.0**exponent
            down, up = ({**settings, name: settings[name] + step} for step in (-h, h))
            difference = COMPUTE[model](up)["J"] - COMPUTE[model](down)["J"]
            slope = float(page.locator("#nudge-numbers").get_attribute("data-slope"))
            # Roundings of the two losses, some 1e-16, are divided by 2 h.
            assert slope == pytest.approx(difference / (2 * h), abs=1e-15 / h)
        said = page.locator("#nudge-verdict").text_content()
        assert re.search("agree to ([5-9]|1.) digits", said)


@both_models
def test_the_python_that_it_shows_gives_its_numbers(live, model, task):
    page = live(task)
    turn(page, random_settings(model, 3))
    page.get_by_text("The same numbers in Python").click()
    space = {}
    exec(page.locator("#python").inner_text(), space)
    found = numbers(page)
    np.testing.assert_allclose(space["J"], found["J"], **EXACT)
    np.testing.assert_allclose(space["dx"], [array(found, "dx", 2)], **EXACT)
    first = "W" if model == "neuron" else "W0"
    gradients = {name: found[f"d{name}"] for name in start_of(model) if not name.startswith("t")}
    np.testing.assert_allclose(space[f"d{first}"], parameters(model, gradients)["W0"], **EXACT)


# --- Step, and predict ----------------------------------------------------------------------------

GUESS = """guess => {
  document.getElementById("step-number").value = guess;
  document.getElementById("step-guess").requestSubmit();
  return document.querySelector(".guess").textContent;
}"""


@both_models
def test_steps_show_one_number_after_another_and_judge_predictions(live, model, task):
    page = live(task)
    choose(page, "step")
    while page.locator("#step-back").is_enabled():
        click(page, "#step-back")
    found, expected = numbers(page), COMPUTE[model](start_of(model))
    computed = [name for name in expected if not name.startswith("d")]
    assert page.locator(".computed .value").all_text_contents() == ["?"] * len(computed)
    assert not any(page.locator(".card .gradient").all_text_contents())
    asked = []
    while page.locator("#step-guess").is_visible():
        asked.append(page.locator("#step-asked").text_content())
        right = found[asked[-1]]
        guess = right if len(asked) % 2 else -right
        said = page.evaluate(GUESS, f"{guess:.3g}".replace(".", ","))
        assert said.startswith("✓" if len(asked) % 2 else "✗")
        assert ("the sign is not" in said) == (len(asked) % 2 == 0)
    assert sorted(asked[: len(computed)]) == sorted(computed)
    assert page.locator("#said").text_content() == page.locator("#step-words").text_content()
    shown = page.locator(".card:not(.target) .gradient").all_text_contents()
    assert all(re.fullmatch(r"d\S+ \S?[\d.]+(e\S\d+)?", text) for text in shown)
    slopes = page.locator(".slope:visible").all_text_contents()
    assert len(slopes) == {"neuron": 9, "network": 6}[model]
    a = found["a" if model == "neuron" else "a1[0]"]
    assert f"\N{MULTIPLICATION SIGN} {round(a * (1 - a), 4)}" in slopes
    click(page, "#step-back")
    assert page.locator("#step-asked").text_content() == asked[-1]


def test_a_click_on_an_edge_chooses_a_path_through_it(live):
    page = live("#task-9")
    chosen = "#paths-list button[aria-pressed=true] .via"
    assert page.locator(chosen).text_content() == "x[0]→z0[0]→a0[0]→z1[1]→a1[1]→J"
    seen = set()
    for line in page.locator(".edge").all()[:20]:
        line.dispatch_event("click")
        seen.add(page.locator(chosen).text_content())
        assert page.locator(".edge.on-path").count() == 7  # two edges at a weight, else one
    assert len(seen) == 4


# --- The tasks ------------------------------------------------------------------------------------

SOLUTIONS = [
    lambda page: turn(page, {"w[0]": -1, "b": -1}),
    lambda page: number(page, "1"),
    lambda page: page.click("text=It grows"),
    lambda page: number(page, "0,29"),
    lambda page: page.locator(".choice", has_text="w[1]").click(),
    lambda page: move(page, **{"nudge-step": -4}),
    lambda page: turn(page, {"w[0]": 4}),
    lambda page: number(page, "\N{MINUS SIGN}0.0526"),
    lambda page: turn(page, {"W1[0][1]": 0}),
    lambda page: page.click("text=dW0[0][0], dW0[1][0] and db0[0]"),
    lambda page: move(page, **{"train-rate": 0}),
    lambda page: move(page, **{"train-rate": 0.7}),
    lambda page: page.click("text=It stands still, wrong"),
]


def number(page, text: str):
    page.fill("#task-number", text)
    page.press("#task-number", "Enter")


def verdict(page) -> str:
    return page.locator("#task-verdict").text_content()


def test_a_first_task_is_there_at_once_and_all_can_be_solved_in_turn(live):
    page = live()
    assert page.locator("#task-text").is_visible()
    for k, solve in enumerate(SOLUTIONS):
        assert page.locator("#task-title").text_content().startswith(f"{k + 1}. ")
        assert verdict(page) == ""
        assert not page.locator("#task-next").is_visible()
        solve(page)
        assert verdict(page).startswith("✓"), k + 1
        if k < len(SOLUTIONS) - 1:
            click(page, "#task-next")
    assert page.locator("#task-list button").all_text_contents() == ["✓"] * len(SOLUTIONS)
    assert not page.locator("#task-next").is_visible()
    assert page.locator("#train-verdict").get_attribute("data-outcome") == "saturated"


WRONG_NUMBERS = {
    2: {
        "0.25": "bias is missing",
        "2.5": "p[1] is negative",
        "-1": "the sign is not",
        "one": "Type a number",
        "5": "Not yet",
    },
    4: {"0.0719": "That is dx[0]", "0.1437": "That is dp[0]", "2": "local derivative"},
    8: {"-0.041": "one path", "-0.0116": "one path", "0.000476": "over the paths, add up"},
}


def test_wrong_numbers_are_told_what_is_wrong(live):
    page = live()
    for task, answers in WRONG_NUMBERS.items():
        go_to(page, task)
        for answer, said in answers.items():
            number(page, answer)
            assert verdict(page).startswith("✗")
            assert said in verdict(page)


def test_wrong_choices_and_shortcuts_do_not_count(live):
    page = live("#task-3")
    page.click("text=It shrinks")
    assert verdict(page).startswith("✗ Follow it")
    go_to(page, 1)
    turn(page, {"t": 0.75})  # the loss is low, but it is the target that has moved
    assert verdict(page) == ""
    click(page, "#task-reset")
    assert numbers(page)["t"] == 0
    click(page, "input[value=network]")
    assert "the other model" in page.locator("#task-progress").text_content()
    go_to(page, 9)
    turn(page, {"W0[0][0]": 0})  # this cuts two paths
    assert verdict(page) == ""
    go_to(page, 8)
    assert "hidden" in page.locator("#paths-sum").text_content()
    click(page, "input[value=neuron]")
    number(page, "1")
    assert "the other model" in verdict(page)


def test_learning_rates_train_jump_and_saturate(live):
    page = live("#task-11")
    found = {}
    for exponent in (-2, 0, 0.7, 1.5, 3):
        move(page, **{"train-rate": exponent})
        found[exponent] = page.locator("#train-verdict").get_attribute("data-outcome")
    assert list(found.values()) == ["slow", "learned", "jumping", "saturated", "saturated"]
    assert "diverged" in page.locator("#train-verdict").text_content()


# --- By keyboard, mouse and finger; for every eye -------------------------------------------------


def test_every_knob_is_a_slider_for_the_keyboard(live):
    page = live(NETWORK)
    wanted, reached = set(start_of("network")), {}
    for _ in range(80):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.ariaLabel")
        if name not in wanted:
            continue
        before = numbers(page)[name]
        page.keyboard.press("ArrowRight")
        assert numbers(page)[name] == pytest.approx(before + 0.05)
        page.keyboard.press("Home")
        reached[name] = numbers(page)[name]
        if reached.keys() == wanted:
            break
    assert reached.keys() == wanted
    assert set(reached.values()) == {-4}
    for name in wanted:
        assert page.get_by_role("slider", name=name, exact=True).count() == 1


def test_tasks_tools_and_paths_work_from_the_keyboard(live):
    page = live("#task-8")
    page.locator("input[value=paths]").focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator("#panel-step").is_visible()
    page.locator(".card[data-name='x[1]'] button").focus()
    page.keyboard.press("Enter")
    assert page.locator("#paths-list button").count() == 4
    page.locator("#paths-list button").nth(2).focus()
    page.keyboard.press("Space")
    assert page.locator("#paths-list button").nth(2).get_attribute("aria-pressed") == "true"
    assert page.evaluate("document.activeElement.ariaPressed") == "true"  # the focus has not gone


def test_a_mouse_and_a_finger_drag_a_knob(live):
    page = live(NEURON)
    box = page.locator("[id='slider-w[0]']").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 8 + 4.5 / 8 * (box["width"] - 16), y)
    page.mouse.down()
    page.mouse.move(box["x"] + 8 + 1 / 8 * (box["width"] - 16), y, steps=4)
    page.mouse.up()
    assert numbers(page)["w[0]"] == pytest.approx(-3, abs=0.1)
    phone = live(NETWORK, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    slider = phone.locator("[id='slider-W0[1][1]']")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    phone.touchscreen.tap(box["x"] + 8 + 3 / 8 * (box["width"] - 16), box["y"] + box["height"] / 2)
    assert numbers(phone)["W0[1][1]"] == pytest.approx(-1, abs=0.1)


OVERLAPS = """() => {
  const boxes = [...document.querySelectorAll("#cards .card, #cards .slope")].map(
    box => [box.textContent, box.getBoundingClientRect()]).filter(([, box]) => box.width);
  return boxes.flatMap(([name, a], k) => boxes.slice(k + 1).filter(([, b]) =>
    a.left < b.right - 2 && b.left < a.right - 2 && a.top < b.bottom - 2 && b.top < a.bottom - 2
  ).map(([other]) => [name, other]));
}"""
WIDTHS = """() => [...document.querySelectorAll("input[name=tool]")].map(tool => {
  tool.click();
  return document.documentElement.scrollWidth;
})"""
CUT = """() => [...document.querySelectorAll("#cards .card")].filter(
  card => card.scrollWidth > card.clientWidth).map(card => card.textContent)"""


def test_nothing_overlaps_or_sticks_out(live):
    page = live()
    for width, task in itertools.product((320, 390, 768, 1024, 1280, 1920), (6, 9)):
        page.set_viewport_size({"width": width, "height": 900})
        go_to(page, task)
        assert max(page.evaluate(WIDTHS)) <= width
        for rate in (0, 2):  # numbers of other lengths, too
            page.evaluate("new Promise(requestAnimationFrame)")  # the new width has been seen
            assert page.evaluate(OVERLAPS) == [], width
            assert page.evaluate(CUT) == [], width
            move(page, **{"train-rate": rate, "train-step": 30})


NEXT_POSITION = """() => new Promise(seen => {
  const look = () => {
    const position = Number(document.getElementById("train-step").value);
    if (position > 1) seen(position);
    else setTimeout(look, 10);
  };
  look();
})"""


def test_training_moves_unless_the_reader_wants_no_motion(live):
    page = live("#task-11", reduced_motion="no-preference")
    position = "Number(document.getElementById('train-step').value)"
    click(page, "#train-play")
    assert 1 < page.evaluate(NEXT_POSITION) < 100
    click(page, "#train-play")  # it is the button to stop now
    stopped = page.evaluate(position)
    page.evaluate("new Promise(end => setTimeout(end, 100))")
    assert page.evaluate(position) == stopped
    page.emulate_media(reduced_motion="reduce")
    click(page, "#train-play")
    assert page.evaluate(position) == 100


# Machado, Oliveira and Fernandes 2009, table 1 at severity 1.0: linear RGB as it is seen.
DEFICIENCIES = {
    "protan": "0.152286 1.052583 -0.204868 0.114503 0.786281 0.099216 -0.003882 -0.048116 1.051998",
    "deutan": "0.367322 0.860646 -0.227968 0.280085 0.672501 0.047413 -0.011820 0.042940 0.968881",
    "tritan": "1.255528 -0.076749 -0.178779 -0.078411 0.930809 0.147602 0.004733 0.691367 0.303900",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colour_blind_readers_tell_values_from_gradients_and_colour_is_not_all(live, scheme):
    page = live("#task-9", color_scheme=scheme)
    colour = "kind => getComputedStyle(document.querySelector(`.card .${kind}`)).color"
    value, gradient = (
        np.array([int(c) for c in re.findall(r"\d+", page.evaluate(colour, kind))]) / 255
        for kind in ("value", "gradient")
    )
    for matrix in DEFICIENCIES.values():
        seen = [np.array(matrix.split(), float).reshape(3, 3) @ c**2.2 for c in (value, gradient)]
        # As far apart as black and a dark grey of 40 %, at least.
        assert np.abs(seen[0] - seen[1]).max() > 0.4**2.2
    assert all(
        text[0] == "d" for text in page.locator(".card .gradient").all_text_contents() if text
    )
    dashes = "getComputedStyle(document.querySelector('.tangent')).strokeDasharray"
    choose(page, "nudge")
    assert page.evaluate(dashes) != "none"


@pytest.mark.parametrize(
    ("width", "scheme", "tasks"), [(390, "dark", (5, 9)), (1300, "light", (5, 6, 9, 13))]
)
def test_axe_finds_no_violation(live, width, scheme, tasks):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="runs axe-core").Axe()
    page = live(viewport={"width": width, "height": 844}, color_scheme=scheme)
    for task in tasks:  # every tool; a wrong answer
        go_to(page, task)
        if task == 5:
            click(page, ".choice")
        found = axe.run(page)
        assert found.violations_count == 0, found.generate_report()
