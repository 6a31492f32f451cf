// A computation as a graph: values forward, gradients backward, paths. Nothing here draws.
//
// Each rule says what a node computes from its inputs, and how strongly the result responds to each
// of them: the local derivatives, one for each input, in the order of the inputs.

function sigmoid(z) {
  if (z >= 0) return 1 / (1 + Math.exp(-z));
  const e = Math.exp(z); // never of a positive number, so nothing overflows
  return e / (1 + e);
}

const RULES = {
  product: {
    value: ([x, w]) => x * w,
    slopes: ([x, w]) => [w, x],
  },
  sum: {
    value: (terms) => terms.reduce((total, term) => total + term),
    slopes: (terms) => terms.map(() => 1),
  },
  // Inputs x[0], w[0], x[1], w[1], b: two products and a sum in one node.
  dense: {
    value: ([x0, w0, x1, w1, b]) => x0 * w0 + x1 * w1 + b,
    slopes: ([x0, w0, x1, w1]) => [w0, x0, w1, x1, 1],
  },
  sigmoid: {
    value: ([z]) => sigmoid(z),
    slopes: (_, a) => [a * (1 - a)],
  },
  loss: {
    value: (outputs, targets) =>
      outputs.reduce((total, a, o) => total + (a - targets[o]) ** 2, 0) / 2,
    slopes: (outputs, _, targets) => outputs.map((a, o) => a - targets[o]),
  },
};

class Graph {
  // nodes: {name, rule, inputs}, each after its inputs, the loss last; a node without a rule is given.
  constructor(nodes, start) {
    this.nodes = nodes;
    this.node = Object.fromEntries(nodes.map((node) => [node.name, node]));
    this.computed = nodes.filter((node) => node.rule);
    this.parameters = nodes.filter((node) => node.role === "parameter").map((node) => node.name);
    this.value = { ...start };
    this.gradient = {};
    this.compute();
  }

  compute() {
    this.forward();
    this.backward();
  }

  forward() {
    for (const node of this.computed) {
      const { value } = RULES[node.rule];
      this.value[node.name] = value(this.valuesOf(node.inputs), this.valuesOf(node.targets));
    }
  }

  backward() {
    for (const name of Object.keys(this.node)) this.gradient[name] = 0;
    this.gradient[this.loss.name] = 1;
    for (const node of [...this.computed].reverse()) {
      const slopes = this.slopes(node);
      node.inputs.forEach((input, k) => {
        this.gradient[input] += this.gradient[node.name] * slopes[k];
      });
    }
  }

  get loss() {
    return this.nodes.at(-1);
  }

  get J() {
    return this.value[this.loss.name];
  }

  valuesOf(names = []) {
    return names.map((name) => this.value[name]);
  }

  // The local derivatives of a node with respect to its inputs.
  slopes(node) {
    const values = this.valuesOf(node.inputs);
    return RULES[node.rule].slopes(values, this.value[node.name], this.valuesOf(node.targets));
  }

  slope(from, to) {
    const node = this.node[to];
    return this.slopes(node)[node.inputs.indexOf(from)];
  }

  consumers(name) {
    return this.computed.filter((node) => node.inputs.includes(name));
  }

  // All paths from a number to the loss, each a list of names.
  paths(name) {
    if (name === this.loss.name) return [[name]];
    return this.consumers(name).flatMap((next) =>
      this.paths(next.name).map((path) => [name, ...path]),
    );
  }

  slopesAlong(path) {
    return path.slice(1).map((name, k) => this.slope(path[k], name));
  }

  // The loss if one number were another, all else the same.
  lossAt(name, value) {
    const changed = new Graph(this.nodes, { ...this.value, [name]: value });
    return changed.J;
  }

  // One step against the gradient, of every weight and bias at once.
  descend(rate) {
    for (const name of this.parameters) this.value[name] -= rate * this.gradient[name];
    this.compute();
  }

  given() {
    return Object.fromEntries(
      this.nodes.filter((node) => !node.rule).map(({ name }) => [name, this.value[name]]),
    );
  }
}

function product(factors) {
  return factors.reduce((total, factor) => total * factor, 1);
}
