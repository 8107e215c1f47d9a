// The state of the page and all that depends on it. The address of the page contains `state` too.

const at = (id) => document.getElementById(id);
const state = { recording: 0, layer: 0, direction: "", gate: "", unit: 0, frame: 0, order: "index", lit: false, set: "", scope: "unit" };
const ORDERS = { index: "their number", active: "when they are most active", "half-life": "how long they remember", decision: "how much the answer needs them" };
const views = [];  // for each recording its column, strips, cursor and sound
let drawn = null;  // the diagram on show: its svg, its elements, its rule

const recording = () => page.recordings[state.recording];
const traceOf = (of) => of.traces.find((trace) => trace.layer === state.layer && trace.direction === state.direction);
const trace = () => traceOf(recording());
const names = (of) => [...of.internals, ...of.state.slice(1), of.state[0]];
const title = (of, name) => (of.roles[name] === name ? name : `${name}, ${of.roles[name]}`);
const bySet = () => (state.set !== "" && state.gate in trace().interventions ? Number(state.set) : null);

/** The units of a layer in the chosen order of the first recording. */
function unitOrder(width) {
  const of = traceOf(page.recordings[0]);
  const index = Array.from({ length: width }, (_, unit) => unit);
  const lives = of.lives && of.active.map((_, unit) => (unit < of.lives.length ? -of.lives[unit] : Infinity));  // those without a memory last
  const key = { active: of.active, "half-life": lives, decision: of.drops.map((drop) => -drop) }[state.order];
  return key && key.length === width ? index.sort((a, b) => key[a] - key[b] || a - b) : index;
}

/** Limit the state to values that exist, after a choice or an address. */
function settle() {
  state.recording = Math.max(0, Math.min(page.recordings.length - 1, Math.trunc(state.recording) || 0));
  const traces = recording().traces;
  if (!traces.some((item) => item.layer === state.layer)) state.layer = traces[traces.length - 1].layer;
  if (!trace()) state.direction = traces.find((item) => item.layer === state.layer).direction;
  const chosen = trace();
  if (!(state.gate in chosen.values)) state.gate = names(chosen)[0];
  const widest = Math.max(...Object.values(chosen.values).map((spec) => spec.shape[1]));
  state.unit = Math.max(0, Math.min(widest - 1, Math.trunc(state.unit) || 0));
  state.frame = Math.max(0, Math.min(recording().times.length - 1, Math.trunc(state.frame) || 0));
  if (!(state.order in ORDERS)) state.order = "index";
  if (!["", "0", "1"].includes(state.set)) state.set = "";
  if (!["unit", "all"].includes(state.scope)) state.scope = "unit";
}

/** Change the state and show it. */
function choose(changes) {
  const before = { ...state };
  Object.assign(state, changes);
  settle();
  const same = ["layer", "direction", "gate", "order"].every((name) => state[name] === before[name]);
  show(same && views.length > 0);
}

/** Show the state; if only unit and frame changed (`same`), the heat maps stay. */
function show(same) {
  if (!same) {
    fillChoices();
    page.recordings.forEach(showRecording);
  }
  showCursors();
  showDiagram();
  showAnswer();
  if (views[state.recording].sound.paused) remember();  // browsers limit how often the address may change
}

/** Write the state into the address, so that it can be saved and shared. */
function remember() {
  const address = new URLSearchParams(Object.entries(state).map(([name, value]) => [name, String(value)]));
  try {
    history.replaceState(null, "", `#${address}`);
  } catch { /* a browser may refuse for a file */ }
}

/** Take the state from the address; names that it lacks stay as they are. */
function recall() {
  const changes = {};
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
    if (name in state) changes[name] = typeof state[name] === "number" ? Number(value) : typeof state[name] === "boolean" ? value === "true" : value;
  }
  choose(changes);
}

function options(select, chosen, items) {
  select.replaceChildren(...items.map(([value, text]) => new Option(text, value, false, String(value) === String(chosen))));
}

function fillChoices() {
  const chosen = trace(), traces = recording().traces;
  options(at("layer"), state.layer, [...new Set(traces.map((item) => item.layer))].map((layer) => [layer, layer]));
  options(at("direction"), state.direction, traces.filter((item) => item.layer === state.layer).map((item) => [item.direction, item.direction]));
  options(at("gate"), state.gate, names(chosen).map((name) => [name, title(chosen, name)]));
  options(at("order"), state.order, Object.entries(ORDERS).filter(([key]) => key !== "half-life" || chosen.lives));
  at("about").textContent = `Layer ${chosen.layer}, ${chosen.direction}: ${chosen.cell}; ${chosen.equations}. The ${chosen.direction} direction reads ${chosen.direction === "forward" ? "from left to right" : "from right to left"}.`;
  const groups = new Set(drawing().groups.map((part) => part.dataset.group));
  at("lights").replaceChildren(...["", ...names(chosen).filter((name) => groups.has(name))].map((name) => {
    const button = element("button", "", name || "all");
    button.type = "button";
    button.title = name ? `highlight ${title(chosen, name)}` : "show all gates alike";
    button.dataset.light = name;
    button.onclick = () => choose(name ? { gate: name, lit: true } : { lit: false });
    return button;
  }));
}

