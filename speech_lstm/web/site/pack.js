// A model in the form that Python packs for the page (speech_lstm/web/pack.py).

const VERSION = 1;
const KINDS = { f4: Float32Array, i4: Int32Array, i1: Int8Array };

/** The places that runs of [start, step, count, …] name. */
export function places(runs) {
  let count = 0;
  for (let i = 2; i < runs.length; i += 3) count += runs[i];
  const all = new Int32Array(count);
  let next = 0;
  for (let i = 0; i < runs.length; i += 3) {
    for (let k = 0; k < runs[i + 2]; k++) all[next++] = runs[i] + k * runs[i + 1];
  }
  return all;
}

/** A packed model: its JSON with `array(number)`, which gives an array of it as typed numbers; 8 bits become floats. */
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const model = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  if (model.version !== VERSION) throw new Error(`a model of version ${model.version}; this page reads ${VERSION}`);
  const read = [];
  model.array = (number) => {
    if (!read[number]) {
      const { kind, at, shape, scale } = model.arrays[number];
      const size = shape.reduce((product, each) => product * each, 1);
      const values = new KINDS[kind](buffer, 4 + length + at, size);
      read[number] = scale === undefined ? values : scaled(values, model.array(scale));
    }
    return read[number];
  };
  return model;
}

function scaled(whole, scale) {
  const columns = whole.length / scale.length, values = new Float32Array(whole.length);
  for (let i = 0; i < whole.length; i++) values[i] = whole[i] * scale[Math.floor(i / columns)];
  return values;
}
