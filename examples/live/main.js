// The page: its state, and what happens when the reader does something.

const NUMBERS = JSON.parse(byId("numbers").textContent);

const app = {
  solved: new Set(),

  // Sets the page up for a model: its first values, all shown, nothing marked.
  open(model) {
    this.model = model;
    this.start = NUMBERS[model].start;
    this.graph = new Graph(NODES[model], this.start);
    this.steps = stepsOf(this.graph);
    this.view = new View(this.graph, byId("cards"), this.on);
    Object.assign(this, { h: 1, rate: 0.1, guessed: "", stage: this.steps.length });
    fillChoices(this.graph);
    this.select(this.graph.parameters[0]);
    this.beginTraining();
  },

  openTask(task) {
    this.stop();
    this.open(task.model);
    Object.assign(this, { task, verdict: "", tool: task.tool });
    Object.assign(this.graph.value, task.values);
    this.graph.compute();
    this.stage = stageOf(this.steps, task.until);
    this.rate = task.rate ?? this.rate;
    if (task.selected) this.select(task.selected);
    this.chosen = task.chosen ?? 0;
    this.beginTraining();
    makeAnswer(this);
    this.show();
  },

  beginTraining() {
    this.trained = 0;
    this.foreseen = null;
  },

  // Computed when it is asked for: most of the page does without it.
  get training() {
    this.foreseen ??= trajectory(this.graph, this.rate);
    return this.foreseen;
  },

  // Puts the weights where they are after `k` training steps.
  trainTo(k) {
    this.trained = k;
    Object.assign(this.graph.value, this.training.states[k].given);
    this.graph.compute();
  },

  setRate(rate) {
    this.trainTo(0);
    this.rate = rate;
    this.beginTraining();
  },

  set(values) {
    this.stop();
    Object.assign(this.graph.value, values);
    this.graph.compute();
    this.beginTraining();
  },

  select(name) {
    this.selected = name;
    this.paths = this.graph.paths(name);
    this.chosen = 0;
  },

  choosePath(k) {
    this.chosen = k;
    this.show();
    byId("paths-list").querySelectorAll("button")[k].focus();
  },

  answer(right, fault) {
    this.verdict = right ? "" : fault;
    if (right) this.solve();
    this.show();
  },

  solve() {
    const { task } = this;
    this.solved.add(task);
    if (this.model !== task.model) return;
    if (task.reveal) this.stage = Math.max(this.stage, stageOf(this.steps, task.reveal));
    const { rate, trained, ...values } = task.then ?? {};
    this.set(values);
    if (rate) this.setRate(rate);
    if (trained) this.trainTo(trained);
  },

  stop() {
    this.playing = false;
  },

  // Trains before the reader's eyes, or at once for those who want no motion.
  play() {
    if (this.playing) return this.stop();
    if (this.trained === TRAINING_STEPS) this.trainTo(0);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return this.trainTo(TRAINING_STEPS);
    this.playing = true;
    const frame = () => {
      if (!this.playing) return;
      this.trainTo(this.trained + 1);
      if (this.trained === TRAINING_STEPS) this.stop();
      else setTimeout(frame, 40);
      this.show();
    };
    return frame();
  },

  show() {
    const { task, solved } = this;
    if (task.reach && !solved.has(task) && this.model === task.model && task.reach(this)) {
      solved.add(task);
    }
    const last = this.steps[this.stage - 1];
    const path = this.tool === "paths" ? this.paths[this.chosen] : [];
    this.view.show({
      reached: reachedAt(this.steps, this.stage),
      now: new Set(this.tool === "step" && last ? namesOf(last) : []),
      forwardNow: last?.forward,
      selected: this.tool === "paths" || this.tool === "nudge" ? this.selected : null,
      path, partners: partners(this.graph, path),
    });
    for (const name of ["model", "tool"]) {
      document.querySelector(`input[name=${name}][value=${this[name]}]`).checked = true;
    }
    for (const panel of document.querySelectorAll(".panel")) {
      panel.hidden = panel.id !== `panel-${this.tool}`;
    }
    PANELS[this.tool](this);
    showTask(this);
    byId("python").textContent = python(this.graph);
  },
};

const PANELS = { step: showStep, paths: showPaths, nudge: showNudge, train: showTrain };

app.on = {
  change: (name, value) => act(() => app.set({ [name]: value })),
  select: (name) => act(() => {
    if (app.graph.node[name].role === "target" || name === "J") return;
    if (app.tool !== "nudge" || app.graph.node[name].rule) app.tool = "paths";
    app.select(name);
  }),
  // The next path through an edge of the graph, if there is one.
  edge: (from, to) => act(() => {
    app.tool = "paths";
    const through = app.paths.flatMap((path, k) => (runs(path, from, to) ? [k] : []));
    if (through.length) app.chosen = through.find((k) => k > app.chosen) ?? through[0];
  }),
};

// A path runs along an edge if both of its ends are on it, or the weight's card is one of them.
function runs(path, from, to) {
  const on = new Set([...path, ...partners(app.graph, path)]);
  return on.has(from) && on.has(to);
}

