// The explorer: the forward pass of the trained autoencoders, computed in this page.
//
// The symbols are those of the Python package: x is an image, W and b are a layer's weights and
// biases, z = x W + b its pre-activations and a = sigmoid(z) its activations. The activations of
// the hidden layer are the code, those of the output layer the reconstruction.
(() => {
  "use strict";

  // ---- The network ------------------------------------------------------------------------

  // z = x W + b: every input is connected with every output.
  function denseForward(x, { W, b }) {
    const O = b.length;
    const z = Float64Array.from(b);
    for (let i = 0; i < x.length; i++) {
      for (let o = 0; o < O; o++) z[o] += x[i] * W[i * O + o];
    }
    return z;
  }

  // a = 1 / (1 + exp(-z)): every number is squashed into (0, 1).
  const sigmoidForward = (z) => z.map((value) => 1 / (1 + Math.exp(-value)));

  const encode = (model, x) => sigmoidForward(denseForward(x, model.encoder));
  const decode = (model, a) => sigmoidForward(denseForward(a, model.decoder));

  // The mean over pixels of the squared error, as in Table 1.
  const meanSquaredError = (x, y) => x.reduce((sum, v, i) => sum + (v - y[i]) ** 2, 0) / x.length;

  // Grey levels 0 to 255 are trained on as numbers from 0.01 to 1.
  const pixels = (grey) => Float64Array.from(grey, (p) => (p / 255) * 0.99 + 0.01);

  // ---- The code, rounded to levels and counted in bits ---------------------------------------

  // As NumPy rounds: halves to the even neighbour.
  function rint(value) {
    const up = Math.round(value);
    return up - value === 0.5 && up % 2 !== 0 ? up - 1 : up;
  }

  const rounded = (code, levels) => code.map((a) => rint(a * (levels - 1)) / (levels - 1));

  // What a level costs depends on how often the unit took it, in parts of 1 / 65536 of a bit.
  function codeBits(code, levels, counts) {
    return code.reduce((bits, a, unit) => {
      const ofUnit = counts.subarray(unit * levels, (unit + 1) * levels);
      const total = ofUnit.reduce((sum, count) => sum + count, 0);
      const share = ofUnit[rint(a * (levels - 1))] / total;
      return bits + Math.round(-Math.log2(share) * 65536) / 65536;
    }, 0);
  }

  // ---- What the page holds: numbers as base64 ----------------------------------------------

  const bytes = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

  // A float16 is 1 bit of sign, 5 of exponent, 10 of fraction.
  function float16(bits) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }

  function floats(base64) {
    const view = new DataView(bytes(base64).buffer);
    const values = new Float32Array(view.byteLength / 2);
    return values.map((_, k) => float16(view.getUint16(2 * k, true)));
  }

  const layer = ({ W, b }) => ({ W: floats(W), b: floats(b) });

  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const images = bytes(data.digits.images);
  const digits = data.digits.labels.map((label, k) => {
    const grey = images.subarray(784 * k, 784 * (k + 1));
    return { label, number: data.digits.numbers[k], grey, x: pixels(grey) };
  });

  function unpacked(model) {
    model.encoder ??= layer(model.layers[0]);
    model.decoder ??= layer(model.layers[1]);
    model.tables ??= model.counts.map((of) => new Uint32Array(bytes(of).buffer));
    return model;
  }

  // ---- State: which model, which digit, its code, and the stop of the slider of levels --------

  const NOT_ROUNDED = data.levels.length;
  const state = { model: unpacked(data.models[0]), digit: digits[0], code: null, stop: NOT_ROUNDED };
  const byId = (id) => document.getElementById(id);

  function selectModel(changes) {
    const { protocol, bias, ratio } = { ...state.model, ...changes };
    const ofKind = data.models.filter((m) => m.protocol === protocol && m.bias === bias);
    state.model = unpacked(ofKind.find((m) => m.ratio === ratio) ?? ofKind.at(-1));
    showChoices();
    selectDigit(state.digit);
  }

  function selectDigit(digit) {
    state.digit = digit;
    drawImage(byId("original"), digit.x);
    byId("original").setAttribute("aria-label", `Test image ${digit.number}, a ${digit.label}`);
    for (const [k, button] of [...byId("digits").children].entries()) {
      button.setAttribute("aria-pressed", digits[k] === digit);
    }
    setCode(encode(state.model, digit.x));
  }

  function setCode(code) {
    state.code = code;
    showDecoded();
  }

  // What is decoded is the code, rounded if the slider says so.
  function showDecoded() {
    const levels = data.levels[state.stop];
    const code = levels ? rounded(state.code, levels) : state.code;
    const bits = levels ? codeBits(code, levels, state.model.tables[state.stop]) : 32 * code.length;
    const reconstruction = decode(state.model, code);
    const mse = meanSquaredError(state.digit.x, reconstruction);
    drawImage(byId("reconstruction"), reconstruction);
    byId("mse").textContent = mse.toFixed(4);
    Object.assign(byId("output").dataset, {
      protocol: state.model.protocol,
      bias: state.model.bias,
      ratio: state.model.ratio,
      digit: state.digit.number,
      mse,
      code: code.join(" "),
      levels: levels ?? "",
      bits,
    });
    showCode(code);
    showBytes(bits);
    announce(code, mse, bits);
  }

  // ---- What is seen --------------------------------------------------------------------------

  // Dark ink on white, a pixel of the canvas for a pixel of the image.
  function drawImage(canvas, x) {
    const image = new ImageData(28, 28);
    x.forEach((value, i) => {
      const ink = (255 * (value - 0.01)) / 0.99;
      image.data.set([255 - ink, 255 - ink, 255 - ink, 255], 4 * i);
    });
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  function showCode(code) {
    const units = byId("units");
    if (units.children.length !== code.length) {
      const bars = Array.from(code, () => document.createElement("li"));
      units.replaceChildren(...bars);
      units.className = code.length > 28 ? "tiny" : code.length > 8 ? "small" : "";
    }
    code.forEach((a, k) => {
      units.children[k].style.setProperty("--a", a.toFixed(3));
      units.children[k].textContent = a.toFixed(2).replace(code.length > 28 ? /^0/ : "", "");
    });
    byId("code-size").textContent = code.length;
    byId("square").hidden = byId("square-hint").hidden = code.length !== 2;
    if (code.length === 2) drawSquare(code);
  }

  const inBytes = (bits) => `${(bits / 8).toFixed(1)} bytes (${(784 / (bits / 8)).toFixed(1)}x)`;

  function showBytes(bits) {
    const levels = data.levels[state.stop];
    byId("bytes").textContent = inBytes(bits);
    byId("levels-name").textContent = levels ? `${levels} levels` : "not rounded: float32";
    byId("levels").setAttribute("aria-valuetext", byId("levels-name").textContent);
  }

  // Screen readers are told the code when it has come to rest, not at every step.
  let timer = 0;
  function announce(code, mse, bits) {
    clearTimeout(timer);
    const numbers = Array.from(code.subarray(0, 8), (a) => a.toFixed(2)).join(", ");
    const rest = code.length > 8 ? ` and ${code.length - 8} more` : "";
    timer = setTimeout(() => {
      byId("announcement").textContent =
        `${state.model.ratio}x: code ${numbers}${rest}, ${inBytes(bits)}. ` +
        `Mean squared error ${mse.toFixed(4)}.`;
    }, 400);
  }

  // ---- The square over all codes of two units --------------------------------------------------

  const SIDE = 720; // pixels of the canvas
  const TILES = 12; // decoded images behind the square, in each direction
  const COLOURS = [
    "#1f77b4", "#c85a00", "#218a21", "#c22", "#7d4bb0",
    "#80523f", "#c0409a", "#5f5f5f", "#858500", "#0c8a98",
  ];
  const xy = ([a1, a2]) => [a1 * SIDE, (1 - a2) * SIDE]; // unit 2 grows upwards

  function drawSquare(code) {
    const { model, digit } = state;
    model.background ??= drawBackground(model);
    const pen = byId("square").getContext("2d");
    pen.drawImage(model.background, 0, 0);
    ring(pen, xy(encode(model, digit.x)), 24, COLOURS[digit.label], 4);
    const [x, y] = xy(code);
    pen.strokeStyle = "#0008";
    pen.lineWidth = 1.5;
    for (const [dx, dy] of [[SIDE, 0], [0, SIDE]]) {
      pen.beginPath();
      pen.moveTo(x - dx, y - dy);
      pen.lineTo(x + dx, y + dy);
      pen.stroke();
    }
    ring(pen, [x, y], 11, "#111", 5);
  }

  function ring(pen, [x, y], radius, colour, width) {
    for (const [style, line] of [["#fff", width + 4], [colour, width]]) {
      pen.beginPath();
      pen.arc(x, y, radius, 0, 2 * Math.PI);
      pen.strokeStyle = style;
      pen.lineWidth = line;
      pen.stroke();
    }
  }

  // What every part of the square decodes to, faintly; on it the codes of test images as dots,
  // and those of the digits that can be picked as numerals.
  function drawBackground(model) {
    const canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, SIDE, SIDE);
    const tile = Object.assign(document.createElement("canvas"), { width: 28, height: 28 });
    const side = SIDE / TILES;
    pen.globalAlpha = 0.3;
    for (let row = 0; row < TILES; row++) {
      for (let column = 0; column < TILES; column++) {
        const code = [(column + 0.5) / TILES, 1 - (row + 0.5) / TILES];
        drawImage(tile, decode(model, code));
        pen.drawImage(tile, column * side, row * side, side, side);
      }
    }
    pen.globalAlpha = 0.55;
    const dots = bytes(model.dots);
    data.dotLabels.forEach((label, k) => {
      const [x, y] = xy([dots[2 * k] / 255, dots[2 * k + 1] / 255]);
      pen.fillStyle = COLOURS[label];
      pen.beginPath();
      pen.arc(x, y, 4.5, 0, 2 * Math.PI);
      pen.fill();
    });
    pen.globalAlpha = 1;
    Object.assign(pen, { font: "bold 30px system-ui, sans-serif", lineJoin: "round" });
    Object.assign(pen, { textAlign: "center", textBaseline: "middle", strokeStyle: "#fff" });
    for (const { label, x } of digits) {
      const [left, top] = xy(encode(model, x)).map((v) => Math.min(Math.max(v, 12), SIDE - 12));
      pen.lineWidth = 6;
      pen.strokeText(label, left, top);
      pen.fillStyle = COLOURS[label];
      pen.fillText(label, left, top);
    }
    return canvas;
  }

  const clamped = (value) => Math.min(Math.max(value, 0), 1);

  function followPointer(event) {
    const box = byId("square").getBoundingClientRect();
    const a1 = (event.clientX - box.left) / box.width;
    const a2 = 1 - (event.clientY - box.top) / box.height;
    setCode(Float64Array.of(clamped(a1), clamped(a2)));
  }

  function moveByKey(event) {
    const moves = {
      ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1],
    };
    const step = event.shiftKey ? 0.1 : 0.01;
    if (event.key === "Home") selectDigit(state.digit);
    else if (event.key in moves) {
      setCode(state.code.map((a, k) => clamped(a + step * moves[event.key][k])));
    } else return;
    event.preventDefault();
  }

  // ---- Choosing a model and a digit -------------------------------------------------------------

  const CHOICES = {
    ratio: (ratio) => `${ratio}x`,
    protocol: (protocol) => protocol,
    bias: (bias) => (bias ? "with bias" : "without bias"),
  };

  // Native radio buttons: arrow keys move between them.
  function makeChoices() {
    for (const [name, title] of Object.entries(CHOICES)) {
      for (const value of new Set(data.models.map((model) => model[name]))) {
        const input = Object.assign(document.createElement("input"), { type: "radio", name });
        input.id = `${name}-${value}`;
        input.model = { [name]: value };
        input.addEventListener("change", () => selectModel(input.model));
        const label = document.createElement("label");
        Object.assign(label, { htmlFor: input.id, textContent: title(value) });
        byId(name).append(input, label);
      }
    }
    if (byId("protocol").children.length === 2) byId("protocol").parentElement.hidden = true;
    if (byId("bias").children.length === 2) byId("bias").parentElement.hidden = true;
  }

  // Ratios whose model of this kind is not in the page cannot be chosen.
  function showChoices() {
    const { protocol, bias } = state.model;
    const ofKind = data.models.filter((m) => m.protocol === protocol && m.bias === bias);
    for (const input of document.querySelectorAll("#explorer .pills input")) {
      input.checked = state.model[input.name] === input.model[input.name];
      if (input.name === "ratio") {
        input.disabled = !ofKind.some((model) => model.ratio === input.model.ratio);
      }
    }
    byId("too-large").hidden = !document.querySelector("#ratio input:disabled");
  }

  // One button is in the tab order; arrow keys move on to the others.
  function makeDigits() {
    digits.forEach((digit, k) => {
      const button = Object.assign(document.createElement("button"), { type: "button" });
      button.setAttribute("aria-label", `${digit.label}, test image ${digit.number}`);
      button.tabIndex = k === 0 ? 0 : -1;
      const canvas = Object.assign(document.createElement("canvas"), { width: 28, height: 28 });
      drawImage(canvas, digit.x);
      button.append(canvas);
      button.addEventListener("click", () => selectDigit(digit));
      button.addEventListener("focus", () => {
        for (const other of byId("digits").children) other.tabIndex = other === button ? 0 : -1;
      });
      byId("digits").append(button);
    });
    byId("digits").addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -10, ArrowDown: 10 };
      const buttons = [...byId("digits").children];
      const next = buttons.indexOf(document.activeElement) + steps[event.key];
      if (!(event.key in steps)) return;
      buttons[next]?.focus();
      event.preventDefault();
    });
  }

  function followSlider() {
    state.stop = byId("levels").valueAsNumber;
    showDecoded();
  }

  makeChoices();
  makeDigits();
  Object.assign(byId("levels"), { max: NOT_ROUNDED, value: NOT_ROUNDED });
  selectModel({});
  byId("levels").addEventListener("input", followSlider);
  byId("square").addEventListener("pointermove", followPointer);
  byId("square").addEventListener("pointerdown", followPointer);
  byId("square").addEventListener("keydown", moveByKey);
})();