/** The column of a recording: made once, its heat maps for each choice. */
function showRecording(of, number) {
  const view = views[number] || (views[number] = makeColumn(of, number));
  view.maps.replaceChildren();
  view.strips = [];
  const chosen = traceOf(of), columns = names(chosen);
  const rest = Math.max(30, Math.min(46, Math.floor(250 / (columns.length - 1 || 1))));
  for (const name of columns) {
    const large = name === state.gate;
    const made = strip(view.maps, name, chosen.roles[name], large ? 180 : rest, "button");
    made.row.classList.toggle("large", large);
    made.row.dataset.name = name;
    made.label.style.borderLeftColor = page.tints[chosen.roles[name].split(/[ ,]/)[0]] || "#888";
    made.label.onclick = () => choose({ gate: name, recording: number });
    made.canvas.className = "map";
    const spec = array(chosen.values[name]), share = chosen.gates.includes(name);
    const most = share ? 1 : Math.max(...page.recordings.map((each) => largest(traceOf(each).values[name])));
    const order = unitOrder(spec.shape[1]);
    heat(made.canvas, of, order, (unit, frame) => (share ? spec.at(frame, unit) : 0.5 + spec.at(frame, unit) / most / 2), share ? SHARES : SIGNED);
    const end = most < 10 ? most.toFixed(1) : most.toFixed(0);
    scale(made.key, share ? SHARES : SIGNED, share ? "0" : `−${end}`, share ? "1" : end);
    follow(made.canvas, number, name, order);
    view.strips.push({ ...made, order });
  }
}

/** The part that does not depend on the choices: name, sound, waveform, features, the answer over time, axis and cursor. */
function makeColumn(of, number) {
  const column = element("article", "recording");
  const heading = element("h2");
  heading.append(`${of.name}: `, element("b", "", of.answer), ` ${percent(of.probability)}`);
  column.append(heading);
  at("recordings").append(column);
  const bytes = Uint8Array.from(atob(of.audio), (letter) => letter.charCodeAt(0));
  of.samples = new Int16Array(bytes.buffer, 44);  // after the head of a WAV file
  of.loudest = of.samples.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  const sound = new Audio(`data:audio/wav;base64,${of.audio}`);
  sound.onended = () => choose({});
  const waveform = strip(column, "waveform", "", 40);
  const features = strip(column, page.features, "features", 54);
  const needed = strip(column, "needed", "by the answer", 40);
  const answer = strip(column, "answer", "if it ended here", 74);
  const maps = element("div", "maps");
  column.append(maps);
  const axis = strip(column, "", "", 18);
  axis.key.textContent = "time, s";
  const cursor = element("div", "cursor");
  column.append(cursor);
  const fixed = () => {
    drawWaveform(waveform.canvas, of);
    drawFeatures(features.canvas, of);
    drawNeeded(needed.canvas, needed.key, of);
    drawPosteriors(answer.canvas, answer.key, of);
    drawAxis(axis.canvas, of);
  };
  fixed();
  for (const made of [waveform, features, needed, answer]) follow(made.canvas, number, "", []);
  return { column, maps, cursor, sound, fixed, top: waveform.canvas, bottom: axis.canvas, strips: [] };
}

/** Show the numbers under the pointer; a click chooses unit and frame. */
function follow(canvas, number, name, order) {
  const place = (event) => {
    const box = canvas.getBoundingClientRect(), of = page.recordings[number];
    const row = Math.floor(((event.clientY - box.top) / box.height) * order.length);
    return { frame: frameAt(of, (event.clientX - box.left) / box.width), unit: order[Math.max(0, Math.min(order.length - 1, row))] };
  };
  canvas.onmousemove = (event) => {
    const { frame, unit } = place(event);
    showTip(event, number, name, unit, frame);
  };
  canvas.onmouseleave = () => { at("tip").hidden = true; };
  canvas.onclick = (event) => {
    const { frame, unit } = place(event);
    views.forEach((view) => view.sound.pause());
    choose(name ? { recording: number, frame, unit, gate: name } : { recording: number, frame });
  };
}

