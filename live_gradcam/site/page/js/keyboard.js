// The window's keys, on the page: what they do is said by the table of keys.

import { find } from "./document.js";
import { clamp } from "./rounding.js";
import { text } from "./texts.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./state.js").Choices} Choices */

/**
 * What keys do that is not a choice.
 * @typedef {{snapshot: () => void, freeze: () => void}} Actions
 */

const REMEMBERED = "live-gradcam.keys"; // of browsers' stores; "off" where a visitor wants none
const REPEATING = ["[", "]"];
// What an element does with keys itself: letters, and the space bar.
const TAKES_LETTERS = "input:not([type=checkbox], [type=radio], [type=range], [type=file]), select, textarea";
const TAKES_SPACE = `button, summary, input, video, a[href], ${TAKES_LETTERS}`;

/**
 * @param {Session} session
 * @param {Actions} actions
 */
export function listenToKeys(session, actions) {
  const doing = actionsOf(session, actions);
  const help = find("help", HTMLDialogElement);
  const on = rememberedSwitch();
  writeHelp(session, [...doing.keys()]);
  document.addEventListener("keydown", (event) => {
    const name = nameOf(event.key);
    const action = doing.get(name);
    if (!action || !on.checked || event.defaultPrevented || event.isComposing) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { target } = event;
    if (target instanceof Element && target.matches(name === "space" ? TAKES_SPACE : TAKES_LETTERS)) return;
    if (help.open && name !== "h") return; // it lies over everything that keys could change
    event.preventDefault();
    if (!event.repeat || REPEATING.includes(name)) action();
  });
}

/** @param {string} key As the browser calls it. */
function nameOf(key) {
  if (key === " ") return "space";
  return key === "?" ? "h" : key.toLowerCase();
}

/**
 * @param {Session} session
 * @param {Actions} actions
 * @returns {Map<string, () => void>}
 */
function actionsOf(session, actions) {
  const { site, state } = session;
  const { settings, preprocessing } = site;
  const set = (/** @type {Partial<Choices>} */ changes) => state.set(changes);
  const after = (/** @type {readonly any[]} */ list, /** @type {any} */ value) => list[(list.indexOf(value) + 1) % list.length];
  const mode = (/** @type {Choices["mode"]} */ wanted) => () =>
    set({ mode: state.choices.mode === wanted ? "single" : wanted });
  const opacity = (/** @type {number} */ sign) => () => {
    const step = sign * settings.opacity_step;
    set({ opacity: clamp(Math.round((state.choices.opacity + step) * 100) / 100, 0, 1) });
  };
  const help = find("help", HTMLDialogElement);
  /** @type {[string, () => void][]} */
  const rows = [
    ["0", () => set({ held: null })],
    ["a", mode("mosaic")],
    ["d", () => session.model.contrasts && mode("contrast")()],
    ["e", () => set({ signed: !state.choices.signed })],
    ["t", () => set({ truth: !state.choices.truth })],
    ["v", () => set({ view: after(preprocessing.views, state.choices.view) })],
    ["b", () => set({ layout: after(settings.layouts, state.choices.layout) })],
    ["c", () => set({ colormap: after(settings.colormaps, state.choices.colormap) })],
    ["[", opacity(-1)],
    ["]", opacity(+1)],
    ["m", () => set({ mirror: !state.choices.mirror })],
    ["f", () => void turnFullscreen().catch(() => {})], // browsers may refuse, phones may have none
    ["space", actions.freeze],
    ["s", actions.snapshot],
    ["h", () => (help.open ? help.close() : help.showModal())],
  ];
  for (let rank = 1; rank <= 9; rank++) {
    rows.push([
      String(rank),
      () => {
        const row = document.querySelectorAll("#classes button")[rank - 1];
        if (row instanceof HTMLElement) set({ held: Number(row.dataset.index) });
      },
    ]);
  }
  return new Map(rows);
}

async function turnFullscreen() {
  if (document.fullscreenElement) await document.exitFullscreen();
  else await document.documentElement.requestFullscreen();
}

/**
 * The box that turns single keys off, for those who speak to their computer or hit keys by accident.
 * @returns {HTMLInputElement}
 */
function rememberedSwitch() {
  const box = find("keys-on", HTMLInputElement);
  try {
    box.checked = localStorage.getItem(REMEMBERED) !== "off";
  } catch {
    // Browsers may keep nothing for this page: then it begins with keys each time.
  }
  box.addEventListener("change", () => {
    try {
      localStorage.setItem(REMEMBERED, box.checked ? "on" : "off");
    } catch {
      // The same.
    }
  });
  return box;
}

/** @param {Session} session @param {string[]} names */
function writeHelp(session, names) {
  const list = find("help-keys", HTMLElement);
  for (const row of Object.values(session.site.keys)) {
    if (!row.keys.some((key) => names.includes(key))) continue;
    const term = document.createElement("dt");
    const words = document.createElement("dd");
    term.textContent = row.shown;
    words.textContent = text(`key.${row.keys[0]}`);
    list.append(term, words);
  }
}
