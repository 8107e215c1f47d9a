// A page that is one file, with two recordings.

await open("", { file: "one.html" });
results.numbers = numbers();
results.headings = headings();
results.title = doc.title;
results.speak = at("speak").hidden;
results.state = state();
if (failure()) results.failure = failure();
