// The models and sounds of the page, loaded when they are first shown, and the columns of both.

import { Column } from "./column.js";
import { LocalEngine, WorkerEngine } from "./engine.js";
import { unpack } from "./pack.js";
import { decode, second } from "./sound.js";
import { state } from "./state.js";

const inside = document.getElementById("data");  // the list of a page that is one file
export const ONE_FILE = inside !== null;
export const entries = { models: [], sounds: [] };  // what there is, one's own sounds included

const engine = ONE_FILE ? new LocalEngine() : new WorkerEngine("worker.js");
const models = new Map();  // headers of packed models, by key
const columns = new Map();  // by model and sound
const MOST_COLUMNS = 40;

async function get(file) {
  const answer = await fetch(file);
  if (!answer.ok) throw new Error(`${file}: ${answer.status} ${answer.statusText}`);
  return answer;
}

async function bytes({ data, file }) {
  return data ? Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0)).buffer : (await get(file)).arrayBuffer();
}

/** Read the list of models and sounds; what the page shows first. */
export async function readList() {
  const list = ONE_FILE ? JSON.parse(inside.textContent) : await (await get("manifest.json")).json();
  Object.assign(entries, { models: list.models, sounds: list.sounds });
  return list.start;
}

async function modelOf(key) {
  if (!models.has(key)) models.set(key, loadModel(entries.models.find((each) => each.key === key)));
  return models.get(key);
}

async function loadModel({ key, name, ...entry }) {
  const buffer = await bytes(entry), model = unpack(buffer);
  await engine.ask({ task: "load", key, buffer });
  return Object.assign(model, { key, name });
}

/** A sound with its waveform, which is loaded once. */
async function loaded(entry) {
  entry.loading ??= entry.waveform ? Promise.resolve() : loadSound(entry);
  await entry.loading;
  return entry;
}

async function loadSound(entry) {
  const content = await bytes(entry);
  Object.assign(entry, entry.data ? { waveform: new Float32Array(content) } : second(await decode(content)));
}

/** The column of a model and a sound, computed if it is not yet. */
export async function columnOf(key, sound) {
  const name = `${key} ${sound.id}`;
  if (!columns.has(name)) {
    if (columns.size >= MOST_COLUMNS) columns.delete(columns.keys().next().value);
    columns.set(name, makeColumn(key, sound));
  }
  return columns.get(name);
}

async function makeColumn(key, sound) {
  const column = new Column(engine, await modelOf(key), await loaded(sound));
  await column.analyse();
  return column;
}

/** The columns of the chosen sound, or another, by one model or two; of all sounds of a page that is one file. */
export function wantedColumns(sound = entries.sounds.find((each) => each.id === state.sound)) {
  const keys = [state.model, ...(state.beside && state.beside !== state.model ? [state.beside] : [])];
  const sounds = ONE_FILE && !sound.own ? entries.sounds.filter((each) => !each.own) : [sound];
  return Promise.all(sounds.flatMap((each) => keys.map((key) => columnOf(key, each))));
}

/** Limit the state to models and sounds that there are. */
export function settleSources() {
  const keys = entries.models.map((model) => model.key), ids = entries.sounds.map((sound) => sound.id);
  if (!keys.includes(state.model)) state.model = keys[0];
  if (!keys.includes(state.beside)) state.beside = "";
  if (!ids.includes(state.sound)) state.sound = ids[0];
}
