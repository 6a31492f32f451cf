// Numbers and formulas as text.

const minus = (text) => text.replace(/-/g, "−");

// Up to four decimals: 0.5, −0.25, 0.7311; what would round to 0 keeps two digits: 1.2e−9.
function short(value) {
  if (value !== 0 && Math.abs(value) < 0.00005) return minus(value.toExponential(1));
  return minus(String(Number(value.toFixed(4))));
}

// A gradient: always with its sign, and four decimals.
function signed(value) {
  if (value === 0) return "0";
  const tiny = Math.abs(value) < 0.00005;
  const text = tiny ? value.toExponential(1) : Number.isInteger(value) ? value : value.toFixed(4);
  return minus(value > 0 ? `+${text}` : `${text}`);
}

const bracketed = (value) => (value < 0 ? `(${short(value)})` : short(value));

// What a node computes; `term` shows an input, as its name or its value.
const FORMULAS = {
  product: ([x, w], term) => `${term(x)} × ${term(w)}`,
  sum: (inputs, term) => inputs.map(term).join(" + "),
  dense: ([x0, w0, x1, w1, b], term) =>
    `${term(x0)} × ${term(w0)} + ${term(x1)} × ${term(w1)} + ${term(b)}`,
  sigmoid: ([z], term) => `1 / (1 + exp(−${term(z)}))`,
  loss: (outputs, term, targets) =>
    outputs.map((a, o) => `½ (${term(a)} − ${term(targets[o])})²`).join(" + "),
};

// The local derivative of a node with respect to its k-th input, in symbols.
const SLOPES = {
  product: (node, k) => node.inputs[1 - k],
  sum: () => "1",
  dense: (node, k) => (k === 4 ? "1" : node.inputs[k ^ 1]), // each factor receives the other one
  sigmoid: (node) => `${node.name} (1 − ${node.name})`,
  loss: (node, k) => `(${node.inputs[k]} − ${node.targets[k]})`,
};

const SYMBOLS = { product: "×", sum: "+", dense: "+", sigmoid: "σ", loss: "½ (a − t)²" };

const FORWARD_REASONS = {
  product: "A weight multiplies its input.",
  sum: "A sum adds up what comes in.",
  dense: "A unit adds up its inputs, each times its weight, and its bias.",
  sigmoid: "The sigmoid squashes any number into 0 to 1.",
  loss: "The loss says how wrong the output is.",
};

const BACKWARD_REASONS = {
  product: "A product hands each factor the other one.",
  sum: "A sum hands its gradient on, unchanged.",
  dense: "Each factor receives the other one; a bias is multiplied by 1.",
  sigmoid: "The slope of the sigmoid comes from its result alone.",
  loss: "The half cancels the 2 of the square.",
};

function slopeSymbol(graph, from, to) {
  const node = graph.node[to];
  return SLOPES[node.rule](node, node.inputs.indexOf(from));
}

// One line for each number that a step shows: the formula, then its numbers, then the result.
function derivations(graph, step) {
  return step.names.map((name) => (step.forward ? forwardLine : backwardLine)(graph, name));
}

function forwardLine(graph, name) {
  const { rule, inputs, targets } = graph.node[name];
  const formula = FORMULAS[rule];
  const numbers = formula(inputs, (input) => bracketed(graph.value[input]), targets);
  return [name, formula(inputs, (input) => input, targets), numbers, short(graph.value[name])];
}

function backwardLine(graph, name) {
  const consumers = graph.consumers(name).map((node) => node.name);
  const show = (gradient, slope) =>
    consumers.map((to) => `${gradient(to)} × ${slope(to)}`).join(" + ");
  return [
    `d${name}`,
    show((to) => (to === "J" ? "1" : `d${to}`), (to) => slopeSymbol(graph, name, to)),
    show(
      (to) => bracketed(graph.gradient[to]),
      (to) => bracketed(graph.slope(name, to)),
    ),
    signed(graph.gradient[name]),
  ];
}

function reason(graph, step) {
  const [name] = step.names;
  if (step.forward) return FORWARD_REASONS[graph.node[name].rule];
  const consumers = graph.consumers(name);
  if (consumers.length > 1) return "Paths join here: what arrives along each of them is added up.";
  return BACKWARD_REASONS[consumers[0].rule];
}

// What a reader typed, as a number; NaN if it is none.
function parsed(text) {
  const plain = text.trim().replace("−", "-").replace(",", ".");
  return plain === "" ? NaN : Number(plain);
}

// Three per cent lets a reader round to two digits.
const near = (guess, value) => Math.abs(guess - value) <= Math.max(0.03 * Math.abs(value), 0.0005);

// The lines of Python that compute the page's numbers with the package.
function python(graph) {
  const { value } = graph;
  const number = (name) => (Number.isInteger(value[name]) ? `${value[name]}.0` : `${value[name]}`);
  const row = (names) => `[${names.map(number).join(", ")}]`;
  const array = (text) => `np.array(${text})`;
  const x = array(`[${row(["x[0]", "x[1]"])}]`);
  const layers = "z" in graph.node
    ? [{ k: "", W: `[[${number("w[0]")}], [${number("w[1]")}]]`, b: `[${number("b")}]` }]
    : [0, 1].map((k) => ({
      k,
      W: `[${[0, 1].map((i) => row([`W${k}[${i}][0]`, `W${k}[${i}][1]`])).join(", ")}]`,
      b: row([`b${k}[0]`, `b${k}[1]`]),
    }));
  const below = (n) => (n === 0 ? "x" : `a${layers[n - 1].k}`);
  const last = layers.at(-1).k;
  return [
    "import numpy as np",
    "from ae_numpy import reference",
    "",
    `x = ${x}`,
    `t = ${array(`[${row(graph.loss.targets)}]`)}`,
    ...layers.flatMap(({ k, W, b }) => [`W${k} = ${array(W)}`, `b${k} = ${array(b)}`]),
    "",
    ...layers.flatMap(({ k }, n) => [
      `z${k} = reference.dense_forward(${below(n)}, W${k}, b${k})`,
      `a${k} = reference.sigmoid_forward(z${k})`,
    ]),
    `J = reference.half_squared_error_forward(a${last}, t)`,
    "",
    `da${last} = reference.half_squared_error_backward(a${last}, t)`,
    ...layers.map(({ k }, n) => [
      `dz${k} = reference.sigmoid_backward(da${k}, a${k})`,
      `d${below(n)}, dW${k}, db${k} = reference.dense_backward(dz${k}, ${below(n)}, W${k})`,
    ]).reverse().flat(),
  ].join("\n");
}
