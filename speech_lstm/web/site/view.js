// The columns of the page: each a sound as one model reads it, as strips on one axis of time.

import { OUTPUT, TINTS } from "./colours.js";
import { LINES, drawArea, drawAxis, drawEnds, drawFeatures, drawValues, drawWaveform, element, ink, scale } from "./maps.js";
import { formatNumber, life, percent, points, seconds } from "./numbers.js";
import { setValue, state } from "./state.js";
import { sentence } from "./terms.js";
import { figureWord, word } from "./words.js";

const tall = () => Math.max(1, Math.min(1.6, (innerHeight - 60) / 740));  // a tall window has room for tall maps
const coloursOfLabels = new Map();

export const say = (key, ...facts) => word(state.language, key, ...facts);
export const figure = (text) => figureWord(state.language, text);
export const role = (spec, name) => figure(spec.roles[name] ?? name);
export const title = (spec, name) => (spec.roles[name] === name ? name : `${name}, ${role(spec, name)}`);

/** The gate, memory or output of a trace that is shown large: the chosen one, or what stands for it. */
export function large(trace) {
  return state.gate in trace.values ? state.gate : trace.keeper || trace.output;
}

/** The gate that is set by hand: the chosen one, or the large map's, or what keeps the memory; "" if there is none. */
export function handGate(trace) {
  const { gates } = trace.spec;
  return [state.set, large(trace), trace.keeper, gates[0]].find((name) => gates.includes(name)) ?? "";
}

/**
 * The gate that is held in a cell, and at which value; null for none. `chosen` is the trace whose gate is set by hand.
 *
 * In another cell it is the gate of the same name; but for the gate that keeps the memory it is the one that does so
 * there, held where the same share is kept.
 */
export function heldGate(trace, chosen) {
  const value = setValue(), name = handGate(chosen), keeps = trace !== chosen && name === chosen.keeper;
  const held = keeps ? { gate: trace.keeper, value: trace.share(chosen.share(value)) } : { gate: name, value };
  return value !== null && trace.spec.gates.includes(held.gate) ? held : null;
}

/** The units of a value of a column in the chosen order. */
export function unitOrder(column, trace, name) {
  const width = trace.units(name), index = Array.from({ length: width }, (_, unit) => unit);
  const base = column.trace(state.layer, state.direction, column.base);
  const drops = column.drops.get(column.place(state.layer, state.direction)) ?? [];
  const keys = {
    active: () => base.active(),
    "half-life": () => base.halfLives(column.hop)?.map((seconds) => -seconds),
    decision: () => base.active().map((_, unit) => -(drops[unit] ?? -1)),
  };
  const key = keys[state.order]?.();
  return key && key.length === width ? index.sort((a, b) => key[a] - key[b] || a - b) : index;
}

/** A colour for a label, the same in all columns. */
function colourOf(name) {
  if (!coloursOfLabels.has(name)) coloursOfLabels.set(name, LINES[coloursOfLabels.size % LINES.length]);
  return coloursOfLabels.get(name);
}

/** A row: its name, a canvas over time, and its key on the right. */
function strip(place, name, under, height, tag = "div") {
  const row = element("div", "strip");
  row.style.height = `${Math.round(height * tall())}px`;
  const label = element(tag, "name", name), canvas = element("canvas", "over"), key = element("div", "key");
  if (tag === "button") label.type = "button";
  if (under && under !== name) label.append(element("small", "", under));
  row.append(label, canvas, key);
  place.append(row);
  return { row, label, canvas, key };
}

export class View {
  /** `actions` are what the pointer does: choose(changes), tip(event, lines), and noTip(). */
  constructor(place, column, number, actions) {
    Object.assign(this, { column, number, actions, drag: null });
    this.root = element("article", "column");
    this.heading = element("h2");
    this.fixed = element("div");
    this.maps = element("div");
    this.bottom = element("div");
    this.cursor = element("div", "cursor");
    this.stretch = element("div", "stretch");
    this.root.append(this.heading, this.fixed, this.maps, this.bottom, this.cursor, this.stretch);
    place.append(this.root);
    this.signature = "";
  }

  get trace() {
    return this.column.trace(state.layer, state.direction);
  }

  /** The trace as it is without a gate set by hand. */
  get plain() {
    return this.column.trace(state.layer, state.direction, this.column.base);
  }

