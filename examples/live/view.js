// The graph on the screen: a card for each number, an arrow for each input.

const SVG = "http://www.w3.org/2000/svg";

function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function drawn(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

const byId = (id) => document.getElementById(id);

// Writes only what is new: a screen reader speaks every change of a status.
function write(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

class View {
  // `on.change(name, value)`, `on.select(name)` and `on.edge(from, to)` are called for the reader.
  constructor(graph, box, on) {
    this.graph = graph;
    this.box = box;
    this.on = on;
    this.cards = Object.fromEntries(graph.nodes.map((node) => [node.name, this.card(node)]));
    this.edges = edgesOf(graph).map((edge) => this.edge(edge));
    this.svg = drawn(
      "svg", { "aria-hidden": "true" }, arrowheads(), ...this.edges.map(({ line }) => line),
    );
    const slopes = this.edges.flatMap(({ slope }) => (slope ? [slope] : []));
    box.replaceChildren(this.svg, ...Object.values(this.cards).map(({ box }) => box), ...slopes);
    this.place();
  }

  card({ name, rule, role }) {
    const button = element("button", { type: "button", class: "name" }, name);
    button.addEventListener("click", () => this.on.select(name));
    const value = element("span", { class: "value" });
    const gradient = element("span", { class: "gradient" });
    const head = rule ? [button, element("span", { class: "rule" }, SYMBOLS[rule])] : [button];
    const box = element("div", { class: `card ${role ?? "computed"} ${rule ?? ""}`, "data-name": name });
    box.append(element("div", { class: "head" }, ...head), value);
    const slider = rule ? null : this.slider(name);
    if (slider) box.append(slider);
    box.append(gradient);
    return { box, button, value, gradient, slider };
  }

  slider(name) {
    const slider = element("input", {
      type: "range", step: 0.05, min: -4, max: 4, "aria-label": name, id: `slider-${name}`,
    });
    slider.addEventListener("input", () => this.on.change(name, Number(slider.value)));
    return slider;
  }

  edge({ from, to, shows }) {
    const line = drawn("path", { class: "edge" });
    line.addEventListener("click", () => this.on.edge(from, to));
    const slope = shows ? element("span", { class: "slope", "aria-hidden": "true" }) : null;
    return { from, to, line, slope };
  }

  // Places everything for the width that there is.
  place() {
    const columns = [...new Set(this.graph.nodes.map((node) => node.at[0]))].sort((a, b) => a - b);
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const width = this.box.clientWidth / rem;
    const wide = width >= Math.max(42.5, 6.25 * columns.length);
    this.box.dataset.roomy = width >= 10 * columns.length;
    this.box.style.height = `${rem * (wide ? 30 : 6.625 * columns.length)}px`;
    const size = { width: this.box.clientWidth, height: this.box.clientHeight };
    this.svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
    for (const node of this.graph.nodes) {
      const { box } = this.cards[node.name];
      const half = { x: box.offsetWidth / 2, y: box.offsetHeight / 2 };
      const along = wide ? node.at[0] : columns.indexOf(node.at[0]) / (columns.length - 1);
      const margin = wide ? half.x + 2 : 2.75 * rem;
      const main = margin + along * ((wide ? size.width : size.height) - 2 * margin);
      const across = node.at[1] * (wide ? size.height : size.width);
      const [x, y] = wide ? [main, across] : [across, main];
      this.cards[node.name].frame = { x, y, half };
      box.style.left = `${x - half.x}px`;
      box.style.top = `${y - half.y}px`;
    }
    for (const edge of this.edges) this.placeEdge(edge, wide, columns.length > 5);
  }

  placeEdge({ from, to, line, slope }, wide, crowded) {
    const [start, end] = [this.cards[from].frame, this.cards[to].frame];
    const sideways = Math.abs(end.x - start.x) > start.half.x + end.half.x;
    const level = Math.abs(end.y - start.y) <= start.half.y + end.half.y;
    const curve = (wide ? sideways : level && sideways) ? acrossCurve : downCurve;
    line.setAttribute("d", curve(start, end));
    if (!slope) return;
    const middle = { x: middleOf(start, end, "x"), y: middleOf(start, end, "y") };
    const outwards = Math.sign(start.y - this.box.clientHeight / 2);
    // On a narrow screen arrows meet at their ends and are apart near their starts.
    const apart = crowded ? start.x : (start.x + middle.x) / 2;
    slope.style.left = `${wide || level ? middle.x : apart}px`;
    slope.style.top = `${wide && crowded ? start.y + outwards * (start.half.y + 10) : middle.y}px`;
  }

  // Shows the numbers that have been reached; `state` says which, and what is marked.
  show(state) {
    for (const node of this.graph.nodes) this.showCard(node, state);
    for (const edge of this.edges) this.showEdge(edge, state);
  }

  showCard(node, { reached, now, selected, path, partners }) {
    const { name } = node;
    const { box, button, value, gradient, slider } = this.cards[name];
    const [v, d] = [this.graph.value[name], this.graph.gradient[name]];
    const moved = box.dataset.value !== String(v);
    Object.assign(box.dataset, { value: v, gradient: d });
    value.textContent = !node.rule || reached.has(name) ? short(v) : "?";
    const shown = node.role !== "target" && reached.has(`d${name}`);
    gradient.replaceChildren(...(shown ? [gradientName(name), ` ${signed(d)}`] : [""]));
    box.classList.toggle("now", now.has(name) || now.has(`d${name}`));
    box.classList.toggle("on-path", path.includes(name));
    box.classList.toggle("partner", partners.includes(name));
    button.setAttribute("aria-pressed", selected === name);
    if (!slider || !moved) return;
    const reach = Math.max(4, Math.ceil(Math.abs(v)));
    Object.assign(slider, { min: -reach, max: reach, value: v });
    slider.setAttribute("aria-valuetext", short(v));
  }

  showEdge({ from, to, line, slope }, { reached, now, path, forwardNow }) {
    const k = path.indexOf(from);
    const onPath = (k >= 0 && path[k + 1] === to) || this.underWeight(path, from, to);
    line.classList.toggle("on-path", onPath);
    const flowing = forwardNow ? now.has(to) : now.has(`d${from}`);
    line.classList.toggle("forward-now", forwardNow && flowing);
    line.classList.toggle("backward-now", !forwardNow && flowing);
    if (!slope) return;
    slope.hidden = !(onPath || reached.has(`d${from}`));
    slope.textContent = `× ${short(this.graph.slope(from, to))}`;
    slope.classList.toggle("on-path", onPath);
  }

  // A path from x to z runs through the card of the weight between them.
  underWeight(path, from, to) {
    return path.some((name, k) => {
      const next = this.graph.node[path[k + 1]];
      if (next?.rule !== "dense") return false;
      const weight = next.inputs[next.inputs.indexOf(name) ^ 1];
      return (from === name && to === weight) || (from === weight && to === next.name);
    });
  }
}

function gradientName(name) {
  return element("span", { class: "prefix" }, "d", element("span", { class: "rest" }, name));
}

// The arrows: to a dense node they lead from x through the weight's card; the others show a slope.
function edgesOf(graph) {
  return graph.computed.flatMap((node) => {
    if (node.rule !== "dense") {
      const aims = (node.targets ?? []).map((t) => ({ from: t, to: node.name, shows: false }));
      return [...node.inputs.map((from) => ({ from, to: node.name, shows: true })), ...aims];
    }
    const [x0, w0, x1, w1, b] = node.inputs;
    return [[x0, w0], [w0, node.name], [x1, w1], [w1, node.name], [b, node.name]].map(
      ([from, to]) => ({ from, to, shows: false }),
    );
  });
}

const middleOf = (start, end, axis) =>
  (start[axis] + Math.sign(end[axis] - start[axis]) * start.half[axis] +
    end[axis] - Math.sign(end[axis] - start[axis]) * end.half[axis]) / 2;

const GAP = 7; // for the arrowhead

function acrossCurve(start, end) {
  const sign = Math.sign(end.x - start.x);
  const [x1, x2] = [start.x + sign * start.half.x, end.x - sign * (end.half.x + GAP)];
  const bend = (x1 + x2) / 2;
  return `M${x1} ${start.y}C${bend} ${start.y} ${bend} ${end.y} ${x2} ${end.y}`;
}

function downCurve(start, end) {
  const sign = Math.sign(end.y - start.y);
  const [y1, y2] = [start.y + sign * start.half.y, end.y - sign * (end.half.y + GAP)];
  const bend = (y1 + y2) / 2;
  return `M${start.x} ${y1}C${start.x} ${bend} ${end.x} ${bend} ${end.x} ${y2}`;
}

function arrowheads() {
  const head = drawn("path", { d: "M0 0L8 4L0 8z" });
  const box = { id: "arrow", viewBox: "0 0 8 8", refX: 1, refY: 4, orient: "auto", class: "head" };
  const size = { markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse" };
  return drawn("defs", {}, drawn("marker", { ...box, ...size }, head));
}
