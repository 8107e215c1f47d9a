// One sound as one model reads it: what is shown in a column of the page.

import { RATE } from "./sound.js";
import { Trace } from "./trace.js";

const HIDDEN_SECONDS = 0.1;  // the stretch that is hidden at a time

export class Column {
  /** `model` is a packed model's header with its key; `sound` is {id, name, waveform, start}. */
  constructor(engine, model, sound) {
    Object.assign(this, { engine, model, sound });
    const { hop, window } = model.features;
    this.hop = hop / RATE;
    this.first = window / 2 / RATE;  // the middle of the first frame
    this.seconds = sound.waveform.length / RATE;
    this.base = null;  // the run as it is
    this.held = null;  // the run with a gate set by hand
    this.ends = [];  // the answer if the sound ended with each frame
    this.hidden = [];  // by frame: the answer's loss and how far every frame moves when the time around it is hidden
    this.drops = new Map();  // by layer and direction, what the answer loses without each unit
  }

  ask(task, more) {
    const { model, sound } = this;
    return this.engine.ask({ task, key: model.key, sound: sound.id, waveform: sound.waveform, ...more });
  }

  async run(holds) {
    const run = await this.ask("run", { holds });
    run.traces = run.traces.map((trace, i) => new Trace(this.model.layers[i], trace, run.frames));
    run.best = run.scores.indexOf(Math.max(...run.scores));
    return run;
  }

  async analyse() {
    this.base = await this.run([]);
  }

  get frames() {
    return this.base.frames;
  }

  /** The run on show. */
  get shown() {
    return this.held ?? this.base;
  }

  /** The places of a layer and direction, or those that are nearest to it. */
  place(layer, direction) {
    const depth = this.model.layers.at(-1).layer, level = Math.min(layer, depth);
    const all = this.model.layers.map((spec, i) => [spec, i]).filter(([spec]) => spec.layer === level);
    return (all.find(([spec]) => spec.direction === direction) ?? all[0])[1];
  }

  trace(layer, direction, run = this.shown) {
    return run.traces[this.place(layer, direction)];
  }

  time(frame) {
    return this.first + frame * this.hop;
  }

  frameAt(seconds) {
    return Math.max(0, Math.min(this.frames - 1, Math.round((seconds - this.first) / this.hop)));
  }

  /** Compute the next piece of what takes longer; whether there was any. */
  async goOn() {
    if (this.ends.length < this.frames) {
      const frame = this.ends.length;  // one at a time: a word that is found meanwhile must not wait for long
      this.ends.push(await this.ask("end", { frame }));
      return true;
    }
    if (this.hidden.length < this.frames) {
      const frame = this.hidden.length, reach = Math.floor((Math.max(HIDDEN_SECONDS / this.hop, 1) - 1e-9) / 2);
      const around = { first: Math.max(0, frame - reach), last: Math.min(this.frames - 1, frame + reach) };
      const { scores, changes } = await this.ask("hidden", around);
      this.hidden.push({ lost: this.base.scores[this.base.best] - scores[this.base.best], changes });
      return true;
    }
    return false;
  }

  /** Compute the next unit's drop in a layer and direction; whether there was any. */
  async goOnWithDrops(layer, direction) {
    const place = this.place(layer, direction), spec = this.model.layers[place], trace = this.base.traces[place];
    if (!this.drops.has(place)) this.drops.set(place, []);
    const drops = this.drops.get(place), units = trace.units(trace.output);
    if (drops.length >= units) return false;
    const states = spec.state.filter((name) => trace.units(name) === units);
    const scores = await this.ask("without", { layer: spec.layer, direction: spec.direction, states, unit: drops.length });
    drops.push(this.base.scores[this.base.best] - scores[this.base.best]);
    return drops.length < units;
  }

  /** The answer and the labels that were likely at any frame, the answer first; at most four. */
  get clear() {
    const peaks = this.base.scores.map((score, i) => Math.max(score, ...this.ends.map((row) => row[i])));
    const others = [...peaks.keys()].filter((i) => peaks[i] >= 0.1 && i !== this.base.best);
    return [this.base.best, ...others.sort((a, b) => peaks[b] - peaks[a])].slice(0, 4);
  }
}
