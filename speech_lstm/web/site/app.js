// What the page shows: its state, what follows from it, and what is computed in which order.

import { element } from "./maps.js";
import { at, fail, fillChoices, showCell, showOverview } from "./panels.js";
import { settleSources, wantedColumns } from "./sources.js";
import { remember, state } from "./state.js";
import { View, heldGate, say } from "./view.js";

const PAUSE = 100;  // milliseconds between two drawings of what is computed piece by piece

let views = [];
let busy = false, again = false;  // whether a refresh runs, and whether another must follow
let going = false;  // whether what takes longer is being computed
let waiting = false;  // whether it waits, because a word is being spoken

export const chosen = () => views[state.column];
export const viewOf = (sound) => views.find(({ column }) => column.sound === sound);

/** Limit the state to places that exist in the columns on show. */
function settle(shown) {
  state.column = Math.max(0, Math.min(shown.length - 1, state.column));
  const column = shown[state.column], trace = column.trace(state.layer, state.direction, column.base);
  if (shown.length === 1) Object.assign(state, { layer: trace.spec.layer, direction: trace.spec.direction });
  const width = trace.units(trace.output), widest = Math.max(...trace.names.map((name) => trace.units(name)));
  if (state.unit < 0) state.unit = strongest(trace, width);
  state.unit = Math.min(widest - 1, state.unit);
  if (state.frame < 0) state.frame = trace.active()[Math.min(state.unit, width - 1)];
  state.frame = Math.min(column.frames - 1, state.frame);
  state.from = Math.max(0, Math.min(column.frames - 1, state.from));
  if (state.to >= column.frames - 1 || state.to < state.from) state.to = -1;
  if (!["unit", "all"].includes(state.scope)) state.scope = "all";
}

/** The unit whose output is largest. */
function strongest(trace, width) {
  const peaks = trace.active().slice(0, width).map((frame, unit) => Math.abs(trace.at(trace.output, frame, unit)));
  return peaks.indexOf(Math.max(...peaks));
}

/** What is set by hand when another column is chosen: the gate that is held there, if any is. */
function handOver(column) {
  const held = heldGate(views[column].plain, chosen().plain);
  return held ? { set: held.gate, hold: String(Number(held.value.toFixed(2))) } : { hold: "" };
}

/** Change the state and show what follows; a promise of when it is shown. */
export function choose(changes) {
  const before = { ...state }, other = "column" in changes && changes.column !== state.column;
  Object.assign(state, other && state.hold !== "" && views[changes.column] ? handOver(changes.column) : {}, changes);
  if ("gate" in changes && !("set" in changes) && state.hold === "") state.set = "";  // follows the large map
  settleSources();
  const changed = Object.keys(state).filter((name) => state[name] !== before[name]);
  const recompute = changed.includes("unit") && state.hold !== "" && state.scope === "unit";
  const cursor = changed.every((name) => ["frame", "unit", "column", "lit", "tour", "rate", "open"].includes(name));
  if (!cursor || recompute || busy || !views.length) return refresh();
  settle(views.map((view) => view.column));
  if (changed.includes("column")) fillChoices(chosen(), views);
  if (changed.includes("open")) showOverview(chosen(), choose);
  showCursors();
  return Promise.resolve();
}

let refreshing = null;

/** Compute what the state needs and show it; what changes meanwhile is done at the end. */
export function refresh() {
  again = true;
  if (!busy) refreshing = refreshAll();
  return refreshing;
}

async function refreshAll() {
  busy = true;
  delete document.body.dataset.done;
  at("status").textContent = say("computing");
  try {
    while (again) {
      again = false;
      const shown = await wantedColumns();
      settle(shown);
      const traceOf = (column) => column.trace(state.layer, state.direction, column.base);
      for (const column of shown) column.held = await heldRun(column, heldGate(traceOf(column), traceOf(shown[state.column])));
      if (!again) show(shown);
    }
    document.body.dataset.ready = "yes";
  } catch (error) {
    fail(error.message);
  } finally {
    busy = false;
    at("status").textContent = at("status").dataset.idle ?? "";
  }
  goOn();
}

/** The run of a column with a gate that is set by hand; null if none is. */
async function heldRun(column, held) {
  if (!held) return null;
  const { layer, direction } = column.trace(state.layer, state.direction, column.base).spec;
  const unit = state.scope === "all" ? null : state.unit, to = state.to < 0 ? Infinity : state.to;
  return column.run([{ layer, direction, ...held, unit, from: state.from, to }]);
}

/** Let what takes longer wait, or go on. */
export function letWait(value) {
  if (waiting === value) return;
  waiting = value;
  if (!waiting) goOn();
}

/** Compute what takes longer, piece by piece, while nothing else is to be done. */
async function goOn() {
  if (going) return;
  going = true;
  try {
    for (let more = true, shown = 0; more && !busy && !waiting;) {
      more = false;
      for (const { column } of views) more = (await pieceOf(column)) || more;
      if (busy || performance.now() < shown + PAUSE) continue;
      views.forEach((view) => view.showSlow());
      shown = performance.now();
    }
    if (!busy && !waiting) finish();
  } catch (error) {
    fail(error.message);
  } finally {
    going = false;
  }
}

async function pieceOf(column) {
  if (busy || waiting) return false;
  const more = await column.goOn();
  return (state.order === "decision" && !busy && (await column.goOnWithDrops(state.layer, state.direction))) || more;
}

function finish() {
  views.forEach((view) => view.showSlow());
  if (state.order === "decision") views.forEach((view) => view.showMaps());
  showCursors();
  document.body.dataset.done = "yes";
}

function show(shown) {
  if (shown.length !== views.length) {
    at("columns").replaceChildren();
    views = shown.map((column, i) => new View(at("columns"), column, i, { choose, tip: showTip, noTip: hideTip }));
  }
  shown.forEach((column, i) => { views[i].column = column; });
  document.body.classList.toggle("several", shown.length > 1);
  fillChoices(chosen(), views);
  views.forEach((view) => view.show());
  showOverview(chosen(), choose);
  showCursors();
}

function showCursors() {
  views.forEach((view) => view.showCursor());
  showCell(chosen(), choose);
  remember();
}

function showTip(event, lines) {
  const tip = at("tip");
  tip.replaceChildren(...lines.map((line) => element("div", "", line)));
  tip.hidden = false;
  tip.style.left = `${Math.max(0, Math.min(event.clientX + 16, innerWidth - 300))}px`;
  tip.style.top = `${Math.min(event.clientY + 14, innerHeight - 90)}px`;
}

function hideTip() {
  at("tip").hidden = true;
}
