// The tasks, in order. Each sets the page up (model, changed values, how far the steps have come, tool)
// and has an answer that the page checks: a state to reach, a choice, or a number.
//
// `until` names the last number that is shown; `slips` are wrong answers that say what went wrong. Once
// solved, a task shows the numbers up to `reveal`, and changes what `then` says.

const TASKS = [
  {
    title: "Train it by hand",
    model: "neuron", until: "J", tool: "step",
    text: "The neuron says a = 0.7311. Its target is t = 0. Drag the dots of w[0], w[1] and b until " +
      "the loss J is below 0.01.",
    reach: ({ graph, start }) => graph.J < 0.01 && unchanged(graph, start, ["x[0]", "x[1]", "t"]),
    progress: ({ graph }) => `J is ${short(graph.J)}.`,
    praise: "You have trained a neuron with three knobs. A network has thousands. For each we need " +
      "to know which way to turn it, and how far: that is the gradient.",
  },
  {
    title: "Forward",
    model: "neuron", until: "p[1]", tool: "step",
    text: "The two products are computed. Their sum, and the bias, make z. What is z?",
    number: ({ graph }) => graph.value.z, label: "z",
    slips: [
      [({ graph }) => graph.value.z - graph.value.b, "The bias is missing."],
      [({ graph }) => graph.value["p[0]"] - graph.value["p[1]"] + graph.value.b,
        "p[1] is negative."],
    ],
    praise: "Step forward, and watch the sigmoid make a of z, and the loss J of a.",
    reveal: "z",
  },
  {
    title: "Which way?",
    model: "neuron", until: "J", tool: "step",
    text: "Let w[0] grow by a little, all else as it is. What does J do?",
    choices: ["It grows", "It shrinks", "It stays"], right: 0,
    wrong: "Follow it: x[0] is positive, so p[0] grows. Then z? Then a? Is that nearer to t, or " +
      "further away?",
    praise: "p[0] grows, z grows, a grows, away from the target: J grows. So dw[0] is positive.",
    reveal: "all",
  },
  {
    title: "Backward",
    model: "neuron", until: "dp[0]", tool: "step",
    text: "From the loss, the gradient has come back to p[0]. What is dw[0]?",
    number: ({ graph }) => graph.gradient["w[0]"], label: "dw[0]",
    slips: [
      [({ graph }) => graph.gradient["x[0]"],
        "That is dx[0]. Each factor receives the other one."],
      [({ graph }) => graph.gradient["p[0]"],
        "That is dp[0]. If w[0] grows by 1, by how much does p[0] grow? Multiply by that."],
      [({ graph }) => graph.value["x[0]"],
        "That is the local derivative. Multiply it by what came back, dp[0]."],
    ],
    praise: "dw[0] = dp[0] × x[0]: what came back, times the local derivative. That is every step " +
      "of the backward pass.",
    reveal: "dw[0]",
  },
  {
    title: "Which one matters most?",
    model: "neuron", until: "db", tool: "step",
    text: "All three of w[0], w[1] and b receive the same dz. To which does J respond most?",
    choices: ["w[0]", "w[1]", "b"], right: 1,
    wrong: "Multiply dz by the local derivative of each: what does a weight's product multiply it by?",
    praise: "x[1] = 3 is the largest factor. A weight matters as much as the input that it " +
      "multiplies; one whose input is 0 learns nothing.",
    reveal: "all",
  },
  {
    title: "Is it true?",
    model: "neuron", until: "all", tool: "nudge", selected: "b",
    text: "Nudge b up and down by h, and see what J does. With h = 1 the measured slope is off. " +
      "Choose h so that it agrees with db to 7 digits.",
    reach: ({ graph, selected, h }) => measure(graph, selected, h).relative < 1e-7,
    progress: ({ h }) => `h is ${power(h)}.`,
    praise: "Now make h smaller still: rounding spoils it. In between, measuring proves a backward " +
      "pass right. This is the gradient check.",
  },
  {
    title: "Wrong, and stuck",
    model: "neuron", until: "all", tool: "step",
    text: "A large error does not mean a large gradient. Keep t = 0, and make the neuron very " +
      "wrong, J above 0.45, with db below 0.001.",
    reach: ({ graph, start }) =>
      graph.J > 0.45 && Math.abs(graph.gradient.b) < 0.001 && unchanged(graph, start, ["t"]),
    progress: ({ graph }) => `J is ${short(graph.J)}, db is ${signed(graph.gradient.b)}.`,
    praise: "z is far out, where the sigmoid is flat. da is large, but a (1 − a) is almost 0, and " +
      "the product with it. The unit is saturated.",
  },
  {
    title: "Two paths",
    model: "network", until: "J", tool: "paths", selected: "W0[0][0]", hidesSum: true,
    text: "Two inputs, two hidden units, two outputs. W0[0][0] acts on J by two paths; each has its " +
      "product below. What is dW0[0][0]?",
    number: ({ graph }) => graph.gradient["W0[0][0]"], label: "dW0[0][0]",
    slips: [
      [({ graph }) => termsOf(graph, "W0[0][0]")[0], "That is one path. J feels both."],
      [({ graph }) => termsOf(graph, "W0[0][0]")[1], "That is one path. J feels both."],
      [({ graph }) => product(termsOf(graph, "W0[0][0]")),
        "Multiply along a path; over the paths, add up."],
    ],
    praise: "Multiply along a path, add up over the paths: the whole of backpropagation.",
    reveal: "all",
  },
  {
    title: "Cut a path",
    model: "network", until: "all", tool: "paths", selected: "x[0]", chosen: 1,
    text: "x[0] has four paths to J. Change one number so that the second contributes exactly 0, and " +
      "the other three still count.",
    reach: ({ graph }) => termsOf(graph, "x[0]").every((term, k) => (term === 0) === (k === 1)),
    progress: ({ graph }) => `The second path has ${signed(termsOf(graph, "x[0]")[1])}.`,
    praise: "W1[0][1] is on this path and on none of the other three. W0[0][0] is on two.",
  },
  {
    title: "Can it come back?",
    model: "network", until: "J", tool: "step",
    text: "Suppose both weights out of hidden unit 0 are zero: W1[0][0] = W1[0][1] = 0. Which " +
      "gradients are then zero?",
    choices: [
      "dW1[0][0] and dW1[0][1]", "dW0[0][0], dW0[1][0] and db0[0]", "both groups",
    ],
    right: 1,
    wrong: "A weight's own value is not in its gradient: dW1[0][0] = a0[0] × dz1[0]. But it is in " +
      "every path that runs through it.",
    praise: "No path leads from below unit 0 to J. But dW1[0][0] is not zero: after one step the " +
      "weight is not zero either, and the unit learns again. See it in the graph.",
    reveal: "all", then: { "W1[0][0]": 0, "W1[0][1]": 0 },
  },
  {
    title: "Let it train",
    model: "neuron", until: "all", tool: "train", values: { t: 0.5 }, rate: 0.01,
    text: "Now the gradient turns the knobs: each step subtracts learning rate × gradient. The target " +
      "is 0.5. Find a rate whose 100 steps bring J below 0.0001.",
    reach: ({ training, graph }) => graph.value.t === 0.5 && training.states.at(-1).J < 0.0001,
    progress: ({ training }) => `J would end at ${short(training.states.at(-1).J)}.`,
    praise: "Press Train, or drag the step, and watch the weights move.",
  },
  {
    title: "Too fast",
    model: "neuron", until: "all", tool: "train", values: { t: 0.5 }, rate: 1,
    text: "The gradient is the slope here, not over there. Find a rate so high that J jumps up and " +
      "down.",
    reach: ({ training }) => training.outcome === "jumping",
    progress: ({ training }) => `J rises on ${training.rises} of 100 steps.`,
    praise: "Each step overshoots the target, and the next one overshoots it the other way.",
  },
  {
    title: "Far too fast",
    model: "neuron", until: "all", tool: "train", values: { t: 0.5 }, rate: 5,
    text: "Predict before you look: how does it end with a rate of 100?",
    choices: ["It jumps for ever", "It stands still, wrong", "It hits the target"], right: 1,
    wrong: "One step of that size: where on the sigmoid does z land? What is a (1 − a) there?",
    praise: "One step throws z far out, where the sigmoid is flat: saturated. Too high a rate does " +
      "not only jump, it kills. That was the last task: now change whatever you like.",
    then: { rate: 100, trained: 1 },
  },
];

