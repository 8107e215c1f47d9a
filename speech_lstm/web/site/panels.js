// What is beside the columns: the choices, the cell and its gates set by hand, all layers small, the tour.

import { momentsLike } from "./alike.js";
import { showAnswer, showEffect, sumText } from "./answer.js";
import { Drawing } from "./drawing.js";
import { drawValues, element } from "./maps.js";
import { decimal, percent, seconds } from "./numbers.js";
import { ONE_FILE, columnOf, entries } from "./sources.js";
import { setValue, state } from "./state.js";
import { STEPS } from "./tour.js";
import { terms } from "./terms.js";
import { figure, handGate, large, say, title } from "./view.js";

export const at = (id) => document.getElementById(id);
let drawing = null;

/** Say what went wrong; nothing if `message` is empty. */
export function fail(message) {
  at("failure").hidden = !message;
  at("failure").textContent = message;
}

const made = new WeakMap();  // what parts of the page were made of

/** Make a part of the page again only if what it shows has changed: it must not cost time in every frame of playing. */
function remake(place, facts, make) {
  const signature = JSON.stringify([state.language, facts]);
  if (made.get(place) === signature) return;
  made.set(place, signature);
  make();
}

function options(select, value, items) {
  remake(select, items, () => select.replaceChildren(...items.map(([key, text]) => new Option(text, key))));
  select.value = value;
}

function button(text, press, pressed) {
  const made = element("button", "", text);
  made.type = "button";
  made.onclick = press;
  if (pressed !== undefined) made.setAttribute("aria-pressed", pressed);
  return made;
}

/** The choices of sound, models, layer, direction, map and order. */
export function fillChoices(view, views) {
  const { layers } = view.column.model, { spec, names } = view.plain;
  const others = entries.models.filter(({ key }) => key !== state.model).map(({ key, name }) => [key, name]);
  options(at("model"), state.model, entries.models.map(({ key, name }) => [key, name]));
  options(at("beside"), state.beside, [["", say("alone")], ...others]);
  options(at("sound"), state.sound, entries.sounds.map(({ id, name }) => [id, name]));
  options(at("layer"), spec.layer, [...new Set(layers.map((each) => each.layer))].map((layer) => [layer, layer]));
  const directions = layers.filter((each) => each.layer === spec.layer).map(({ direction }) => [direction, say(direction)]);
  options(at("direction"), spec.direction, directions);
  options(at("gate"), large(view.plain), names.map((name) => [name, title(spec, name)]));
  options(at("order"), state.order, Object.entries(say("orders")).filter(([key]) => key !== "half-life" || spec.keeps));
  at("model").parentElement.hidden = at("beside").parentElement.hidden = entries.models.length < 2;
  at("sound").parentElement.hidden = ONE_FILE && !entries.sounds.some((sound) => sound.own);
  at("about").textContent = say("about", spec.layer, say(spec.direction), figure(spec.title), figure(spec.equations),
    say(spec.direction === "forward" ? "rightwards" : "leftwards"));
  if (!ONE_FILE) return;
  const answers = views.map(({ column }) => `“${column.model.labels[column.base.best]}”`).join(", ");
  document.title = document.querySelector("h1").textContent = say("titleOf", answers);
}

/** The drawing of the cell and all that is said beside it. */
export function showCell(view, choose) {
  const { column, trace, plain } = view, gate = large(trace), source = column.model.drawings[trace.spec.drawing];
  if (drawing?.source !== source) {
    drawing = new Drawing(at("diagram"), source, (group) => choose({ gate: group, lit: true }));
  }
  const here = column.held && state.frame >= state.from && (state.to < 0 || state.frame <= state.to);
  const set = here ? handGate(trace) : "";
  drawing.show(trace, plain, state.unit, state.frame, { lit: state.lit ? gate : "", set, language: state.language });
  const groups = new Set(drawing.groups.map((part) => part.dataset.group));
  const lights = ["", ...trace.names.filter((name) => groups.has(name))];
  remake(at("lights"), [lights, state.lit, gate], () => at("lights").replaceChildren(...lights.map((name) => button(
    name || say("lightAll"), () => choose(name ? { gate: name, lit: true } : { lit: false }), name === (state.lit ? gate : ""),
  ))));
  at("sum").textContent = sumText(gate === set ? plain : trace, gate);
  Object.assign(at("frame"), { max: column.frames - 1, value: state.frame });
  at("moment").textContent = say("momentAt", state.frame, seconds(column.sound.start + column.time(state.frame)));
  at("unit").value = state.unit;
  showByHand(view);
  remake(at("answer"), [column.model.key, column.base.scores, column.held?.scores], () => showAnswer(at("answer"), column));
  showMoments(view, choose);
}

