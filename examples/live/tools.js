// The four tools below the task: step, paths, nudge, train. Each shows what `app` holds.

// --- Step: forward and backward, node by node ---------------------------------------------------

function showStep(app) {
  const { graph, steps, stage } = app;
  const next = steps[stage];
  const count = (forward) => steps.filter((step) => step.forward === forward).length;
  byId("step-back").disabled = stage === 0;
  byId("step-next").disabled = !next;
  byId("step-next").textContent = !next ? "Done"
    : next.forward ? "Step forward ▸" : "Step backward ▸";
  byId("step-guess").hidden = !next;
  if (next) byId("step-asked").textContent = asked(next);
  const last = steps[stage - 1];
  const words = byId("step-words");
  if (!last) {
    words.replaceChildren(element("p", {}, "Nothing is computed yet. Step forward."));
    return;
  }
  const position = last.forward ? `Forward ${stage} of ${count(true)}`
    : `Backward ${stage - count(true)} of ${count(false)}`;
  const said = app.guessed ? [element("p", { class: "guess" }, app.guessed)] : [];
  words.replaceChildren(
    ...said,
    element("p", { class: "position" }, `${position}. ${reason(graph, last)}`),
    ...derivations(graph, last).map((line) => derivation(line, last.forward)),
  );
}

const asked = (step) => (step.forward ? step.names[0] : `d${step.names[0]}`);

function derivation([name, formula, numbers, result], forward) {
  const kind = forward ? "value" : "gradient";
  return element(
    "p", { class: "derivation" },
    element("b", { class: kind }, name), ` = ${formula}`, element("br"),
    ...(numbers === result ? ["= "] : [`= ${numbers} = `]), element("b", { class: kind }, result),
  );
}

// What to say of a guess at the next step's first number.
function judged(app, guess) {
  const step = app.steps[app.stage];
  const [name] = step.names;
  const value = step.forward ? app.graph.value[name] : app.graph.gradient[name];
  const shown = step.forward ? short(value) : signed(value);
  if (near(guess, value)) return `✓ You predicted ${short(guess)}: right.`;
  const sign = value !== 0 && near(-guess, value) ? " The size is right, the sign is not." : "";
  return `✗ You predicted ${short(guess)}; ${asked(step)} is ${shown}.${sign}`;
}

// --- Paths: multiply along a path, add up over the paths ----------------------------------------

function showPaths(app) {
  const { graph, selected, paths, chosen } = app;
  byId("paths-from").value = selected;
  const terms = termsOf(graph, selected);
  byId("paths-list").replaceChildren(...paths.map((path, k) => {
    const button = element(
      "button", { type: "button", class: "path", "aria-pressed": `${k === chosen}`, "data-term": terms[k] },
      element("span", { class: "via" }, path.join("→")),
      ...(k === chosen ? factors(graph, path) : []),
      element("b", { class: "gradient" }, `${k === chosen ? "= " : ""}${signed(terms[k])}`),
    );
    button.addEventListener("click", () => app.choosePath(k));
    return element("li", {}, button);
  }));
  const sum = byId("paths-sum");
  if (app.task.hidesSum && !app.solved.has(app.task)) {
    sum.textContent = "The sum is hidden until you have answered.";
  } else {
    const added = terms.map(signed).join(" ");
    const equation = terms.length > 1 ? ` = ${added} = ` : " = ";
    const count = terms.length > 1 ? `${terms.length} paths, added up: ` : "One path: ";
    sum.replaceChildren(
      count, element("b", { class: "gradient" }, `d${selected}`), equation,
      element("b", { class: "gradient" }, signed(graph.gradient[selected])),
    );
  }
}

function factors(graph, path) {
  return graph.slopesAlong(path).flatMap((slope, k) => {
    const symbol = slopeSymbol(graph, path[k], path[k + 1]);
    const factor = element(
      "span", { class: "factor" },
      element("span", {}, symbol), element("span", {}, bracketed(slope)),
    );
    return k ? ["× ", factor] : [factor];
  });
}

// The cards whose values are factors along a path: at a product, each factor receives the other one.
function partners(graph, path) {
  return path.slice(1).flatMap((name, k) => {
    const { rule, inputs } = graph.node[name];
    const partner = inputs[inputs.indexOf(path[k]) ^ 1];
    return (rule === "dense" || rule === "product") && partner ? [partner] : [];
  });
}

// --- Nudge: measure a slope, and compare it with the gradient -----------------------------------

function measure(graph, name, h) {
  const at = graph.value[name];
  const [down, up] = [graph.lossAt(name, at - h), graph.lossAt(name, at + h)];
  const slope = (up - down) / (2 * h);
  const gradient = graph.gradient[name];
  const scale = Math.max(Math.abs(slope), Math.abs(gradient));
  return { at, down, up, slope, gradient, relative: scale ? Math.abs(slope - gradient) / scale : 0 };
}

