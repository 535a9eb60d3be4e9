// The middle of the page: pictures come in, are explained one after the other, and are shown.

import { failureOf, PageError } from "./failures.js";
import { choose } from "./choosing.js";
import { HeatScale } from "./scale.js";
import { ownScale } from "./heat.js";
import { SteadyLabels } from "./steady_labels.js";

/** @typedef {import("./client.js").Client} Client */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./types.js").Failure} Failure */
/** @typedef {import("./types.js").Model} Model */
/** @typedef {import("./types.js").Reading} Reading */
/** @typedef {import("./types.js").Site} Site */
/** @typedef {import("./choosing.js").Tile} Tile */

/**
 * A picture that is to be explained.
 * @typedef {object} Incoming
 * @property {ImageBitmap} bitmap Belongs to the session from now on.
 * @property {string} name For the snapshot.
 * @property {boolean} live One of many: the newest one wins.
 * @property {boolean} [frozen] One of many at which somebody stopped to look: the colour scale and
 *   the order of the labels go on.
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
    /** What explains: the exported network, until `useModel` puts another head on it. */
    this.model = site.model;
    this.labels = new SteadyLabels(site.figures.labels, site.model);
    /** @type {Shown | null} */
    this.shown = null;
    /** @type {Tile[]} */
    this.tiles = [];
    /** Index of the class whose map is shown. */
    this.index = 0;
    /** @type {number | null} Class that a contrast compares it with; null where there is none. */
    this.other = null;
    this.scaleValue = 0;
    /** @type {{reading: Reading, index: number, question: string, number: number} | null} */
    this.truth = null;
    this.testing = false;
    this.untested = 0;
    /** @type {Incoming | null} The picture that is being explained. */
    this.working = null;
    /** @type {Incoming | null} The picture that comes next. */
    this.waiting = null;
    /** @type {Incoming | null} The picture that was explained last, which can be explained anew. */
    this.picture = null;
    /** Explanations come with what a head is taught on. */
    this.keeps = false;
    /** The last picture was explained by another head, or in another view. */
    this.outdated = false;
    this.numbers = 0;
    /** @type {number[]} */
    this.times = [];
    state.onChange((changed) => this.onChoice(changed));
  }

  get busy() {
    return this.working !== null;
  }

  /** @param {Incoming} incoming */
  offer(incoming) {
    this.waiting?.bitmap.close();
    this.waiting = incoming;
    void this.work();
  }

  /** Forget what waits: its source has ended. */
  drop() {
    this.waiting?.bitmap.close();
    this.waiting = null;
    this.times = [];
  }

  /** Explain the last picture anew, unless another one comes before. */
  renew() {
    this.outdated = true;
    void this.work();
  }

  /**
   * Explain with another head from now on: what was chosen and measured was about the one before.
   * Whoever calls tells the worker in the same turn.
   * @param {Model} model
   */
  useModel(model) {
    this.model = model;
    this.labels = new SteadyLabels(this.site.figures.labels, model);
    this.scale.reset();
    this.shown = this.truth = null;
    this.tiles = [];
    this.state.set({ held: null, against: null });
    this.dispatchEvent(new Event("model"));
    this.renew();
  }

  async work() {
    if (this.working) return;
    while ((this.working = this.next())) {
      try {
        await this.ready;
        await this.explain(this.working);
      } catch (error) {
        this.dispatchEvent(new CustomEvent("failure", { detail: failureOf(error) }));
      }
    }
  }

  next() {
    const { waiting, picture, outdated } = this;
    this.waiting = null;
    this.outdated = false;
    return waiting ?? (outdated && picture && !picture.live ? picture : null);
  }

  /** @param {Incoming} incoming */
  async explain(incoming) {
    const number = this.numbers++;
    const { model, picture } = this;
    const { bitmap, explanation, failure } = await this.client.explain(
      number,
      incoming.bitmap,
      this.state.choices.view,
      this.keeps,
    );
    if (failure && incoming !== picture) bitmap.close();
    else this.picture = { ...incoming, bitmap };
    if (failure) throw new PageError(failure.key, failure.values);
    if (picture && incoming !== picture) picture.bitmap.close();
    if (model !== this.model) {
      this.outdated = true;
      return;
    }
    const before = this.shown;
    const moves = incoming.live || incoming.frozen === true;
    if (!moves || !before || !(before.live || before.frozen) || before.name !== incoming.name) {
      this.scale.reset();
      this.labels.reset();
    }
    if (moves) {
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
    Object.assign(this, choose(shown.explanation, choices, this.model, this.site));
    const maps = this.tiles.flatMap((tile) => (tile.map ? [tile.map.values] : []));
    const steady = (shown.live || shown.frozen) && choices.steady;
    if (steady) this.scaleValue = isNew ? this.scale.update(maps, choices.signed) : this.scale.value;
    else this.scaleValue = Math.max(0, ...maps.map((each) => ownScale(each, choices.signed)));
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
      this.renew();
      return;
    }
    if (changed.some((name) => ["mode", "signed", "held", "against", "steady"].includes(name))) this.scale.reset();
    const maps = this.tiles;
    this.choose(shown.live && this.scale.value === 0 && maps.length > 0);
    this.show();
    void this.test();
  }
}
