// What the page shows, which is also in its address, so that it can be sent to others.

export const state = {
  language: "en", model: "", beside: "", sound: "", column: 0, layer: 1, direction: "forward", gate: "", unit: -1,
  frame: -1, order: "active", lit: false, set: "", hold: "", scope: "all", from: 0, to: -1, tour: 0, rate: "1", open: "",
};
const DEFAULTS = { ...state };

/** The changes to the state that an address asks for. */
export function recalled(address) {
  const changes = {};
  for (const [name, value] of new URLSearchParams(address.replace(/^#/, ""))) {
    if (!(name in DEFAULTS)) continue;
    const kind = typeof DEFAULTS[name];
    changes[name] = kind === "number" ? Math.trunc(Number(value)) || 0 : kind === "boolean" ? value === "true" : value;
  }
  if (changes.hold && !(Number(changes.hold) >= 0 && Number(changes.hold) <= 1)) changes.hold = "";
  return changes;
}

/** Write the state into the address. */
export function remember() {
  const changed = Object.entries(state).filter(([name, value]) => value !== DEFAULTS[name]);
  const address = new URLSearchParams(changed.map(([name, value]) => [name, String(value)]));
  try {
    history.replaceState(null, "", `#${address}`);
  } catch { /* a browser may refuse for a file, and where it happens too often */ }
}

/** The value that is set by hand; null for none. */
export const setValue = () => (state.hold === "" ? null : Number(state.hold));
