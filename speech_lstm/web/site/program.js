// The step of a cell, as Python recorded it: operations over one memory of numbers, run once for each frame.

import { places } from "./pack.js";

const ONE = {
  relu: (x) => Math.max(x, 0), exp: Math.exp, log: Math.log, abs: Math.abs, neg: (x) => -x,
  sqrt: Math.sqrt, reciprocal: (x) => 1 / x, sin: Math.sin, cos: Math.cos, floor: Math.floor, ceil: Math.ceil,
  sign: Math.sign, not: (x) => Number(!x), trunc: Math.trunc,
  round: (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)),  // halves to even numbers
  softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
};
const TWO = {
  sub: (a, b) => a - b, div: (a, b) => a / b, pow: (a, b) => a ** b,
  max: Math.max, min: Math.min, mod: (a, b) => ((a % b) + b) % b, greater: (a, b) => Number(a > b),
  greaterorequal: (a, b) => Number(a >= b), less: (a, b) => Number(a < b), lessorequal: (a, b) => Number(a <= b),
  equal: (a, b) => Number(a === b),
};
const THREE = { where: (test, a, b) => (test ? a : b), clip: (x, low, high) => Math.min(Math.max(x, low), high) };

/** The product of a matrix [outputs · inputs] and x, written to memory from `out` on. */
function multiply(values, x, memory, out, outputs) {
  const width = x.length;
  let j = 0;
  for (; j + 7 < outputs; j += 8) {  // eight rows read each x once, and their sums do not wait for each other
    const p = j * width, q = p + width, r = q + width, s = r + width, t = s + width, u = t + width, v = u + width, w = v + width;
    let a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
    for (let k = 0; k < width; k++) {
      const number = x[k];
      a += values[p + k] * number; b += values[q + k] * number; c += values[r + k] * number; d += values[s + k] * number;
      e += values[t + k] * number; f += values[u + k] * number; g += values[v + k] * number; h += values[w + k] * number;
    }
    memory[out + j] = a; memory[out + j + 1] = b; memory[out + j + 2] = c; memory[out + j + 3] = d;
    memory[out + j + 4] = e; memory[out + j + 5] = f; memory[out + j + 6] = g; memory[out + j + 7] = h;
  }
  for (; j < outputs; j++) {
    let sum = 0;
    for (let k = 0; k < width; k++) sum += values[j * width + k] * x[k];
    memory[out + j] = sum;
  }
}

/** For each kind of operation what makes its function; `at` turns runs into places, `matrix` a number into weights. */
const MAKERS = {
  matmul(memory, out, [source, matrix], tools) {
    const from = tools.at(source), { width, values } = tools.matrix(matrix);
    const x = new Float32Array(width), outputs = values.length / width;
    return () => {
      for (let row = 0; row < from.length / width; row++) {
        for (let k = 0; k < width; k++) x[k] = memory[from[row * width + k]];
        multiply(values, x, memory, out + row * outputs, outputs);
      }
    };
  },
  sum: (memory, out, [source, count], tools) => rows(memory, tools.at(source), count, (from, row) => {
    memory[out + row] = from.reduce((total, place) => total + memory[place], 0);
  }),
  mean: (memory, out, [source, count], tools) => rows(memory, tools.at(source), count, (from, row) => {
    memory[out + row] = from.reduce((total, place) => total + memory[place], 0) / count;
  }),
  softmax: (memory, out, [source, count], tools) => rows(memory, tools.at(source), count, (from, row) => {
    memory.set(softmax(Array.from(from, (place) => memory[place])), out + row * count);
  }),
  layernorm(memory, out, [source, count, scale, shift, epsilon], tools) {
    const factors = tools.at(scale), terms = tools.at(shift);
    return rows(memory, tools.at(source), count, (from, row) => {
      const normal = standard(Array.from(from, (place) => memory[place]), epsilon);
      normal.forEach((value, k) => { memory[out + row * count + k] = value * memory[factors[k]] + memory[terms[k]]; });
    });
  },
  hold(memory, out, [source, gate, first], tools) {
    const from = tools.at(source);
    return () => {
      for (let i = 0; i < from.length; i++) memory[out + i] = memory[from[i]];
      for (const { gate: name, unit, value } of tools.held()) {
        if (name !== gate) continue;
        if (unit === null) memory.fill(value, out, out + from.length);
        else if (unit >= first && unit < first + from.length) memory[out + unit - first] = value;
      }
    };
  },
};

function rows(memory, from, count, each) {
  const parts = Array.from({ length: from.length / count }, (_, row) => from.slice(row * count, (row + 1) * count));
  return () => parts.forEach(each);
}

export function softmax(values) {
  const most = Math.max(...values), shares = values.map((value) => Math.exp(value - most));
  const total = shares.reduce((sum, share) => sum + share, 0);
  return shares.map((share) => share / total);
}

