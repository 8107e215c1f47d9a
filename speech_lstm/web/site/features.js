// The front end: a waveform at 16 kHz becomes MFCC or log-mel vectors, with the tables that the model brings.

/** The power spectrum of `samples` numbers, in place: real and imaginary parts in, power of bins 0 … n/2 in `real`. */
function power(real, imaginary, cosine, sine) {
  const n = real.length;
  for (let i = 1, j = 0; i < n; i++) {  // the order of reversed bits
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) [real[i], real[j]] = [real[j], real[i]];
  }
  for (let size = 2; size <= n; size *= 2) {
    const half = size >> 1, stride = n / size;
    for (let start = 0; start < n; start += size) {
      for (let k = 0; k < half; k++) {
        const a = start + k, b = a + half, c = cosine[k * stride], s = sine[k * stride];
        const re = real[b] * c + imaginary[b] * s, im = imaginary[b] * c - real[b] * s;
        real[b] = real[a] - re;
        imaginary[b] = imaginary[a] - im;
        real[a] += re;
        imaginary[a] += im;
      }
    }
  }
  for (let k = 0; k <= n / 2; k++) real[k] = real[k] * real[k] + imaginary[k] * imaginary[k];
}

/** The front end of a packed model: waveform Float32Array [samples] → {frames, size, values: [frames · size]}. */
export function frontEnd(model) {
  const { window, hop, fft, mels, size, offset, taper, bands, dct } = model.features;
  const weights = model.array(taper), places = model.array(bands.places), shares = model.array(bands.shares);
  const matrix = dct === null ? null : model.array(dct);
  const cosine = Float64Array.from({ length: fft / 2 }, (_, k) => Math.cos((2 * Math.PI * k) / fft));
  const sine = Float64Array.from({ length: fft / 2 }, (_, k) => Math.sin((2 * Math.PI * k) / fft));
  const real = new Float64Array(fft), imaginary = new Float64Array(fft), logs = new Float64Array(mels);
  return (waveform) => {
    const frames = waveform.length < window ? 0 : 1 + Math.floor((waveform.length - window) / hop);
    const values = new Float32Array(frames * size);
    for (let frame = 0; frame < frames; frame++) {
      real.fill(0);
      imaginary.fill(0);
      for (let i = 0; i < window; i++) real[i] = waveform[frame * hop + i] * weights[i];
      power(real, imaginary, cosine, sine);
      logs.fill(0);
      for (let i = 0; i < places.length; i++) logs[places[i] % mels] += shares[i] * real[Math.floor(places[i] / mels)];
      for (let band = 0; band < mels; band++) logs[band] = Math.log(logs[band] + offset);
      for (let row = 0; row < size; row++) {
        let sum = matrix ? 0 : logs[row];
        if (matrix) for (let band = 0; band < mels; band++) sum += matrix[row * mels + band] * logs[band];
        values[frame * size + row] = sum;
      }
    }
    return { frames, size, values };
  };
}
