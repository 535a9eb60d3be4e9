// The middle of the page: pictures come in, are explained one after the other, and are shown.

import { failureOf } from "./failures.js";
import { shownClass, tilesOf } from "./choosing.js";
import { HeatScale } from "./scale.js";
import { ownScale } from "./heat.js";
import { SteadyLabels } from "./steady_labels.js";

/** @typedef {import("./client.js").Client} Client */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./types.js").Failure} Failure */
/** @typedef {import("./types.js").Reading} Reading */
/** @typedef {import("./types.js").Site} Site */
/** @typedef {import("./choosing.js").Tile} Tile */

/**
 * A picture that is to be explained.
 * @typedef {object} Incoming
 * @property {ImageBitmap} bitmap Belongs to the session from now on.
 * @property {string} name For the snapshot.
 * @property {boolean} live One of many: the newest one wins.
 * @property {number | null} seconds Its time in a film.
 *
 * A picture and its explanation.
 * @typedef {Incoming & {number: number, explanation: Explanation}} Shown
 */

const TRUTH_EVERY_FRAMES = 20;
const RATE_SPAN_MS = 1000;

export class Session extends EventTarget {
  /**
   * @param {Site} site
   * @param {Client} client
   * @param {State} state
   * @param {Promise<unknown>} ready Fulfilled when the client can explain.
   */
  constructor(site, client, state, ready) {
    super();
    this.ready = ready;
    this.site = site;
    this.client = client;
    this.state = state;
    this.scale = new HeatScale(site.figures.scale);
    this.labels = new SteadyLabels(site.figures.labels, site.model);
    /** @type {Shown | null} */
    this.shown = null;
    /** @type {Tile[]} */
    this.tiles = [];
    this.scaleValue = 0;
    /** @type {{reading: Reading, index: number, question: string, number: number} | null} */
    this.truth = null;
    this.testing = false;
    this.untested = 0;
    this.busy = false;
    /** @type {Incoming | null} */
    this.waiting = null;
    this.numbers = 0;
    /** @type {number[]} */
    this.times = [];
    state.onChange((changed) => this.onChoice(changed));
  }

  /** @param {Incoming} incoming */
  offer(incoming) {
    this.waiting?.bitmap.close();
    this.waiting = incoming;
    if (!this.busy) void this.work();
  }

  /** Forget what waits: its source has ended. */
  drop() {
    this.waiting?.bitmap.close();
    this.waiting = null;
    this.times = [];
  }

  async work() {
    this.busy = true;
    while (this.waiting) {
      const incoming = this.waiting;
      this.waiting = null;
      try {
        await this.ready;
        await this.explain(incoming);
      } catch (error) {
        this.dispatchEvent(new CustomEvent("failure", { detail: failureOf(error) }));
      }
    }
    this.busy = false;
    this.dispatchEvent(new Event("idle"));
  }

  /** @param {Incoming} incoming */
  async explain(incoming) {
    const number = this.numbers++;
    const { bitmap, explanation } = await this.client.explain(number, incoming.bitmap, this.state.choices.view);
    const before = this.shown;
    if (before && before.bitmap !== bitmap) before.bitmap.close();
    if (!incoming.live || before?.live !== true || before.name !== incoming.name) {
      this.scale.reset();
      this.labels.reset();
    }
    if (incoming.live) {
      const held = this.state.choices.held !== null;
      explanation.predictions = this.labels.update(explanation.predictions, held);
    }
    this.shown = { ...incoming, bitmap, explanation, number };
    if (!incoming.live) this.truth = null;
    this.count();
    this.untested += 1;
    this.choose(true);
    this.dispatchEvent(new CustomEvent("explained", { detail: this.shown }));
    this.show();
    void this.test();
  }

  count() {
    const now = performance.now();
    this.times.push(now);
    while (this.times.length > 2 && now - this.times[0] > RATE_SPAN_MS) this.times.shift();
  }

  /** Explained pictures in the last second. */
  get rate() {
    const span = this.times[this.times.length - 1] - this.times[0];
    return span > 0 ? ((this.times.length - 1) * 1000) / span : 0;
  }

  /**
   * Choose the maps and their scale.
   * @param {boolean} isNew Another picture: the steady scale takes a step.
   */
  choose(isNew) {
    const { shown } = this;
    if (!shown) return;
    const { choices } = this.state;
    this.tiles = tilesOf(shown.explanation, choices, this.site);
    const maps = this.tiles.flatMap((tile) => (tile.map ? [tile.map.values] : []));
    const steady = shown.live && choices.steady;
    if (steady) this.scaleValue = isNew ? this.scale.update(maps, choices.signed) : this.scale.value;
    else this.scaleValue = Math.max(0, ...maps.map((each) => ownScale(each, choices.signed)));
  }

  /** Index of the class whose map is shown. */
  get index() {
    return this.shown ? shownClass(this.shown.explanation, this.state.choices, this.site) : 0;
  }

  /** The map of a contrast; null where the map is a class's own. */
  get contrast() {
    return this.tiles.find((tile) => tile.isContrast) ?? null;
  }

  /** What the truth meter is asked: it changes with the class, and with what it is compared to. */
  get question() {
    return this.contrast?.title ?? String(this.index);
  }

  show() {
    this.dispatchEvent(new Event("shown"));
  }

  /** The truth meter's reading, if it is about the class that is shown. */
  get reading() {
    const { truth, shown } = this;
    if (!this.state.choices.truth || !truth || !shown || truth.question !== this.question) return null;
    return shown.live || truth.number === shown.number ? truth : null;
  }

  /** Test the picture that is shown, where that is due. */
  async test() {
    const { shown, index, question } = this;
    if (!shown || !this.state.choices.truth || this.testing || !shown.explanation.finite) return;
    if (shown.live && this.reading && this.untested < TRUTH_EVERY_FRAMES) return;
    if (!shown.live && this.reading) return;
    this.testing = true;
    this.untested = 0;
    try {
      const reading = await this.client.test(shown.number, index, this.contrast?.map?.values ?? null);
      if (reading) this.truth = { reading, index, question, number: shown.number };
    } catch (error) {
      this.dispatchEvent(new CustomEvent("failure", { detail: failureOf(error) }));
      return;
    } finally {
      this.testing = false;
    }
    this.show();
    // Something else has been asked meanwhile.
    if (this.shown && !this.shown.live && !this.reading) void this.test();
  }

  /** @param {(keyof import("./state.js").Choices)[]} changed */
  onChoice(changed) {
    const { shown } = this;
    if (!shown) return;
    if (changed.includes("view") && !shown.live) {
      // The worker has the bitmap until it is explained; what waits now is newer.
      if (!this.busy) this.offer({ ...shown });
      else this.addEventListener("idle", () => this.shown && this.offer({ ...this.shown }), { once: true });
      return;
    }
    if (changed.some((name) => ["mode", "signed", "held", "against", "steady"].includes(name))) this.scale.reset();
    const maps = this.tiles;
    this.choose(shown.live && this.scale.value === 0 && maps.length > 0);
    this.show();
    void this.test();
  }
}
