// Buttons, keys and sound.

/** Step through the units in the order of the large map. */
function stepUnit(by) {
  const order = views[state.recording].strips.find(({ row }) => row.classList.contains("large")).order;
  const place = Math.max(0, Math.min(order.length - 1, order.indexOf(state.unit) + by));
  choose({ unit: order[place] });
}

function stepFrame(by) {
  views.forEach((view) => view.sound.pause());
  choose({ frame: state.frame + by });
}

/** Play the chosen recording from the cursor, or from the beginning if the cursor is at the end; or pause. */
function play() {
  const { sound } = views[state.recording], of = recording();
  if (!sound.paused) {
    sound.pause();
    choose({});
    return;
  }
  views.forEach((view) => view.sound.pause());
  sound.playbackRate = Number(at("rate").value);
  const last = of.times.length - 1;
  sound.currentTime = state.frame >= last ? 0 : Math.max(0, of.times[state.frame] - of.hop / 2);
  sound.play().then(moveOn, () => choose({}));
}

/** Move the frame along while the sound plays. */
function moveOn() {
  const { sound } = views[state.recording], of = recording();
  const frame = frameAt(of, sound.currentTime / of.seconds);
  if (frame !== state.frame || sound.paused) choose({ frame });
  if (!sound.paused) requestAnimationFrame(moveOn);
}

const KEYS = {
  ArrowLeft: () => stepFrame(-1),
  ArrowRight: () => stepFrame(1),
  ArrowUp: () => stepUnit(-1),
  ArrowDown: () => stepUnit(1),
  " ": play,
};

addEventListener("keydown", (event) => {
  const act = KEYS[event.key];
  const typing = event.target.matches("select, input[type=number]") || (event.target.matches("input") && event.key !== " ");
  if (!act || typing || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  act();
});

at("play").onclick = play;
at("back").onclick = () => stepFrame(-1);
at("next").onclick = () => stepFrame(1);
at("frame").oninput = (event) => stepFrame(Number(event.target.value) - state.frame);
at("unit").onchange = (event) => choose({ unit: Number(event.target.value) });
at("rate").onchange = (event) => views.forEach((view) => { view.sound.playbackRate = Number(event.target.value); });
for (const button of at("values").children) button.onclick = () => choose({ set: button.dataset.set });
at("scope").onchange = (event) => choose({ scope: event.target.value });
at("layer").onchange = (event) => choose({ layer: Number(event.target.value) });
for (const name of ["direction", "gate", "order"]) at(name).onchange = (event) => choose({ [name]: event.target.value });

addEventListener("resize", () => {
  views.forEach((view) => view.fixed());
  show(false);
});
addEventListener("hashchange", recall);

document.body.classList.toggle("several", page.recordings.length > 1);
Object.assign(state, page.start);
settle();
recall();
document.body.dataset.ready = "yes";