/** The controls of a gate set by hand. */
function showByHand({ column, trace, plain }) {
  const { spec } = trace, value = setValue(), last = column.frames - 1, gate = handGate(trace);
  const here = value ?? trace.number(gate, state.frame, state.unit, 0) ?? 0;
  at("by-hand").hidden = gate === "";
  if (gate === "") return;
  options(at("set"), gate, spec.gates.map((name) => [name, title(spec, name)]));
  at("value").value = here;
  at("value-text").textContent = decimal(here, 2);
  at("release").setAttribute("aria-pressed", value === null);
  for (const [id, kept] of [["keep-all", 1], ["forget-all", 0]]) {
    at(id).hidden = !spec.keeps;
    at(id).setAttribute("aria-pressed", value !== null && gate === trace.keeper && value === trace.share(kept));
  }
  options(at("scope"), state.scope, [["all", say("everyUnit")], ["unit", say("oneUnit", state.unit)]]);
  Object.assign(at("from"), { max: last, value: state.from });
  Object.assign(at("to"), { max: last, value: state.to < 0 ? last : state.to });
  showEffect(at("effect"), column, trace, plain, gate);
}

/** Every layer and direction, small. */
export function showOverview({ column }, choose) {
  if (!at("all").open) return;
  const { traces } = column.shown, names = [...new Set(traces.flatMap((trace) => trace.names))];
  const table = element("table"), head = table.createTHead().insertRow(), body = table.createTBody(), pictures = [];
  for (const name of ["", ...names]) head.append(element(name ? "th" : "td", "", name));
  for (const trace of traces) {
    const row = body.insertRow(), { layer, direction } = trace.spec;
    row.append(element("th", "", `${layer} ${say(direction)}`));
    for (const name of names) {
      const cell = row.insertCell();
      if (!trace.values[name]) continue;
      const canvas = element("canvas"), press = button("", () => choose({ layer, direction, gate: name }));
      press.setAttribute("aria-label", `${say("layer")} ${layer}, ${say(direction)}, ${title(trace.spec, name)}`);
      press.append(canvas);
      cell.append(press);
      pictures.push([canvas, trace, name]);
    }
  }
  at("overview").replaceChildren(table);
  for (const [canvas, trace, name] of pictures) {
    const units = Array.from({ length: trace.units(name) }, (_, unit) => unit);
    drawValues(canvas, column, trace, name, units, trace.largest(name));
  }
}

/** The moments of other sounds that are like the chosen one, if they are asked for. */
async function showMoments({ column }, choose) {
  if (!at("alike").open) return;
  const moment = () => [state.frame, state.layer, state.direction, state.sound, state.model].join(), asked = moment();
  const others = entries.sounds.filter((sound) => sound.id !== column.sound.id);
  const there = [];
  for (const sound of others) there.push(await columnOf(column.model.key, sound));
  if (asked !== moment()) return;
  const alike = momentsLike(column, state.layer, state.direction, state.frame, there);
  at("moments").replaceChildren(...alike.slice(0, 5).map(({ column: other, frame, likeness }) => {
    const item = element("li"), time = seconds(other.sound.start + other.time(frame));
    const text = say("alikeAt", other.sound.name, time, percent(likeness));
    item.append(button(text, () => choose({ sound: other.sound.id, frame })));
    return item;
  }));
}

/** Put the words of the language in their places. */
export function showWords() {
  document.documentElement.lang = state.language;
  for (const place of document.querySelectorAll("[data-word]")) place.textContent = say(place.dataset.word);
  for (const place of document.querySelectorAll("[data-name]")) place.setAttribute("aria-label", say(place.dataset.name));
  document.title = say("title");
  at("terms").replaceChildren(...terms(state.language).flatMap(([name, text]) => [element("dt", "", name), element("dd", "", text)]));
  showTour();
}

/** The step of the tour that is open. */
export function showTour() {
  const step = STEPS[state.tour - 1];
  at("tour").hidden = !step;
  if (!step) return;
  const words = step[state.language];
  for (const part of ["title", "text", "try", "question", "answer"]) at(`tour-${part}`).textContent = words[part];
  at("tour-place").textContent = say("step", state.tour, STEPS.length);
  at("tour-back").disabled = state.tour === 1;
  at("tour-next").disabled = state.tour === STEPS.length;
}
