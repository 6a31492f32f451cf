// The two small plots: the loss against one number, and the loss against training steps.

const PLOT = { width: 330, height: 170, left: 40, right: 10, top: 12, bottom: 26 };

function plot(box, label, [x0, x1], [y0, y1], ...marks) {
  box.setAttribute("aria-label", label);
  const { width, height, left, right, top, bottom } = PLOT;
  const at = {
    x: (x) => left + ((x - x0) / (x1 - x0)) * (width - left - right),
    y: (y) => height - bottom - ((y - y0) / (y1 - y0)) * (height - top - bottom),
  };
  const frame = drawn("path", {
    class: "axis", d: `M${left} ${top}V${height - bottom}H${width - right}`,
  });
  const text = (x, y, anchor, content) => drawn("text", { x, y, "text-anchor": anchor }, content);
  const svg = drawn(
    "svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
    frame,
    text(left - 5, at.y(y1) + 4, "end", short(Number(y1.toPrecision(2)))),
    text(left - 5, at.y(y0) + 4, "end", short(y0)),
    text(left - 5, (at.y(y0) + at.y(y1)) / 2, "end", "J"),
    text(left, height - 8, "start", short(Number(x0.toPrecision(3)))),
    text(width - right, height - 8, "end", short(Number(x1.toPrecision(3)))),
    ...marks.map((mark) => mark(at, text)),
  );
  box.replaceChildren(svg);
}

const curve = (points, kind) => (at) => {
  const places = points.map(([x, y]) => `${at.x(x).toFixed(2)} ${at.y(y).toFixed(2)}`);
  return drawn("path", { class: kind, d: `M${places.join("L")}` });
};

const dot = ([x, y], kind) => (at) =>
  drawn("circle", { class: kind, cx: at.x(x), cy: at.y(y), r: kind === "here" ? 5 : 3.5 });

const name = (content) => (at, text) =>
  text((PLOT.left + PLOT.width - PLOT.right) / 2, PLOT.height - 8, "middle", content);

// A flat tangent, gradient 0, meets neither edge: NaN where the loss is at one, else infinite.
const clamp = (d, low, high) => Math.min(Math.max(d || low, low), high);

function drawNudge(box, graph, selected, h, { at, down, up, gradient }) {
  const [from, to] = [at - 2, at + 2];
  const points = Array.from({ length: 81 }, (_, k) => {
    const x = from + (k / 80) * (to - from);
    return [x, graph.lossAt(selected, x)];
  });
  const losses = points.map(([, J]) => J);
  const spread = Math.max(Math.max(...losses) - Math.min(...losses), 0.02);
  const range = [Math.min(...losses) - 0.15 * spread, Math.max(...losses) + 0.15 * spread];
  const [low, high] = [Math.max(0, range[0]), range[1]];
  const tangent = [low, high].map((J) => clamp((J - graph.J) / gradient, -2, 2))
    .map((d) => [at + d, graph.J + d * gradient]);
  plot(
    box,
    `The loss against ${selected}, with the tangent, whose slope is the gradient, and the line ` +
      "through the two nudged points, whose slope is measured.",
    [from, to], [low, high],
    name(selected),
    curve(points, "losses"), curve(tangent, "tangent"),
    curve([[at - h, down], [at + h, up]], "secant"),
    dot([at - h, down], "end"), dot([at + h, up], "end"), dot([at, graph.J], "here"),
  );
}

function drawTraining(box, { training, trained }, summary) {
  const points = training.states.map(({ J }, k) => [k, J]);
  const top = Math.max(...points.map(([, J]) => J));
  plot(
    box, `The loss against training steps. ${summary}`,
    [0, TRAINING_STEPS], [0, top || 1],
    name("steps"),
    curve(points, "ahead"), curve(points.slice(0, trained + 1), "losses"),
    dot(points[trained], "here"),
  );
}
