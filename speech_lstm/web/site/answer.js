// The cell's words beside its drawing: the sum that makes a gate, the effect of a gate set by hand, the answer.

import { element } from "./maps.js";
import { decimal, formatNumber, percent } from "./numbers.js";
import { setValue, state } from "./state.js";
import { say, title } from "./view.js";

/** In words: the parts that add up to a value. */
export function sumText(trace, gate) {
  const { spec, parts } = trace, value = trace.number(gate, state.frame, state.unit, 0);
  const shown = formatNumber(value, spec.gates.includes(gate) ? "share" : "signed");
  const name = say("of", title(spec, gate), state.unit);
  const number = (part) => formatNumber(trace.number(`${gate}.${part}`, state.frame, state.unit, 0), "signed");
  if (!parts[gate] || value === null) return say("plainValue", name, shown);
  const terms = Object.keys(parts[gate]).map((part) => `${spec.symbols[part] ?? part} ${number(part)}`).join(", ");
  const total = number("Σ"), squash = spec.program.activations[gate];
  return say("sum", name, terms, total, squash ? `${squash}(${total}) = ` : "", shown);
}

/** In words: what a gate set by hand does to the answer and to this frame. */
export function showEffect(place, column, trace, plain, gate) {
  const value = setValue();
  if (value === null) {
    place.replaceChildren();
    return;
  }
  const { best, scores } = column.base, last = state.to < 0 ? column.frames - 1 : state.to;
  const always = state.from === 0 && last === column.frames - 1;
  const when = always ? say("effectAlways") : say("effectFrames", state.from, last);
  const where = state.scope === "all" ? say("effectAll") : say("oneUnit", state.unit);
  const label = column.model.labels[best];
  place.replaceChildren(
    say("effect", gate, decimal(value, 2), where, when), `${label} ${percent(scores[best])} → `,
    element("b", "", percent(column.shown.scores[best])),
  );
  const changed = [...trace.spec.state].reverse().map((name) => [name, plain, trace].map((each) => (typeof each === "string" ? each
    : formatNumber(each.number(name, state.frame, state.unit, 0), "signed")))).filter(([, was, is]) => was !== is);
  if (changed.length) place.append(`; ${changed.map(([name, was, is]) => `${name} ${was} → ${is}`).join(", ")}`);
}

/** The bars of the answer: grey as it was, coloured with the gate set by hand. */
export function showAnswer(table, column) {
  const was = column.base.scores, is = column.held?.scores, now = is ?? was, best = now.indexOf(Math.max(...now));
  const most = was.map((score, label) => Math.max(score, is ? is[label] : 0));
  const shown = [...most.keys()].sort((a, b) => most[b] - most[a]).slice(0, 10).sort((a, b) => a - b);
  table.tBodies[0].replaceChildren(...shown.map((label) => {
    const row = element("tr", label === best ? "best" : ""), track = element("div", "track");
    for (const [kind, shares] of [["was", was], ["is", is]]) {
      const bar = element("div", kind);
      bar.style.width = shares ? `${100 * shares[label]}%` : "0";
      track.append(bar);
    }
    const cells = [element("td", "", column.model.labels[label]), element("td"), element("td", "", percent(was[label]))];
    cells[1].append(track);
    if (is) cells[2].append(" → ", element("em", "", percent(is[label])));
    row.append(...cells);
    return row;
  }));
}