  /** Draw everything. */
  show() {
    const { column } = this, { base, held, model, sound } = column;
    const answer = ({ best, scores }) => `${model.labels[best]} ${percent(scores[best])}`;
    this.heading.replaceChildren(`${sound.name} · ${model.name}: `, element("b", "", answer(base)));
    if (held) this.heading.append(" → ", element("em", "", answer(held)));
    this.makeStrips();
    for (const { canvas, name } of this.rows) canvas.setAttribute("aria-label", say("mapName", title(this.trace.spec, name), sound.name));
    drawWaveform(this.strips.waveform.canvas, column);
    drawFeatures(this.strips.features.canvas, column);
    drawAxis(this.strips.axis.canvas, column);
    this.showMaps();
    this.showSlow();
    this.showCursor();
  }

  /** Make the strips anew if the language, the cell or the large map changed. */
  makeStrips() {
    const { spec, names } = this.trace, chosen = large(this.trace);
    const signature = [state.language, this.column.model.key, spec.layer, names, chosen, innerHeight].join();
    if (signature === this.signature) return;
    this.signature = signature;
    for (const part of [this.fixed, this.maps, this.bottom]) part.replaceChildren();
    this.strips = {
      waveform: strip(this.fixed, say("waveform"), "", 36),
      features: strip(this.fixed, this.column.model.features.kind, say("features"), 50),
      ends: strip(this.fixed, say("ends"), say("endsRole"), 66),
      needed: strip(this.fixed, say("needed"), say("neededRole"), 34),
      depends: strip(this.fixed, say("depends"), say("dependsRole"), 34),
      axis: strip(this.bottom, "", "", 20),
    };
    this.strips.axis.key.textContent = say("time");
    for (const name of ["waveform", "features", "ends", "needed", "depends"]) {
      this.follow(this.strips[name].canvas, "");
      this.explain(this.strips[name].label, name);
    }
    const height = Math.max(30, Math.min(46, Math.floor(230 / (names.length - 1 || 1))));
    this.rows = names.map((name) => {
      const made = strip(this.maps, name, role(spec, name), name === chosen ? 170 : height, "button");
      made.row.classList.toggle("large", name === chosen);
      made.row.dataset.name = name;
      const tint = name === spec.state[0] ? OUTPUT : TINTS[(spec.roles[name] ?? "").split(/[ ,]/)[0]];
      made.label.style.borderLeftColor = tint ?? ink("soft");
      made.label.onclick = () => this.actions.choose({ gate: name, column: this.number });
      this.explain(made.label, spec.roles[name] ?? "");
      made.canvas.classList.add("map");
      made.canvas.setAttribute("role", "img");
      this.follow(made.canvas, name);
      return { ...made, name };
    });
  }

  /** Say in a sentence what a strip shows while its name is pointed at. */
  explain(label, key) {
    const text = sentence(state.language, key), { tip, noTip } = this.actions;
    if (!text) return;
    label.onpointermove = (event) => tip(event, [text]);
    label.onpointerleave = noTip;
  }

  showMaps() {
    const { column, trace } = this;
    for (const row of this.rows) {
      const gate = trace.spec.gates.includes(row.name), most = gate ? 1 : this.limit(row.name);
      row.order = unitOrder(column, trace, row.name);
      drawValues(row.canvas, column, trace, row.name, row.order, most);
      scale(row.key, gate, most);
    }
  }

  /** Draw the large map of the run without a gate set by hand, small. */
  drawSmall(canvas) {
    const { column, plain } = this, name = large(plain);
    drawValues(canvas, column, plain, name, unitOrder(column, plain, name), plain.largest(name));
  }

  /** The end of a value's colours: the same as it is and with a gate set by hand. */
  limit(name) {
    return this.plain.largest(name);
  }

  /** What is computed little by little. */
  showSlow() {
    const { column, strips } = this;
    drawEnds(strips.ends.canvas, column, (label) => colourOf(column.model.labels[label]));
    strips.ends.key.className = "key legend";
    strips.ends.key.replaceChildren(...column.clear.map((label) => {
      const name = element("b"), mark = element("i");
      mark.style.background = colourOf(column.model.labels[label]);
      name.append(mark, column.model.labels[label]);
      return name;
    }));
    const lost = column.hidden.map((each) => each.lost);
    drawArea(strips.needed.canvas, column, lost, Math.max(0.02, ...lost), ink("area"));
    this.showDependence(state.frame);
  }

  /** How much a frame depends on every moment. */
  showDependence(frame) {
    const place = this.column.place(state.layer, state.direction);
    const moved = this.column.hidden.map((each) => each.changes[place][frame]);
    drawArea(this.strips.depends.canvas, this.column, moved, Math.max(1e-6, ...moved), ink("strong"));
  }

