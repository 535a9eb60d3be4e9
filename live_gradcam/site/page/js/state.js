/** @typedef {import("./types.js").Site} Site */
/** @typedef {import("./types.js").View} View */

/**
 * What is asked, and how the answer looks.
 * @typedef {object} Choices
 * @property {"single" | "mosaic" | "contrast"} mode
 * @property {number | null} held Class that is explained; null follows the best one.
 * @property {number | null} against Class of a contrast; null is the best other one.
 * @property {View} view
 * @property {boolean} signed
 * @property {boolean} steady
 * @property {"heatmap" | "side-by-side" | "plain"} layout Heat, the bare picture beside it, or no heat.
 * @property {string} colormap
 * @property {number} opacity
 * @property {boolean} truth
 * @property {boolean} mirror
 */

/** The visitor's choices; whoever listens is told what changed. */
export class State extends EventTarget {
  /** @param {Site} site */
  constructor(site) {
    super();
    const { view, colormap, opacity } = site.settings;
    /** @type {Choices} */
    this.choices = {
      mode: "single",
      held: null,
      against: null,
      view: site.preprocessing.views.includes(view) ? view : site.preprocessing.views[0],
      signed: false,
      steady: true,
      layout: "heatmap",
      colormap,
      opacity,
      truth: true,
      mirror: false,
    };
  }

  /** @param {Partial<Choices>} changes */
  set(changes) {
    const before = this.choices;
    this.choices = { ...before, ...changes };
    const names = /** @type {(keyof Choices)[]} */ (Object.keys(changes));
    const changed = names.filter((name) => before[name] !== this.choices[name]);
    if (changed.length) this.dispatchEvent(new CustomEvent("change", { detail: changed }));
  }

  /** @param {(changed: (keyof Choices)[]) => void} told */
  onChange(told) {
    this.addEventListener("change", (event) => told(/** @type {CustomEvent} */ (event).detail));
  }
}