/** Values with mean 0 and variance 1. */
export function standard(values, epsilon) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return values.map((value) => (value - mean) / Math.sqrt(variance + epsilon));
}

/** The loop of a function number by number; those of most cells are written out, which the browser makes fast. */
const LOOPS = {
  add(memory, out, a, b) { for (let i = 0; i < a.length; i++) memory[out + i] = memory[a[i]] + memory[b[i]]; },
  mul(memory, out, a, b) { for (let i = 0; i < a.length; i++) memory[out + i] = memory[a[i]] * memory[b[i]]; },
  sigmoid(memory, out, a) { for (let i = 0; i < a.length; i++) memory[out + i] = 1 / (1 + Math.exp(-memory[a[i]])); },
  tanh(memory, out, a) { for (let i = 0; i < a.length; i++) memory[out + i] = Math.tanh(memory[a[i]]); },
};

function elementwise(kind, memory, out, operands, tools) {
  const [a, b, c] = operands.map(tools.at);
  const loop = LOOPS[kind], f = ONE[kind] ?? TWO[kind] ?? THREE[kind];
  if (loop) return () => loop(memory, out, a, b);
  if (!f) throw new Error(`this page cannot compute ${kind}`);
  if (c) return () => a.forEach((place, i) => { memory[out + i] = f(memory[place], memory[b[i]], memory[c[i]]); });
  if (b) return () => a.forEach((place, i) => { memory[out + i] = f(memory[place], memory[b[i]]); });
  return () => a.forEach((place, i) => { memory[out + i] = f(memory[place]); });
}

/** A layer in one direction, ready to run. */
export class Layer {
  constructor(model, spec) {
    const { program } = spec;
    this.spec = spec;
    this.constants = model.array(program.constants);
    this.memory = new Float32Array(program.memory);
    this.inputs = named(program.inputs);
    this.before = named(program.before);
    this.after = named(program.after);
    this.start = Object.entries(program.start).map(([name, number]) => [this.before[name], model.array(number)]);
    this.held = [];
    const tools = {
      at: places,
      matrix: (number) => {
        const { shape } = model.arrays[program.matrices[number]];
        return { width: shape[1], values: model.array(program.matrices[number]) };
      },
      held: () => this.held,
    };
    this.steps = program.operations.map(([kind, out, ...rest]) => {
      const make = MAKERS[kind];
      return make ? make(this.memory, out, rest, tools) : elementwise(kind, this.memory, out, rest, tools);
    });
  }

  /**
   * Run over inputs [frames · width] and, if the cell has one, the memory from the layer below.
   *
   * `holds` are values set by hand: {gate, unit or null for all, value, from, to} with frames in the order of time.
   * Returns {history, frames}: all of the memory after each frame, in the order of time.
   */
  run(inputs, frames, below, holds) {
    const { memory } = this, size = memory.length, width = this.inputs.x.length;
    const history = new Float32Array(frames * size);
    memory.fill(0);
    memory.set(this.constants);
    for (const [at, values] of this.start) at.forEach((place, i) => { memory[place] = values[i]; });
    const states = Object.keys(this.before), next = states.map((name) => new Float32Array(this.after[name].length));
    for (let step = 0; step < frames; step++) {
      const frame = this.spec.direction === "forward" ? step : frames - 1 - step;
      if (step) {
        states.forEach((name, i) => this.after[name].forEach((place, k) => { next[i][k] = memory[place]; }));
        states.forEach((name, i) => this.before[name].forEach((place, k) => { memory[place] = next[i][k]; }));
      }
      memory.set(inputs.subarray(frame * width, (frame + 1) * width), this.inputs.x[0]);
      memory[this.inputs.index[0]] = step;
      if (this.inputs.below) {
        const many = this.inputs.below.length;
        memory.set(below.subarray(frame * many, (frame + 1) * many), this.inputs.below[0]);
      }
      this.held = holds.filter((hold) => frame >= hold.from && frame <= hold.to);
      for (const operation of this.steps) operation();
      history.set(memory, frame * size);
    }
    return { history, frames };
  }

  /** The numbers of a value in a history: [frames · units]. */
  values(name, { history, frames }) {
    return gather(history, this.memory.length, frames, this.after[name] ?? places(this.spec.program.values[name]));
  }
}

function named(runs) {
  return Object.fromEntries(Object.entries(runs).map(([name, each]) => [name, places(each)]));
}

/** The numbers at these places of each frame: [frames · places]. */
export function gather(history, size, frames, at) {
  const values = new Float32Array(frames * at.length);
  for (let frame = 0; frame < frames; frame++) {
    for (let i = 0; i < at.length; i++) values[frame * at.length + i] = history[frame * size + at[i]];
  }
  return values;
}