function showTip(event, number, name, unit, frame) {
  const of = page.recordings[number], chosen = traceOf(of), tip = at("tip");
  const lines = [`${(of.start + of.times[frame]).toFixed(2)} s, frame ${frame}`];
  if (name) {
    lines.unshift(`unit ${unit}: ${name} = ${formatNumber(array(chosen.values[name]).at(frame, unit), chosen.gates.includes(name) ? "share" : "signed")}`);
    if (chosen.lives && unit < chosen.lives.length) lines.push(`half-life ${lifeText(chosen.lives[unit])}`);
    if (unit < chosen.drops.length) lines.push(`held at 0 the answer changes by ${formatNumber(-100 * chosen.drops[unit], "signed")} points`);
  } else {
    const answer = page.labels.map((label, i) => [array(of.posteriors).at(frame, i), label]).sort((a, b) => b[0] - a[0]);
    lines.push(answer.slice(0, 3).map(([share, label]) => `${label} ${percent(share)}`).join(", "));
    lines.push(`with ${Math.round(1000 * of.hidden)} ms around it hidden the answer changes by ${formatNumber(-100 * of.needed[frame], "signed")} points`);
  }
  tip.replaceChildren(...lines.map((line) => element("div", "", line)));
  tip.hidden = false;
  tip.style.left = `${Math.min(event.clientX + 16, innerWidth - 300)}px`;
  tip.style.top = `${Math.min(event.clientY + 14, innerHeight - 90)}px`;
}

const lifeText = (seconds) => (seconds < 10 ? `${(1000 * seconds).toFixed(0)} ms` : "over 10 s");

/** The cursor of each recording and the mark of the chosen unit. */
function showCursors() {
  views.forEach((view, number) => {
    const of = page.recordings[number], column = view.column.getBoundingClientRect();
    const box = view.top.getBoundingClientRect(), end = view.bottom.getBoundingClientRect();
    const frame = Math.min(state.frame, of.times.length - 1);
    const width = (share) => `(100% - var(--inset) - var(--label) - var(--scale)) * ${share}`;
    view.column.classList.toggle("chosen", number === state.recording);
    Object.assign(view.cursor.style, {
      left: `calc(var(--inset) + var(--label) + ${width((of.times[frame] - of.hop / 2) / of.seconds)})`,
      top: `${box.top - column.top}px`,
      width: `calc(${width(of.hop / of.seconds)})`,
      height: `${end.top - box.top}px`,
    });
    for (const { row, label, order } of view.strips) {
      const large = row.classList.contains("large"), place = order.indexOf(state.unit);
      label.querySelector("em")?.remove();
      if (!large || place < 0) continue;
      const mark = element("em", "", `${state.unit} ▸`);
      mark.style.top = `${Math.max(5, Math.min(95, (100 * (place + 0.5)) / order.length))}%`;
      label.append(mark);
    }
  });
  const of = recording();
  Object.assign(at("frame"), { max: of.times.length - 1, value: state.frame });
  at("moment").textContent = `frame ${state.frame}, ${(of.start + of.times[state.frame]).toFixed(2)} s`;
  at("unit").value = state.unit;
  at("play").textContent = views[state.recording].sound.paused ? "▶ play" : "❚❚ pause";
}

/** The drawing of the trace's cell, made once for each kind. */
function drawing() {
  const source = at("drawings").children[trace().drawing];
  if (drawn?.source === source) return drawn;
  const svg = source.cloneNode(true);
  at("diagram").replaceChildren(svg);
  svg.onclick = (event) => {
    const group = event.target.closest("[data-group]")?.dataset.group;
    if (group) choose({ gate: group });
  };
  const each = (name) => [...svg.querySelectorAll(`[data-${name}]`)];
  drawn = { source, svg, rule: { ...svg.dataset }, texts: each("text"), weights: each("weight"), bars: each("bar"), groups: each("group") };
  return drawn;
}

function showDiagram() {
  const { svg, rule, texts, weights, bars, groups } = drawing(), chosen = trace();
  const frames = recording().times.length, plain = lookup(chosen, state.unit, state.frame, frames, {});
  const changed = bySet() === null ? {} : changes(rule, chosen, plain, state.gate, bySet());
  const numbers = lookup(chosen, state.unit, state.frame, frames, changed);
  for (const text of texts) {
    const { text: formula, form } = text.dataset, now = formatNumber(evaluate(formula, numbers), form);
    text.textContent = now;
    text.classList.toggle("struck", bySet() !== null && formula === `${state.gate}.Σ`);
    text.classList.toggle("changed", now !== formatNumber(evaluate(formula, plain), form));
  }
  for (const line of weights) {
    const size = Math.min(1, Math.abs(evaluate(line.dataset.weight, numbers) ?? 0));
    line.style.strokeWidth = page.thinnest + (page.thickest - page.thinnest) * size;
  }
  for (const bar of bars) {
    const value = Math.max(-1, Math.min(1, evaluate(bar.dataset.bar, numbers) ?? 0)), span = Number(bar.dataset.span);
    bar.setAttribute("x", Number(bar.dataset.from) + Math.min(value, 0) * span);
    bar.setAttribute("width", Math.abs(value) * span);
  }
  const lit = state.lit && groups.some((part) => part.dataset.group === state.gate);
  svg.classList.toggle("lit", lit);
  groups.forEach((part) => part.classList.toggle("on", part.dataset.group === state.gate));
  for (const button of at("lights").children) {
    button.setAttribute("aria-pressed", button.dataset.light === (lit ? state.gate : ""));
  }
  showSum(chosen, plain);
  showEffect(chosen, plain, changed);
}
