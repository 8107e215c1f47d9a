// The microphone plays some words again and again, until the page has shown each of them.

await open("sound=go");
const rates = [];
const { AudioContext: Context } = win;
win.AudioContext = class extends Context {
  constructor(options) {
    if (facts.refuse && options?.sampleRate) throw new win.DOMException("not supported", "NotSupportedError");
    super(options);
    rates.push(this.sampleRate);
  }
};
at("speak").click();
const labels = () => [...at("found").querySelectorAll("button")].map((item) => item.dataset.label);
await until(() => failure() || facts.words.every((word) => labels().includes(word)));
[results.shown] = headings();
results.rates = rates;
results.colours = [...at("found").querySelectorAll("canvas")].map((picture) => {
  const { data } = picture.getContext("2d").getImageData(0, 0, picture.width, picture.height);
  return new Set(new Uint32Array(data.buffer)).size;
});
if (failure()) results.failure = failure();