function showNudge(app) {
  const { graph, selected, h } = app;
  const measured = measure(graph, selected, h);
  byId("nudge-what").value = selected;
  byId("nudge-step").value = Math.log10(h);
  byId("nudge-step").setAttribute("aria-valuetext", power(h));
  byId("nudge-h").textContent = power(h);
  const digits = (value) => minus(value.toPrecision(8));
  const rows = [
    [`J at ${selected} + h`, digits(measured.up), "value"],
    [`J at ${selected} − h`, digits(measured.down), "value"],
    ["their difference / 2h, measured", digits(measured.slope), "measured"],
    [`d${selected}, computed`, digits(measured.gradient), "gradient"],
  ];
  byId("nudge-numbers").replaceChildren(...rows.flatMap(([term, text, kind]) => [
    element("dt", {}, term), element("dd", { class: kind }, text),
  ]));
  byId("nudge-numbers").dataset.slope = measured.slope;
  write("nudge-verdict", agreement(measured.relative, h));
  drawNudge(byId("nudge-plot"), graph, selected, h, measured);
}

function power(h) {
  return h >= 0.01 ? short(h) : minus(String(h));
}

function agreement(relative, h) {
  if (relative < 1e-15) return "They agree in every digit.";
  const digits = Math.floor(-Math.log10(relative));
  if (digits >= 1) return `They agree to ${digits} digit${digits > 1 ? "s" : ""}.`;
  return h > 1e-6
    ? "They do not agree: the step is so long that the curve bends within it."
    : "They do not agree: the step is so short that rounding is all that is left.";
}

// --- Train: the learning rate --------------------------------------------------------------------

const TRAINING_STEPS = 100;

// What 100 steps from here would do: the values before each of them and after the last.
function trajectory(graph, rate) {
  const copy = new Graph(graph.nodes, graph.value);
  const states = [{ given: copy.given(), J: copy.J }];
  for (let k = 0; k < TRAINING_STEPS; k++) {
    copy.descend(rate);
    states.push({ given: copy.given(), J: copy.J });
  }
  return { states, outcome: outcome(copy, states), rises: rises(states) };
}

// Steps on which the loss rose, by more than rounding.
function rises(states) {
  return states.filter(({ J }, k) => k && J > states[k - 1].J * (1 + 1e-9)).length;
}

function outcome(graph, states) {
  const [first, last] = [states[0].J, states.at(-1).J];
  if (isSaturated(graph)) return "saturated";
  if (rises(states) > 2) return "jumping";
  if (last > first / 5 && last > 0.001) return "slow";
  return "learned";
}

// Wrong outputs, and each of them where the sigmoid is flat.
function isSaturated(graph) {
  const { inputs, targets } = graph.loss;
  const wrong = inputs.filter((a, o) => Math.abs(graph.value[a] - graph.value[targets[o]]) > 0.05);
  return wrong.length > 0 && wrong.every((a) => graph.value[a] * (1 - graph.value[a]) < 0.001);
}

const OUTCOMES = {
  learned: () => "It learns.",
  slow: () => "Slow: 100 such steps do not get far.",
  jumping: (rises) => `It jumps: the steps are too long, and J rises ${rises} times in 100 steps.`,
  saturated: () =>
    "Saturated: a step landed where the sigmoid is flat. a (1 − a) is almost 0, the gradient with " +
    "it, and nothing moves, wrong as it is.",
};

function showTrain(app) {
  const { states, outcome, rises } = app.training;
  const [first, last] = [states[0].J, states.at(-1).J];
  const rate = short(app.rate);
  byId("train-rate").value = Math.log10(app.rate);
  byId("train-rate").setAttribute("aria-valuetext", rate);
  byId("train-rate-text").textContent = rate;
  byId("train-step").value = app.trained;
  byId("train-step-text").textContent = `${app.trained} of 100: J = ${short(states[app.trained].J)}`;
  byId("train-step").setAttribute("aria-valuetext", byId("train-step-text").textContent);
  byId("train-one").disabled = app.trained === TRAINING_STEPS;
  byId("train-back").disabled = app.trained === 0;
  byId("train-play").textContent = app.playing ? "Stop" : "Train";
  const higher = last > first ? " J ends higher than it began: it diverged." : "";
  const text = `In 100 steps J goes from ${short(first)} to ${short(last)}. `;
  byId("train-verdict").dataset.outcome = outcome;
  write("train-verdict", text + OUTCOMES[outcome](rises) + higher);
  drawTraining(byId("train-plot"), app, text);
}
