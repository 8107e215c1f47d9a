// The cell as a drawing, with the numbers of one unit at one frame.

import { evaluate, formatNumber } from "./numbers.js";
import { figureWord } from "./words.js";

const THINNEST = 1.2, THICKEST = 6;  // of lines, for 0 and for 1 or more; as in insight/diagram.py

/** A drawing of a model in a place of the page; `pick` gets the gate of the part that is clicked. */
export class Drawing {
  constructor(place, source, pick) {
    this.source = source;
    const parsed = new DOMParser().parseFromString(source, "image/svg+xml").documentElement;
    this.svg = document.importNode(parsed, true);
    this.name = this.svg.getAttribute("aria-label");
    for (const part of this.svg.querySelectorAll("[data-style]")) part.style.cssText = part.dataset.style;
    const each = (name) => [...this.svg.querySelectorAll(`[data-${name}]`)];
    Object.assign(this, { texts: each("text"), weights: each("weight"), bars: each("bar"), groups: each("group") });
    this.words = [...this.svg.querySelectorAll("text:not([data-text])")].map((text) => [text, text.textContent]);
    this.svg.addEventListener("click", (event) => {
      const group = event.target.closest("[data-group]")?.dataset.group;
      if (group) pick(group);
    });
    place.replaceChildren(this.svg);
  }

  /** Show the numbers of a trace, and how they were in another; `lit` is a gate to highlight, `set` one set by hand. */
  show(trace, plain, unit, frame, { lit, set, language }) {
    const now = (name, steps) => trace.number(name, frame, unit, steps);
    const before = (name, steps) => plain.number(name, frame, unit, steps);
    this.svg.setAttribute("aria-label", figureWord(language, this.name));
    for (const [text, word] of this.words) text.textContent = figureWord(language, word);
    for (const text of this.texts) {
      const { text: formula, form } = text.dataset, value = formatNumber(evaluate(formula, now), form);
      text.textContent = value;
      text.classList.toggle("struck", formula === `${set}.Σ`);
      text.classList.toggle("changed", value !== formatNumber(evaluate(formula, before), form));
    }
    for (const line of this.weights) {
      const size = Math.min(1, Math.abs(evaluate(line.dataset.weight, now) ?? 0));
      line.style.strokeWidth = THINNEST + (THICKEST - THINNEST) * size;
    }
    for (const bar of this.bars) {
      const value = Math.max(-1, Math.min(1, evaluate(bar.dataset.bar, now) ?? 0)), span = Number(bar.dataset.span);
      bar.setAttribute("x", Number(bar.dataset.from) + Math.min(value, 0) * span);
      bar.setAttribute("width", Math.abs(value) * span);
    }
    this.svg.classList.toggle("lit", lit !== "" && this.groups.some((part) => part.dataset.group === lit));
    this.groups.forEach((part) => part.classList.toggle("on", part.dataset.group === lit));
  }
}
