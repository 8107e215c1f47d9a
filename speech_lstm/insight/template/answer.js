// The sum that makes a gate, and the answer when a gate is set by hand.

/** In words: the parts that add up to the chosen gate. */
function showSum(chosen, numbers) {
  const parts = Object.keys(chosen.parts[state.gate] || {}), value = numbers(state.gate, 0);
  const shown = formatNumber(value, chosen.gates.includes(state.gate) ? "share" : "signed");
  const name = `${title(chosen, state.gate)} of unit ${state.unit}`;
  if (!parts.length || value === null) {
    at("sum").textContent = `${name}: ${shown}`;
    return;
  }
  const terms = parts.map((part) => `${chosen.symbols[part]} ${formatNumber(numbers(`${state.gate}.${part}`, 0), "signed")}`);
  const total = formatNumber(numbers(`${state.gate}.Σ`, 0), "signed"), squash = chosen.activation[state.gate];
  at("sum").textContent = `${name}: ${terms.join(", ")}: together ${total}; ${squash ? `${squash}(${total}) = ` : ""}${shown}`;
}

/** In words: the effect of a gate set by hand, on this frame and on the answer. */
function showEffect(chosen, numbers, changed) {
  const possible = state.gate in chosen.interventions, to = bySet();
  at("held").textContent = state.gate;
  at("by-hand").hidden = !Object.keys(chosen.interventions).length;
  for (const button of at("values").children) {
    button.disabled = !possible;
    button.setAttribute("aria-pressed", possible && button.dataset.set === state.set);
  }
  at("scope").value = state.scope;
  at("scope").options[0].textContent = `unit ${state.unit} alone`;
  at("scope").disabled = !possible;
  const effect = at("effect");
  if (to === null) {
    effect.textContent = possible || !chosen.gates.length ? "" : `${title(chosen, state.gate)} is not a gate: choose a gate to set it by hand`;
    return;
  }
  const after = posteriorsBySet(), best = page.labels.indexOf(recording().answer);
  const here = [...chosen.state.slice(1), chosen.state[0]].filter((name) => name in changed && formatNumber(changed[name], "signed") !== formatNumber(numbers(name, 0), "signed")).map((name) => `${name} ${formatNumber(numbers(name, 0), "signed")} → ${formatNumber(changed[name], "signed")}`);
  const where = state.scope === "all" ? "all units of this layer and direction" : `unit ${state.unit}`;
  effect.replaceChildren(`${state.gate} held at ${to} in ${where} at every frame: ${recording().answer} ${percent(recording().probability)} → `, element("b", "", after ? percent(after[best]) : "–"));
  if (here.length) effect.append(`. In this frame alone: ${here.join(", ")}`);
}

/** The network's posteriors with the gate set by hand; null if none is set. */
function posteriorsBySet() {
  if (bySet() === null) return null;
  const table = array(trace().interventions[state.gate][state.set]), last = table.shape[0] - 1;
  if (state.scope === "unit" && state.unit >= last) return null;
  return page.labels.map((_, label) => table.at(state.scope === "all" ? last : state.unit, label));
}

/** The bars of the answer: grey as it was, coloured with the gate set by hand. */
function showAnswer() {
  const was = recording().scores, is = posteriorsBySet();
  const most = page.labels.map((_, label) => Math.max(was[label], is ? is[label] : 0));
  const shown = most.map((_, label) => label).sort((a, b) => most[b] - most[a]).slice(0, 10).sort((a, b) => a - b);
  const now = is || was, best = now.indexOf(Math.max(...now));
  at("answer").tBodies[0].replaceChildren(...shown.map((label) => {
    const row = element("tr", label === best ? "best" : ""), track = element("div", "track");
    for (const [kind, shares] of [["was", was], ["is", is]]) {
      const bar = element("div", kind);
      bar.style.width = shares ? `${100 * shares[label]}%` : "0";
      track.append(bar);
    }
    const cells = [element("td", "", page.labels[label]), element("td"), element("td", "", percent(was[label]))];
    cells[1].append(track);
    if (is) cells[2].append(" → ", element("em", "", percent(is[label])));
    row.append(...cells);
    return row;
  }));
}
