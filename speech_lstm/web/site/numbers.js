// Numbers as the page writes them, and the formulas of a drawing.

import { state } from "./state.js";

/** A number with this many decimals, a real minus and, in Czech, a comma. */
export function decimal(value, digits) {
  const text = value.toFixed(digits).replace("-", "−");
  return state.language === "cs" ? text.replace(".", ",") : text;
}

/** A number in the form signed, share or percent; as `format_number` in insight/diagram.py. */
export function formatNumber(value, form) {
  if (value === null) return "–";
  if (form === "percent") return `${decimal(100 * value, 0)} %`;
  const text = decimal(value, Math.abs(value) < 10 ? 3 : 2);
  return form === "signed" && !text.startsWith("−") ? `+${text}` : text;
}

export const percent = (share) => `${decimal(100 * share, 1)} %`;
export const seconds = (time) => decimal(time, 2);
export const points = (share) => `${share < 0 ? "−" : "+"}${decimal(Math.abs(100 * share), 1)}`;

/** A duration of a memory. */
export const life = (seconds) => (seconds < 10 ? `${(1000 * seconds).toFixed(0)} ms` : "> 10 s");

const FACTOR = /^(1-|tanh )?(.+?)(@[+-]1)?$/;

/** The value of a drawing's formula, a product of names such as `f*c@-1`; as `evaluate` in insight/diagram.py. */
export function evaluate(formula, at) {
  let product = 1;
  for (const factor of formula.split("*")) {
    const [, before, name, step] = FACTOR.exec(factor);
    const value = at(name, step ? Number(step.slice(1)) : 0);
    if (value === null) return null;
    product *= before === "1-" ? 1 - value : before ? Math.tanh(value) : value;
  }
  return product;
}
