// The microphone plays some words again and again, until the page has shown each of them.

await open("sound=go");
at("speak").click();
const labels = () => [...at("found").querySelectorAll("button")].map((item) => item.dataset.label);
await until(() => failure() || facts.every((word) => labels().includes(word)));
[results.shown] = headings();
if (failure()) results.failure = failure();
