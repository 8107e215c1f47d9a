// Numbers as the page writes them, and the formulas of a drawing.

/** A number in the form signed, share or percent; as `format_number` in insight/diagram.py. */
export function formatNumber(value, form) {
  if (value === null) return "–";
  if (form === "percent") return `${(100 * value).toFixed(0)} %`.replace("-", "−");
  const text = value.toFixed(Math.abs(value) < 10 ? 3 : 2);
  const plus = form === "signed" && !text.startsWith("-") ? "+" : "";
  return (plus + text).replace("-", "−");
}

export const percent = (share) => `${(100 * share).toFixed(1)} %`;
export const seconds = (time) => time.toFixed(2).replace("-", "−");
export const points = (share) => `${share < 0 ? "−" : "+"}${Math.abs(100 * share).toFixed(1)}`;

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
