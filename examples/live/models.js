// The two models of the page: their nodes, and where each is drawn.
//
// A place is [along, across], both from 0 to 1: along is the direction of the forward pass, from left
// to right on a wide screen and from top to bottom on a narrow one.

const SLOTS = [0.125, 0.375, 0.625, 0.875]; // room for four cards across

const given = (name, role, at) => ({ name, role, at });

function neuronNodes() {
  const places = { given: 0, product: 0.26, z: 0.48, a: 0.74, J: 1 };
  return [
    given("w[0]", "parameter", [places.given, SLOTS[0]]),
    given("x[0]", "input", [places.given, SLOTS[1]]),
    given("w[1]", "parameter", [places.given, SLOTS[2]]),
    given("x[1]", "input", [places.given, SLOTS[3]]),
    given("b", "parameter", [places.z, SLOTS[3]]),
    given("t", "target", [places.J, SLOTS[3]]),
    { name: "p[0]", rule: "product", inputs: ["x[0]", "w[0]"], at: [places.product, 0.25] },
    { name: "p[1]", rule: "product", inputs: ["x[1]", "w[1]"], at: [places.product, 0.75] },
    { name: "z", rule: "sum", inputs: ["p[0]", "p[1]", "b"], at: [places.z, 0.5] },
    { name: "a", rule: "sigmoid", inputs: ["z"], at: [places.a, 0.5] },
    { name: "J", rule: "loss", inputs: ["a"], targets: ["t"], at: [places.J, 0.5] },
  ];
}

// Layer `k` reads the two numbers `below`; a weight is drawn on the edge that it belongs to.
function layerNodes(k, below, [atW, atZ, atA]) {
  const weight = (i, o) => `W${k}[${i}][${o}]`;
  const nodes = [0, 1].flatMap((i) =>
    [0, 1].map((o) => given(weight(i, o), "parameter", [atW, SLOTS[2 * i + o]])),
  );
  nodes.push(given(`b${k}[0]`, "parameter", [atZ, SLOTS[0]]));
  nodes.push(given(`b${k}[1]`, "parameter", [atZ, SLOTS[3]]));
  for (const o of [0, 1]) {
    const inputs = [below[0], weight(0, o), below[1], weight(1, o), `b${k}[${o}]`];
    nodes.push({ name: `z${k}[${o}]`, rule: "dense", inputs, at: [atZ, SLOTS[1 + o]] });
  }
  for (const o of [0, 1]) {
    const place = [atA, SLOTS[1 + o]];
    nodes.push({ name: `a${k}[${o}]`, rule: "sigmoid", inputs: [`z${k}[${o}]`], at: place });
  }
  return nodes;
}

function networkNodes() {
  return [
    given("x[0]", "input", [0, SLOTS[1]]),
    given("x[1]", "input", [0, SLOTS[2]]),
    given("t[0]", "target", [1, SLOTS[0]]),
    given("t[1]", "target", [1, SLOTS[3]]),
    ...layerNodes(0, ["x[0]", "x[1]"], [0.139, 0.301, 0.435]),
    ...layerNodes(1, ["a0[0]", "a0[1]"], [0.575, 0.736, 0.871]),
    {
      name: "J", rule: "loss", inputs: ["a1[0]", "a1[1]"], targets: ["t[0]", "t[1]"], at: [1, 0.5],
    },
  ];
}

const NODES = { neuron: neuronNodes(), network: networkNodes() };

// The steps through a graph: forward one node at a time, then backward. A step shows the numbers
// `names`, all by one rule; the first of them is what the page asks for.
function stepsOf(graph) {
  const forward = graph.computed.map(({ name }) => ({ forward: true, names: [name] }));
  const columns = [...new Set(graph.computed.map((node) => node.at[0]))].reverse();
  const backward = columns.flatMap((column) =>
    graph.computed.filter((node) => node.at[0] === column).flatMap((node) => [
      ...(node === graph.loss ? [] : [[node.name]]),
      givenOnlyTo(graph, node),
    ]),
  );
  const shared = graph.nodes.filter((node) => !node.rule && graph.consumers(node.name).length > 1);
  const names = [...backward, ...shared.map((node) => [node.name])];
  return [
    ...forward,
    ...names.filter((some) => some.length).map((some) => ({ forward: false, names: some })),
  ];
}

function givenOnlyTo(graph, node) {
  const only = node.inputs.filter(
    (name) => !graph.node[name].rule && graph.consumers(name).length === 1,
  );
  return only.sort((a, b) => isInput(graph, a) - isInput(graph, b)); // the weight first
}

function isInput(graph, name) {
  return graph.node[name].role === "input";
}
