// The values of one layer in one direction: all that its program computed, frame by frame.

import { places } from "./pack.js";

const SHUT = 1e-12;  // takes the place of a share of 0, whose logarithm would be infinite
const known = new WeakMap();  // what is shown of a layer

/** What is shown of a layer: `used` are the places in its memory, `values` and `parts` are places among those. */
export function shownOf(spec) {
  if (!known.has(spec)) known.set(spec, findShown(spec.program));
  return known.get(spec);
}

function findShown({ values, parts }) {
  const used = [], order = new Map();  // a place in memory → its place among those used
  const among = (runs) => places(runs).map((place) => {
    if (!order.has(place)) order.set(place, used.push(place) - 1);
    return order.get(place);
  });
  const shown = {
    values: mapped(values, among),
    parts: mapped(parts, (terms) => mapped(terms, (products) => products.map((product) => product.map(among)))),
  };
  return { used, ...shown };
}

function mapped(object, change) {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));
}

export class Trace {
  /** `history` has what is shown of the layer: [frames · places]. */
  constructor(spec, history, frames) {
    const { used, values, parts } = shownOf(spec);
    Object.assign(this, { spec, history, frames, size: used.length, values, parts, limits: {} });
  }

  /** Gates and candidates, then the memories, then the output: the order of the maps. */
  get names() {
    const [output, ...others] = this.spec.state;
    return [...this.spec.internals, ...others, output];
  }

  get output() {
    return this.spec.state[0];
  }

  units(name) {
    return this.values[name].length;
  }

  at(name, frame, unit) {
    return this.history[frame * this.size + this.values[name][unit]];
  }

  /** A part of the sum of a gate; null where the gate has no such part. */
  part(gate, name, frame, unit) {
    const products = this.parts[gate]?.[name];
    if (!products || unit >= products[0][0].length) return null;
    const offset = frame * this.size;
    return products.reduce((sum, factors) => sum
      + factors.reduce((product, at) => product * this.history[offset + at[unit]], 1), 0);
  }

  /**
   * The number of a drawing's formula at a unit and frame, `steps` later in the order of reading: a value of the
   * trace, `gate.part`, or `gate.Σ` for the whole sum. Before the first step the state is 0; null for no number.
   */
  number(name, frame, unit, steps) {
    const place = frame + (this.spec.direction === "forward" ? steps : -steps);
    const dot = name.lastIndexOf(".");
    if (place < 0 || place >= this.frames) return steps < 0 && this.spec.state.includes(name) ? 0 : null;
    if (dot < 0) return this.values[name] && unit < this.units(name) ? this.at(name, place, unit) : null;
    const gate = name.slice(0, dot), part = name.slice(dot + 1);
    if (part !== "Σ") return this.part(gate, part, place, unit);
    const terms = Object.keys(this.parts[gate] ?? {}).map((each) => this.part(gate, each, place, unit));
    return terms.length && !terms.includes(null) ? terms.reduce((sum, term) => sum + term, 0) : null;
  }

  /** The gate that keeps the memory; "" if there is none. */
  get keeper() {
    return this.spec.keeps.replace("1-", "");
  }

  /** The share of the memory that is kept where that gate has this value, and the other way round. */
  share(value) {
    return this.spec.keeps.startsWith("1-") ? 1 - value : value;
  }

  /** The share of its memory that a unit keeps at a frame. */
  kept(frame, unit) {
    return this.share(this.at(this.keeper, frame, unit));
  }

  /** The half-life of each unit's memory in seconds, at its mean rate; null for a cell that does not have it. */
  halfLives(hop) {
    if (!this.keeper) return null;
    return Array.from({ length: this.units(this.keeper) }, (_, unit) => {
      let loss = 0;
      for (let frame = 0; frame < this.frames; frame++) {
        loss -= Math.log(Math.min(1, Math.max(SHUT, this.kept(frame, unit)))) / this.frames;
      }
      return (hop * Math.log(2)) / Math.max(loss, SHUT);
    });
  }

  /** The frame of each unit's largest output. */
  active() {
    return Array.from({ length: this.units(this.output) }, (_, unit) => {
      let best = 0;
      for (let frame = 1; frame < this.frames; frame++) {
        if (Math.abs(this.at(this.output, frame, unit)) > Math.abs(this.at(this.output, best, unit))) best = frame;
      }
      return best;
    });
  }

  /** The limit that 99.5 % of the sizes of a value do not exceed, for its colours; never 0. */
  largest(name) {
    this.limits[name] ??= this.findLargest(name);
    return this.limits[name];
  }

  findLargest(name) {
    const units = this.units(name), sizes = new Float32Array(this.frames * units);
    for (let i = 0; i < sizes.length; i++) sizes[i] = Math.abs(this.at(name, Math.floor(i / units), i % units));
    sizes.sort();
    return sizes[Math.floor(0.995 * (sizes.length - 1))] || 1;
  }
}
