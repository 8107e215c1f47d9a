// Moments like this: where in other sounds the same units do the same.

const STRONGEST = 12;  // units that make a moment

/** How alike the outputs of a frame are to a pattern of units: the cosine of both, over these units. */
function likeness(pattern, trace, frame) {
  let product = 0, one = 0, other = 0;
  for (const [unit, value] of pattern) {
    const here = trace.at(trace.output, frame, unit);
    product += value * here;
    one += value * value;
    other += here * here;
  }
  return product / Math.sqrt(one * other || 1);
}

/** The best moment of each other column, the best first: [{column, frame, likeness}]. */
export function momentsLike(column, layer, direction, frame, others) {
  const trace = column.trace(layer, direction, column.base);
  const outputs = Array.from({ length: trace.units(trace.output) }, (_, unit) => [unit, trace.at(trace.output, frame, unit)]);
  const pattern = outputs.sort((a, b) => Math.abs(b[1]) - Math.abs(a[1])).slice(0, STRONGEST);
  return others.map((other) => {
    const there = other.trace(layer, direction, other.base);
    let best = 0;
    for (let i = 1; i < other.frames; i++) {
      if (likeness(pattern, there, i) > likeness(pattern, there, best)) best = i;
    }
    return { column: other, frame: best, likeness: likeness(pattern, there, best) };
  }).sort((a, b) => b.likeness - a.likeness);
}