function act(change) {
  change();
  app.show();
}

// Two digits, so that the number on the screen is the one that is used.
const tenTo = (exponent) => Number((10 ** Number(exponent)).toPrecision(2));

const namesOf = (step) => step.names.map((name) => (step.forward ? name : `d${name}`));

function reachedAt(steps, stage) {
  const reached = new Set(steps.slice(0, stage).flatMap(namesOf));
  if (reached.has("J") && stage > steps.findIndex((step) => !step.forward)) reached.add("dJ");
  return reached;
}

// How many steps it takes until a number is shown.
function stageOf(steps, name) {
  if (name === "all") return steps.length;
  return steps.findIndex((step) => namesOf(step).includes(name)) + 1;
}

function fillChoices(graph) {
  const names = graph.nodes.filter((node) => node.role !== "target" && node.name !== "J");
  const options = (nodes) => nodes.map(({ name }) => element("option", { value: name }, name));
  byId("paths-from").replaceChildren(...options(names));
  byId("nudge-what").replaceChildren(...options(names.filter((node) => !node.rule)));
}

// --- What the reader does ------------------------------------------------------------------------

function listen(id, event, handle) {
  byId(id).addEventListener(event, (occurred) => {
    occurred.preventDefault();
    act(() => handle(occurred.target));
  });
}

function goTo(stage, said = "") {
  app.guessed = said;
  app.stage = Math.min(Math.max(stage, 0), app.steps.length);
  showStep(app);
  write("said", byId("step-words").textContent); // not at every drag, only at a step
}

function listenToSteps() {
  listen("step-back", "click", () => goTo(app.stage - 1));
  listen("step-next", "click", () => goTo(app.stage + 1));
  listen("step-forward", "click", () => goTo(stageOf(app.steps, "J")));
  listen("step-all", "click", () => goTo(app.steps.length));
  listen("step-guess", "submit", () => {
    const input = byId("step-number");
    const guess = parsed(input.value);
    const said = Number.isNaN(guess) ? "" : judged(app, guess);
    goTo(app.stage + 1, said);
    input.value = "";
  });
}

function listenToTools() {
  listen("paths-from", "change", (list) => app.select(list.value));
  listen("nudge-what", "change", (list) => app.select(list.value));
  listen("nudge-step", "input", (slider) => { app.h = tenTo(slider.value); });
  listen("train-rate", "input", (slider) => {
    app.stop();
    app.setRate(tenTo(slider.value));
  });
  listen("train-step", "input", (slider) => {
    app.stop();
    app.trainTo(Number(slider.value));
  });
  listen("train-play", "click", () => app.play());
  listen("train-one", "click", () => app.trainTo(Math.min(app.trained + 1, TRAINING_STEPS)));
  listen("train-back", "click", () => app.trainTo(0));
}

function listenToTasks() {
  listen("task-reset", "click", () => app.openTask(app.task));
  listen("task-next", "click", () => {
    location.hash = `task-${TASKS.indexOf(app.task) + 2}`;
    byId("task-title").focus();
  });
  listen("task-answer", "submit", () => {
    const wrong = fault(app, byId("task-number").value);
    app.answer(wrong === "", wrong);
  });
  byId("task-list").append(...TASKS.map((task, k) => {
    const button = element("button", { type: "button" });
    button.addEventListener("click", () => { location.hash = `task-${k + 1}`; });
    return button;
  }));
}

// The address names the task, so that a teacher can hand out a link to it.
function taskOfAddress() {
  const number = Number(/^#task-(\d+)$/.exec(location.hash)?.[1] ?? 1);
  return TASKS[number - 1] ?? TASKS[0];
}

// Compares what the page computes with what the package computed, at the models' first values.
function selfCheck() {
  const differences = Object.entries(NUMBERS).flatMap(([model, { start, numbers }]) => {
    const { value, gradient } = new Graph(NODES[model], start);
    return Object.entries(numbers).map(([name, number]) =>
      Math.abs((name in value ? value[name] : gradient[name.slice(1)]) - number),
    );
  });
  const right = differences.every((difference) => difference <= 1e-12);
  const text = right
    ? `Checked: ${differences.length} numbers that this page computes equal those of ae_numpy.reference.`
    : "The numbers on this page differ from those of ae_numpy.reference: do not trust them.";
  byId("self-check").textContent = text;
  byId("self-check").classList.toggle("notice", !right);
}

for (const input of document.querySelectorAll("input[name=tool]")) {
  input.addEventListener("change", () => act(() => {
    app.tool = input.value;
    if (app.tool === "nudge" && app.graph.node[app.selected].rule) app.select(app.graph.parameters[0]);
  }));
}
for (const input of document.querySelectorAll("input[name=model]")) {
  input.addEventListener("change", () => act(() => app.open(input.value)));
}
listenToSteps();
listenToTools();
listenToTasks();
addEventListener("hashchange", () => app.openTask(taskOfAddress()));
selfCheck();
app.openTask(taskOfAddress());
new ResizeObserver(() => app.view.place()).observe(byId("cards"));
