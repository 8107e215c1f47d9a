// What is computed, in a worker or, in a page of one file, between two events of the page.

import { Network } from "./network.js";

const networks = new Map();  // by the key of the model
const bases = new Map();  // by model and sound: features and the run without a gate set by hand
const KEPT = 24;  // runs; of two models with the examples, and a few of one's own

/** The run of a model over a sound, from memory if it is there. */
function base(key, sound, waveform) {
  const name = `${key} ${sound}`, network = networks.get(key);
  if (!bases.has(name)) {
    const features = network.features(waveform), normalised = network.normalise(features);
    if (bases.size >= KEPT) bases.delete(bases.keys().next().value);
    bases.set(name, { features, normalised, run: network.run(normalised, features.frames) });
  }
  return bases.get(name);
}

const size = (features) => features.values.length / features.frames;

/** Normalised features in which the frames from `first` to `last` are the mean of all. */
function hide(network, features, first, last) {
  const width = size(features), values = features.values.slice();
  for (let i = 0; i < width; i++) {
    let mean = 0;
    for (let frame = 0; frame < features.frames; frame++) mean += features.values[frame * width + i] / features.frames;
    for (let frame = first; frame <= last; frame++) values[frame * width + i] = mean;
  }
  return network.normalise({ values, frames: features.frames, size: width });
}

/** How far each frame's output moves between two runs, in each layer and direction: [traces][frames]. */
function changes(network, before, after) {
  return network.levels.flatMap((directions, level) => directions.map((layer, d) => {
    const output = layer.spec.state[0], old = layer.values(output, before.levels[level].runs[d]);
    const now = layer.values(output, after.levels[level].runs[d]), units = old.length / before.frames;
    return Float32Array.from({ length: before.frames }, (_, frame) => {
      let sum = 0;
      for (let u = frame * units; u < (frame + 1) * units; u++) sum += (now[u] - old[u]) ** 2;
      return Math.sqrt(sum);
    });
  }));
}

const TASKS = {
  load({ key, buffer }) {
    networks.set(key, new Network(buffer));
  },

  /** All values of a run, with what is set by hand. */
  run({ key, sound, waveform, holds }) {
    const network = networks.get(key), { features, normalised, run } = base(key, sound, waveform);
    const chosen = holds.length ? network.run(normalised, features.frames, holds, run) : run;
    return { frames: features.frames, normalised, scores: chosen.scores, traces: network.traces(chosen) };
  },

  /** The answer if the sound ended with a frame. */
  end({ key, sound, waveform, frame }) {
    const { features, normalised } = base(key, sound, waveform), width = size(features);
    return networks.get(key).run(normalised.subarray(0, (frame + 1) * width), frame + 1).scores;
  },

  /** What happens when the frames from `first` to `last` are hidden: the answer, and how far each frame moves. */
  hidden({ key, sound, waveform, first, last }) {
    const network = networks.get(key), { features, run } = base(key, sound, waveform);
    const other = network.run(hide(network, features, first, last), features.frames);
    return { scores: other.scores, changes: changes(network, run, other) };
  },

  /** The answer without a unit: all of its state held at 0. */
  without({ key, sound, waveform, layer, direction, states, unit }) {
    const network = networks.get(key), { features, normalised, run } = base(key, sound, waveform);
    const holds = states.map((gate) => ({ layer, direction, gate, unit, value: 0, from: 0, to: Infinity }));
    return network.run(normalised, features.frames, holds, run).scores;
  },
};

export function work({ task, ...message }) {
  return TASKS[task](message);
}
