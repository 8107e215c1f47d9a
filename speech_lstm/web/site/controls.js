// Buttons, keys, sound and the microphone.

import { choose, chosen, letWait, refresh, viewOf } from "./app.js";
import { element } from "./maps.js";
import { WordFinder, openMicrophone } from "./microphone.js";
import { percent } from "./numbers.js";
import { at, fail, showTour, showWords } from "./panels.js";
import { Player, decode, second } from "./sound.js";
import { ONE_FILE, entries, wantedColumns } from "./sources.js";
import { recalled, state } from "./state.js";
import { STEPS } from "./tour.js";
import { handGate, large, say } from "./view.js";
import { LANGUAGES } from "./words.js";

const LARGEST = 50e6;  // bytes of a file
const OPENED = ["all", "alike", "glossary"];  // what can be opened and is in the address
const player = new Player();
let close = null;  // closes the microphone
let own = 0;  // sounds of one's own

function stepUnit(by) {
  const { order } = chosen().rows.find(({ name }) => name === large(chosen().trace));
  choose({ unit: order[Math.max(0, Math.min(order.length - 1, order.indexOf(state.unit) + by))] });
}

function stepFrame(by) {
  stop();
  choose({ frame: Math.max(0, state.frame + by) });
}

function stop() {
  player.stop();
  showPlay();
}

function showPlay() {
  at("play").textContent = say(player.playing ? "pause" : "play");
}

/** Play the chosen sound from the cursor, or from the beginning if the cursor is at the end; or pause. */
function play() {
  if (player.playing) {
    stop();
    return;
  }
  const { column } = chosen(), last = column.frames - 1;
  const from = state.frame >= last ? 0 : Math.max(0, column.time(state.frame) - column.hop / 2);
  player.play(column.sound.waveform, from, Number(state.rate), showPlay);
  showPlay();
  requestAnimationFrame(moveOn);
}

/** Move the frame along while the sound plays. */
function moveOn() {
  if (!player.playing) return;
  const frame = chosen().column.frameAt(player.position);
  if (frame !== state.frame) choose({ frame });
  requestAnimationFrame(moveOn);
}

/** A sound of one's own. */
function ownSound(samples, name) {
  own += 1;
  return { id: `own-${own}`, name, own: true, ...second(samples) };
}

/** Add a sound of one's own, in place of an earlier one if it is the same word that went on, and show it. */
async function showOwn(sound, replaced) {
  if (replaced) entries.sounds = entries.sounds.filter((each) => each.id !== replaced.id);
  entries.sounds.push(sound);
  await choose({ sound: sound.id, frame: -1, unit: -1, column: 0 });
}

async function openFile(file) {
  if (!file) return;
  if (file.size > LARGEST) {
    fail(say("tooLarge", file.name));
    return;
  }
  let samples;
  try {
    samples = await decode(await file.arrayBuffer());
  } catch {
    fail(say("undecoded", file.name));
    return;
  }
  fail("");
  await showOwn(ownSound(samples, file.name));
}

let latest = null;  // the word found last: {begun, sound, button}
let count = 0;  // words found

/** What may be a word is computed at once. */
function prepare(samples) {
  const sound = ownSound(samples);
  wantedColumns(sound).catch(() => {});  // it is said when the word is shown
  return sound;
}

/** A word from the microphone: it becomes the sound on show, and a button with its picture that brings it back. */
async function found(sound, begun) {
  performance.mark("word");  // for scripts/bench_page.js
  const same = latest?.begun === begun ? latest : null;
  if (!same) count += 1;
  const button = same?.button ?? element("button");
  latest = { begun, button, sound };
  sound.name = say("own", count);
  await showOwn(sound, same?.sound);
  const view = viewOf(sound);
  if (!view) return;
  const { labels } = view.column.model, { best, scores } = view.column.base;
  const picture = element("canvas");
  button.type = "button";
  button.replaceChildren(picture, `${labels[best]} ${percent(scores[best])}`);
  button.dataset.label = labels[best];
  button.onclick = () => choose({ sound: sound.id, frame: -1 });
  if (!same) {
    const item = element("li");
    item.append(button);
    at("found").append(item);
  }
  view.drawSmall(picture);
}

