// The numbers of the page: arrays of the file, formulas of a drawing, and a gate set by hand in one frame.

addEventListener("error", (event) => {
  document.getElementById("failure").hidden = false;
  document.getElementById("failure").textContent = `This page failed: ${event.message} (line ${event.lineno})`;
});

const page = JSON.parse(document.getElementById("data").textContent);

/** An array of the file: {shape: [rows, columns], at(row, column)}; null if there is none. A single row is that of every row. */
function array(spec) {
  if (!spec) return null;
  if (!spec.values) {
    const bytes = Uint8Array.from(atob(spec.data), (letter) => letter.charCodeAt(0));
    spec.values = new Float32Array(bytes.buffer);
    const [rows, columns] = spec.shape;
    spec.at = (row, column) => spec.values[(rows === 1 ? 0 : row) * columns + column];
  }
  return spec;
}

/** The limit that 99.5 % of the absolute values of an array do not exceed, for its colours; never 0. */
function largest(spec) {
  const { values } = array(spec);
  if (!spec.largest) {
    const sizes = values.map(Math.abs).sort();
    spec.largest = sizes[Math.floor(0.995 * (sizes.length - 1))] || 1;
  }
  return spec.largest;
}

/** The numbers of a trace at a unit and frame, by name and steps in the order of reading; as `Numbers` in diagram.py. */
function lookup(trace, unit, frame, frames, changed) {
  return (name, steps) => {
    if (!steps && name in changed) return changed[name];
    const dot = name.lastIndexOf(".");
    const parts = dot < 0 ? null : trace.parts[name.slice(0, dot)];
    if (dot >= 0 && !parts) return null;
    const part = name.slice(dot + 1);
    const specs = dot < 0 ? [trace.values[name]] : part === "Σ" ? Object.values(parts) : [parts[part]];
    const place = frame + (trace.direction === "forward" ? steps : -steps);
    if (specs.some((spec) => !spec || unit >= spec.shape[1])) return null;
    if (place < 0 || place >= frames) return steps < 0 && trace.state.includes(name) ? 0 : null;
    return specs.reduce((sum, spec) => sum + array(spec).at(place, unit), 0);
  };
}

const FACTOR = new RegExp(`^${page.factor}$`);

/** The value of a drawing's formula; as `evaluate` in diagram.py. */
function evaluate(formula, at) {
  let product = 1;
  for (const factor of formula.split("*")) {
    const [, before, name, step] = FACTOR.exec(factor);
    const value = at(name, step ? Number(step.slice(1)) : 0);
    if (value === null) return null;
    product *= before === "1-" ? 1 - value : before ? Math.tanh(value) : value;
  }
  return product;
}

/** A number as the diagram shows it; as `format_number` in diagram.py. */
function formatNumber(value, form) {
  if (value === null) return "–";
  if (form === "percent") return `${(100 * value).toFixed(0)} %`.replace("-", "−");
  const text = value.toFixed(Math.abs(value) < 10 ? 3 : 2);
  const plus = form === "signed" && !text.startsWith("-") ? "+" : "";
  return (plus + text).replace("-", "−");
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** The values that a gate set by hand changes in this frame alone, by name, from the equations of a drawing's rule. */
function changes(rule, trace, at, gate, to) {
  const now = (name) => at(name, 0);
  const changed = { [gate]: to };
  const get = (name) => (name in changed ? changed[name] : now(name));
  if (now(gate) === null) return {};
  if (rule.rule === "lstm") {
    if (rule.coupled === "1" && gate === "i") changed.f = 1 - to;
    const old = now("c");
    changed.c = get("f") * at("c", -1) + get("i") * now("z");
    const peephole = now("o.peepholes");
    if (peephole !== null && gate !== "o" && old) {  // the output gate sees the new memory
      changed["o.peepholes"] = (peephole * changed.c) / old;
      changed["o.Σ"] = now("o.Σ") + changed["o.peepholes"] - peephole;
      changed.o = sigmoid(changed["o.Σ"]);
    }
    changed.h = get("o") * (rule.squash === "1" ? Math.tanh(changed.c) : changed.c);
  } else if (rule.rule === "gru" && (gate === "z" || (rule.after === "1" && now("r")))) {
    if (gate === "r") {
      let sum = now("n.Σ");
      for (const part of Object.keys(trace.parts.n)) {
        if (part === "x" || part === "bias") continue;
        changed[`n.${part}`] = (now(`n.${part}`) * to) / now("r");
        sum += changed[`n.${part}`] - now(`n.${part}`);
      }
      changed["n.Σ"] = sum;
      changed.n = Math.tanh(sum);
    }
    const share = rule.keeps === "z" ? get("z") : 1 - get("z");
    changed.h = share * at("h", -1) + (1 - share) * get("n");
  }
  return changed;
}
