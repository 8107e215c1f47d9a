// The whole network: features → normalisation → recurrent layers in both directions → pooling over time → answer.

import { frontEnd } from "./features.js";
import { Layer, gather, softmax, standard } from "./program.js";
import { shownOf } from "./trace.js";
import { unpack } from "./pack.js";

/** W·x + b for each row of x [frames · inputs]. */
function linear(model, { matrix, bias }, x, frames) {
  const weights = model.array(matrix), [outputs, inputs] = model.arrays[matrix].shape, shift = model.array(bias);
  const values = new Float32Array(frames * outputs);
  for (let frame = 0; frame < frames; frame++) {
    for (let j = 0; j < outputs; j++) {
      let sum = shift[j];
      for (let k = 0; k < inputs; k++) sum += weights[j * inputs + k] * x[frame * inputs + k];
      values[frame * outputs + j] = sum;
    }
  }
  return values;
}

/** A model that computes, made of the bytes of a packed one. */
export class Network {
  constructor(buffer) {
    this.model = unpack(buffer);
    this.features = frontEnd(this.model);
    const depth = Math.max(...this.model.layers.map((spec) => spec.layer));
    this.levels = Array.from({ length: depth }, (_, level) => this.model.layers
      .filter((spec) => spec.layer === level + 1).map((spec) => new Layer(this.model, spec)));
  }

  /** Features [frames · size] as the first layer reads them. */
  normalise({ values, frames, size }) {
    const { scale, shift, epsilon } = this.model.network.normalise;
    if (scale === undefined) return values;
    const factors = this.model.array(scale), terms = this.model.array(shift), normal = new Float32Array(values.length);
    for (let frame = 0; frame < frames; frame++) {
      let row = values.subarray(frame * size, (frame + 1) * size);
      if (epsilon !== undefined) row = standard(Array.from(row), epsilon);
      for (let i = 0; i < size; i++) normal[frame * size + i] = row[i] * factors[i] + terms[i];
    }
    return normal;
  }

  /**
   * Run over normalised features [frames · size].
   *
   * `holds` are values set by hand, as for `Layer.run`, with layer (from 1) and direction. `known` is an earlier run
   * over the same features, of whose layers those below the first hold are taken.
   */
  run(normalised, frames, holds = [], known = null) {
    const { embed } = this.model.network, levels = [];
    const lowest = Math.min(...holds.map((hold) => hold.layer), Infinity);
    let hidden = embed ? linear(this.model, embed, normalised, frames) : normalised, below = [];
    this.levels.forEach((directions, level) => {
      const reused = known && level + 1 < lowest ? known.levels[level] : null;
      const runs = reused ? reused.runs : directions.map((layer, d) => layer.run(hidden, frames, below[d],
        holds.filter((hold) => hold.layer === level + 1 && hold.direction === layer.spec.direction)));
      const handsUp = directions[0].spec.handsUp;
      below = handsUp ? directions.map((layer, d) => layer.values(handsUp, runs[d])) : [];
      hidden = reused ? reused.hidden : beside(directions.map((layer, d) => layer.values(layer.spec.state[0], runs[d])), frames);
      levels.push({ runs, hidden });
    });
    return { levels, frames, scores: this.answer(hidden, frames) };
  }

  /** The probabilities of the labels, given the hidden states [frames · size] of the last layer. */
  answer(hidden, frames) {
    const { pooling, score, head } = this.model.network, size = hidden.length / frames;
    let pooled;
    if (score) {
      const scores = this.scores(hidden, frames), heads = scores.length / frames;
      pooled = new Float32Array(heads * size);
      for (let h = 0; h < heads; h++) {
        const shares = softmax(Array.from({ length: frames }, (_, frame) => scores[frame * heads + h]));
        shares.forEach((share, frame) => {
          for (let i = 0; i < size; i++) pooled[h * size + i] += share * hidden[frame * size + i];
        });
      }
    } else if (pooling === "last") {
      const forward = this.levels.at(-1)[0].after[this.levels.at(-1)[0].spec.state[0]].length;
      pooled = Float32Array.from({ length: size }, (_, i) => hidden[(i < forward ? frames - 1 : 0) * size + i]);
    } else {
      pooled = Float32Array.from({ length: size }, (_, i) => {
        let sum = 0;
        for (let frame = 0; frame < frames; frame++) sum += hidden[frame * size + i];
        return sum / frames;
      });
    }
    return softmax(Array.from(linear(this.model, head, pooled, 1)));
  }

  /** The score of each frame by each head of the attention, [frames · heads]: a learnt one, or its product with the
   * head's query, which the middle frame gives. */
  scores(hidden, frames) {
    const { pooling, score } = this.model.network, size = hidden.length / frames;
    if (pooling === "attention") return linear(this.model, score, hidden, frames);
    const middle = (frames >> 1) * size, queries = linear(this.model, score, hidden.subarray(middle, middle + size), 1);
    const heads = queries.length / size, scores = new Float32Array(frames * heads);
    for (let at = 0; at < scores.length; at++) {
      const frame = Math.floor(at / heads), head = at % heads;
      for (let i = 0; i < size; i++) scores[at] += queries[head * size + i] * hidden[frame * size + i];
      scores[at] /= Math.sqrt(size);
    }
    return scores;
  }

  /** What the page shows of a run, for each layer and direction: [frames · places]. */
  traces({ levels, frames }) {
    return this.levels.flatMap((directions, level) => directions.map((layer, d) => {
      const { history } = levels[level].runs[d];
      return gather(history, layer.memory.length, frames, shownOf(layer.spec).used);
    }));
  }
}

/** The hidden states of the directions side by side: [frames · (forward and backward)]. */
function beside(parts, frames) {
  if (parts.length === 1) return parts[0];
  const sizes = parts.map((part) => part.length / frames), size = sizes[0] + sizes[1];
  const hidden = new Float32Array(frames * size);
  for (let frame = 0; frame < frames; frame++) {
    hidden.set(parts[0].subarray(frame * sizes[0], (frame + 1) * sizes[0]), frame * size);
    hidden.set(parts[1].subarray(frame * sizes[1], (frame + 1) * sizes[1]), frame * size + sizes[0]);
  }
  return hidden;
}
