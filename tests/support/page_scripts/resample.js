// Resamples sounds block by block, as from a microphone.

const { Resampler } = await import("./microphone.js");
for (const rate of facts) {
  const sound = new Float32Array(await (await fetch(`${rate}.raw`)).arrayBuffer()), resampler = new Resampler(rate), samples = [];
  for (let at = 0; at < sound.length; at += 128) samples.push(...resampler.resample(sound.subarray(at, at + 128)));
  results[rate] = samples;
}