async function speak() {
  if (close) {
    close();
    close = null;
    letWait(false);
    at("status").textContent = at("status").dataset.idle = "";
    at("speak").textContent = say("speak");
    return;
  }
  if (!navigator.mediaDevices?.getUserMedia) {
    fail(say("insecure"));
    return;
  }
  const finder = new WordFinder(prepare, found), level = at("meter").firstElementChild;
  try {
    close = await openMicrophone((samples) => {
      finder.add(samples);
      letWait(finder.speaking);
      const most = samples.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
      level.style.width = `${Math.min(100, 140 * most)}%`;
    });
  } catch (error) {
    fail(say(error.name === "NotFoundError" ? "missing" : "refused"));
    return;
  }
  fail("");
  at("speak").textContent = say("stop");
  const commands = chosen().column.model.labels.filter((label) => !label.startsWith("_"));
  at("status").textContent = at("status").dataset.idle = `${say("listening")}. ${say("words", commands.join(", "))}`;
}

function setFrames() {
  const last = Number(at("to").value);
  choose({ from: Math.max(0, Math.trunc(Number(at("from").value)) || 0), to: last >= chosen().column.frames - 1 ? -1 : last });
}

/** Hold the gate that keeps the memory, in all units, at what keeps or loses all of it. */
function setMemory(kept) {
  const trace = chosen().plain;
  choose({ set: trace.keeper, hold: String(trace.share(Number(kept))), scope: "all" });
}

function setTour(step) {
  at("tour-question").parentElement.open = false;
  choose({ tour: step });
  showTour();
}

function tryStep() {
  const step = STEPS[state.tour - 1].state;
  const changes = { set: step.gate ?? "", unit: -1, frame: -1, column: 0, layer: 1, direction: "forward", ...step };
  if (changes.model === "first") changes.model = entries.models[0].key;
  choose(changes);
}

const KEYS = {
  ArrowLeft: () => stepFrame(-1),
  ArrowRight: () => stepFrame(1),
  ArrowUp: () => stepUnit(-1),
  ArrowDown: () => stepUnit(1),
  " ": play,
};

function languageButtons() {
  at("languages").replaceChildren(...Object.entries(LANGUAGES).map(([language, name]) => {
    const button = element("button", "", name);
    button.type = "button";
    button.lang = language;
    button.setAttribute("aria-pressed", language === state.language);
    button.onclick = () => {
      choose({ language });
      localise();
    };
    return button;
  }));
}

/** Show what the state says of everything outside the columns and the cell. */
function localise() {
  languageButtons();
  showWords();
  showPlay();
  at("speak").textContent = say(close ? "stop" : "speak");
  at("rate").value = state.rate;
  for (const id of OPENED) at(id).open = state.open.split(",").includes(id);
}

/** Connect everything that can be clicked, typed or dropped. */
export function listen() {
  for (const [id, act] of Object.entries({
    play, speak, earlier: () => stepFrame(-1), later: () => stepFrame(1), open: () => at("file").click(),
    release: () => choose({ hold: "" }), "keep-all": () => setMemory(true), "forget-all": () => setMemory(false),
    whole: () => choose({ from: 0, to: -1 }), "tour-open": () => setTour(state.tour || 1), "tour-close": () => setTour(0),
    "tour-back": () => setTour(state.tour - 1), "tour-next": () => setTour(state.tour + 1), "tour-try": tryStep,
  })) at(id).onclick = act;
  for (const name of ["model", "beside", "direction", "gate", "order", "set", "scope", "rate"]) {
    at(name).onchange = (event) => choose({ [name]: event.target.value });
  }
  at("layer").onchange = (event) => choose({ layer: Number(event.target.value) });
  at("sound").onchange = (event) => choose({ sound: event.target.value, frame: -1 });
  at("frame").oninput = (event) => stepFrame(Number(event.target.value) - state.frame);
  at("unit").onchange = (event) => choose({ unit: Math.max(0, Math.trunc(Number(event.target.value)) || 0) });
  at("value").oninput = (event) => choose({ hold: event.target.value, set: handGate(chosen().trace) });
  at("from").onchange = at("to").onchange = setFrames;
  at("file").onchange = (event) => openFile(event.target.files[0]);
  for (const id of OPENED) at(id).ontoggle = () => choose({ open: OPENED.filter((each) => at(each).open).join() });
  at("speak").hidden = at("meter").hidden = at("tour-open").hidden = ONE_FILE;
  addEventListener("keydown", (event) => {
    const scrolls = event.target.id === "diagram" && event.target.scrollWidth > event.target.clientWidth;
    const act = scrolls && event.key !== " " ? null : KEYS[event.key], typing = event.target.matches("select, input, summary, button");
    if (!act || (typing && (event.key === " " || !event.target.matches("button, summary"))) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    act();
  });
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    openFile(event.dataTransfer.files[0]);
  });
  addEventListener("resize", refresh);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
  addEventListener("hashchange", () => {
    choose(recalled(location.hash));
    localise();
  });
  localise();
}
