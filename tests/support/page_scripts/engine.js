// Computes every packed model with its waveform; all values and parts as numbers in base64.

const { Network } = await import("./network.js");
const { Trace } = await import("./trace.js");
const get = async (name) => (await fetch(name)).arrayBuffer();

const encode = (values) => {
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
};
const mapped = (object, change) => Object.fromEntries(Object.keys(object).map((key) => [key, change(key)]));

for (const [name, sound] of facts) {
  const network = new Network(await get(name)), features = network.features(new Float32Array(await get(sound)));
  const normalised = network.normalise(features), run = network.run(normalised, features.frames);
  const traces = network.traces(run).map((trace, i) => new Trace(network.model.layers[i], trace, features.frames));
  const grid = (units, number) => {
    const values = [];
    for (let frame = 0; frame < features.frames; frame++) {
      for (let unit = 0; unit < units; unit++) values.push(number(frame, unit));
    }
    return encode(values);
  };
  results[`${name} ${sound}`] = {
    normalised: encode(normalised),
    scores: run.scores,
    traces: traces.map((trace) => ({
      values: mapped(trace.values, (value) => grid(trace.units(value), (frame, unit) => trace.at(value, frame, unit))),
      parts: mapped(trace.parts, (gate) => mapped(trace.parts[gate], (part) => grid(
        trace.units(gate), (frame, unit) => trace.part(gate, part, frame, unit),
      ))),
    })),
  };
}