  /** The cursor, the stretch that is set by hand, and the mark of the chosen unit. */
  showCursor() {
    const { column } = this, frame = Math.min(state.frame, column.frames - 1);
    this.root.classList.toggle("chosen", this.number === state.column);
    this.over(this.cursor, frame, frame);
    const last = state.to < 0 ? column.frames - 1 : state.to;
    this.stretch.hidden = state.from === 0 && last === column.frames - 1 && state.hold === "";
    this.over(this.stretch, state.from, last);
    for (const { row, label, order } of this.rows) {
      const place = order.indexOf(state.unit);
      label.querySelector("em")?.remove();
      if (!row.classList.contains("large") || place < 0) continue;
      const mark = element("em", "", `${state.unit} ▸`);
      mark.style.top = `${Math.max(5, Math.min(95, (100 * (place + 0.5)) / order.length))}%`;
      label.append(mark);
    }
    this.showDependence(frame);
  }

  /** Put a mark over the frames from `first` to `last`. */
  over(mark, first, last) {
    const { column } = this, root = this.root.getBoundingClientRect(), map = this.strips.waveform.canvas.getBoundingClientRect();
    const end = this.strips.axis.canvas.getBoundingClientRect(), wide = map.width / column.seconds;
    const left = map.left - root.left - this.root.clientLeft + (column.time(first) - column.hop / 2) * wide;
    Object.assign(mark.style, {
      left: `${left}px`, width: `${(last - first + 1) * column.hop * wide}px`,
      top: `${map.top - root.top}px`, height: `${end.top - map.top}px`,
    });
  }

  /** The pointer over a strip: its numbers, a choice, or a stretch of frames. */
  follow(canvas, name) {
    const { choose, tip, noTip } = this.actions;
    const place = (event) => {
      const box = canvas.getBoundingClientRect(), order = this.rows.find((row) => row.name === name)?.order ?? [];
      const row = Math.floor(((event.clientY - box.top) / box.height) * order.length);
      const frame = this.column.frameAt(((event.clientX - box.left) / box.width) * this.column.seconds);
      return { frame, unit: order[Math.max(0, Math.min(order.length - 1, row))] };
    };
    canvas.onpointerdown = (event) => { this.drag = place(event).frame; };
    canvas.onpointermove = (event) => {
      const { frame, unit } = place(event);
      if (event.buttons === 0) this.drag = null;  // it was let go elsewhere
      tip(event, this.lines(name, unit, frame));
      this.showDependence(frame);
      if (!name || this.drag === null || frame === this.drag) return;
      this.stretch.hidden = false;
      this.over(this.stretch, Math.min(this.drag, frame), Math.max(this.drag, frame));
    };
    canvas.onpointerleave = () => {
      noTip();
      this.showDependence(state.frame);
    };
    canvas.onpointerup = (event) => {
      const { frame, unit } = place(event), begun = this.drag;
      this.drag = null;
      const stretch = { from: Math.min(begun, frame), to: Math.max(begun, frame) };
      if (name && begun !== null && frame !== begun) choose({ gate: name, column: this.number, ...stretch });
      else choose({ column: this.number, frame, ...(name ? { unit, gate: name } : {}) });
    };
  }

  /** What is said of the place under the pointer. */
  lines(name, unit, frame) {
    const { column, trace } = this, lines = [say("tipTime", seconds(column.sound.start + column.time(frame)), frame)];
    if (name) {
      const form = trace.spec.gates.includes(name) ? "share" : "signed";
      lines.unshift(say("tipUnit", unit, name, formatNumber(trace.at(name, frame, unit), form)));
      const lives = trace.halfLives(column.hop), drops = column.drops.get(column.place(state.layer, state.direction));
      if (lives && unit < lives.length) lines.push(say("tipLife", life(lives[unit])));
      if (drops?.[unit] !== undefined) lines.push(say("tipDrop", points(-drops[unit])));
      return lines;
    }
    if (column.ends[frame]) {
      const best = column.ends[frame].map((share, label) => [share, column.model.labels[label]]).sort((a, b) => b[0] - a[0]);
      lines.push(best.slice(0, 3).map(([share, label]) => `${label} ${percent(share)}`).join(", "));
    }
    if (column.hidden[frame]) lines.push(say("tipHidden", points(-column.hidden[frame].lost)));
    return lines;
  }
}