function unchanged(graph, start, names) {
  return names.every((name) => graph.value[name] === start[name]);
}

// What each path from a number contributes to its gradient.
function termsOf(graph, name) {
  return graph.paths(name).map((path) => product(graph.slopesAlong(path)));
}

// --- The card on the screen ----------------------------------------------------------------------

const ELSEWHERE = "This task is about the other model: press Set up again.";

function showTask(app) {
  const { task, solved } = app;
  const number = TASKS.indexOf(task) + 1;
  byId("task-title").textContent = `${number}. ${task.title}`;
  byId("task-text").textContent = task.text.replaceAll(" = ", "\u00a0=\u00a0");
  byId("task-next").hidden = !solved.has(task) || number === TASKS.length;
  const done = solved.has(task);
  byId("task-verdict").className = done ? "right" : "wrong";
  write("task-verdict", done ? `✓ ${task.praise}` : app.verdict && `✗ ${app.verdict}`);
  const away = app.model !== task.model;
  const progress = away ? ELSEWHERE : done ? "" : task.progress?.(app) ?? "";
  write("task-progress", progress);
  showTaskList(app);
}

function showTaskList({ task, solved }) {
  byId("task-list").querySelectorAll("button").forEach((button, k) => {
    const done = solved.has(TASKS[k]);
    button.textContent = done ? "✓" : k + 1;
    const state = done ? ", done" : "";
    button.setAttribute("aria-label", `Task ${k + 1}: ${TASKS[k].title}${state}`);
    if (TASKS[k] === task) button.setAttribute("aria-current", "step");
    else button.removeAttribute("aria-current");
  });
}

// The means to answer; made once for a task, so that typing is not disturbed.
function makeAnswer(app) {
  const { task } = app;
  const form = byId("task-answer");
  form.hidden = Boolean(task.reach);
  if (task.choices) {
    form.replaceChildren(...task.choices.map((text, k) => {
      const button = element("button", { type: "button", class: "choice" }, text);
      button.addEventListener("click", () => app.answer(k === task.right, task.wrong));
      return button;
    }));
  } else if (task.number) {
    form.replaceChildren(
      element("label", { for: "task-number" }, `${task.label} =`),
      element("input", {
        id: "task-number", type: "text", inputmode: "decimal", autocomplete: "off", size: 7,
      }),
      element("button", { type: "submit", class: "main" }, "Check"),
    );
  } else {
    form.replaceChildren();
  }
}

// What is wrong with a number; empty if it is right.
function fault(app, text) {
  if (app.model !== app.task.model) return ELSEWHERE;
  const guess = parsed(text);
  const value = app.task.number(app);
  if (Number.isNaN(guess)) return "Type a number, such as −0.25.";
  if (near(guess, value)) return "";
  if (near(-guess, value)) return "The size is right, the sign is not.";
  const slip = app.task.slips.find(([wrong]) => near(guess, wrong(app)));
  return slip ? slip[1] : "Not yet. The numbers that you need are in the graph.";
}
