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

/** @type {readonly Choices["layout"][]} */
const LAYOUTS = ["heatmap", "side-by-side", "plain"];

/**
 * @param {Session} session
 * @param {Actions} actions
 */
export function listenToKeys(session, actions) {
  const { site, state } = session;
  const set = (/** @type {Partial<Choices>} */ changes) => state.set(changes);
  const after = (/** @type {readonly any[]} */ list, /** @type {any} */ value) => list[(list.indexOf(value) + 1) % list.length];
  const mode = (/** @type {Choices["mode"]} */ wanted) => () =>
    set({ mode: state.choices.mode === wanted ? "single" : wanted });
  const opacity = (/** @type {number} */ sign) => () => {
    const step = sign * site.settings.opacity_step;
    set({ opacity: clamp(Math.round((state.choices.opacity + step) * 100) / 100, 0, 1) });
  };
  const help = find("help", HTMLDialogElement);
  /** @type {Record<string, () => void>} */
  const doing = {
    0: () => set({ held: null }),
    a: mode("mosaic"),
    d: () => session.model.contrasts && mode("contrast")(),
    e: () => set({ signed: !state.choices.signed }),
    t: () => set({ truth: !state.choices.truth }),
    v: () => set({ view: after(site.preprocessing.views, state.choices.view) }),
    b: () => set({ layout: after(LAYOUTS, state.choices.layout) }),
    c: () => set({ colormap: after(site.settings.colormaps, state.choices.colormap) }),
    "[": opacity(-1),
    "]": opacity(+1),
    m: () => set({ mirror: !state.choices.mirror }),
    f: () => void (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()),
    space: actions.freeze,
    s: actions.snapshot,
    h: () => (help.open ? help.close() : help.showModal()),
  };
  for (let rank = 1; rank <= 9; rank++) {
    doing[rank] = () => {
      const row = document.querySelectorAll("#classes button")[rank - 1];
      if (row instanceof HTMLElement) set({ held: Number(row.dataset.index) });
    };
  }
  writeHelp(session, Object.keys(doing));
  document.addEventListener("keydown", (event) => {
    const name = event.key === " " ? "space" : event.key === "?" ? "h" : event.key.toLowerCase();
    const { target } = event;
    const typing = target instanceof HTMLElement && target.matches("input:not([type=checkbox]), select, textarea, video");
    const pressing = name === "space" && target instanceof HTMLElement && target.matches("button, summary, input");
    if (typing || pressing || event.ctrlKey || event.metaKey || event.altKey || !(name in doing)) return;
    event.preventDefault();
    doing[name]();
  });
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
