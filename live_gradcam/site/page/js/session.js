// The middle of the page: pictures come in, are explained one after the other, and are shown.

import { failureOf, PageError } from "./failures.js";
import { choose } from "./choosing.js";
import { mapOf } from "./evidence.js";
import { HeatScale } from "./scale.js";
import { ownScale } from "./heat.js";
import { SteadyLabels } from "./steady_labels.js";
import { SteadyMaps } from "./steady_maps.js";
import { TruthMeter } from "./truth.js";

/** @typedef {import("./client.js").Client} Client */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./types.js").Failure} Failure */
/** @typedef {import("./types.js").Model} Model */
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
 * @property {{width: number, height: number}} original Size of the file's picture, or the film's.
 *
 * A picture and its explanation.
 * @typedef {Incoming & {number: number, explanation: Explanation}} Shown
 */

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
    this.maps = new SteadyMaps(site.figures.maps);
    /** @type {Shown | null} */
    this.shown = null;
    /** @type {Tile[]} */
    this.tiles = [];
    /** Index of the class whose map is shown. */
    this.index = 0;
    /** @type {number | null} Class that a contrast compares it with; null where there is none. */
    this.other = null;
    /** @type {number[]} Classes that were asked about and have no map of this picture. */
    this.unmapped = [];
    this.scaleValue = 0;
    this.truth = new TruthMeter(this);
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
    /** A moving picture that is grabbed now is the next one; "free" says when that becomes true. */
    this.free = true;
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
    this.free = false;
    void this.work();
  }

  /** The pictures move no more: the last one that was explained is looked at, and tested, as a still. */
  settle() {
    if (this.waiting?.live) {
      this.waiting.bitmap.close();
      this.waiting = null;
    }
    this.times = [];
    for (const moving of [this.working, this.picture, this.shown]) {
      if (moving?.live) Object.assign(moving, { live: false, frozen: true });
    }
    if (!this.shown?.frozen) return;
    this.show();
    void this.truth.test();
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
    this.maps.reset();
    this.scale.reset();
    this.truth.forget();
    this.shown = null;
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
    this.welcome();
  }

  /** Let the sources of moving pictures grab the next one. */
  welcome() {
    if (this.waiting || this.free) return;
    this.free = true;
    this.dispatchEvent(new Event("free"));
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
    const { model, picture, client, state } = this;
    this.free = false;
    const asked = client.explain(number, incoming.bitmap, state.choices.view, this.keeps);
    const { bitmap, explanation, failure } = await asked.catch((error) => {
      if (incoming === picture) this.picture = null; // it is lost with its worker
      throw error;
    });
    // The next picture comes while this one is drawn.
    this.welcome();
    if (failure && incoming !== picture) bitmap.close();
    else this.picture = Object.assign(incoming, { bitmap });
    if (failure) throw new PageError(failure.key, failure.values);
    if (picture && incoming !== picture) picture.bitmap.close();
    if (model !== this.model) {
      this.outdated = true;
      return;
    }
    const { live } = incoming;
    const before = this.shown;
    if (!(live || incoming.frozen) || !(before?.live || before?.frozen) || before.name !== incoming.name) {
      this.scale.reset();
      this.labels.reset();
      this.maps.reset();
      incoming.frozen = false;
    }
    if (live || incoming.frozen) explanation.predictions = this.labels.update(explanation.predictions, state.choices.held !== null);
    this.shown = { ...incoming, explanation, number };
    if (!live) this.truth.forget();
    this.count();
    this.truth.untested += 1;
    this.choose(true);
    this.dispatchEvent(new CustomEvent("explained", { detail: this.shown }));
    this.show();
    void this.truth.test();
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
    const steady = (shown.live || shown.frozen) && choices.steady;
    if (steady) this.steadyMaps();
    const maps = this.tiles.flatMap(({ drawn }) => (drawn ? [drawn.values] : []));
    const step = isNew || this.scale.value === 0;
    if (steady) this.scaleValue = step ? this.scale.update(maps, choices.signed) : this.scale.value;
    else this.scaleValue = Math.max(0, ...maps.map((each) => ownScale(each, choices.signed)));
  }

  /** Take the shimmer of the camera's noise out of the maps that are drawn. */
  steadyMaps() {
    const { view, mirror, mode } = this.state.choices;
    const tiles = this.tiles.filter((tile) => tile.map);
    const maps = tiles.map((tile) => /** @type {import("./heat.js").EvidenceMap} */ (tile.map));
    // Maps of one class can be compared as long as they mean the same.
    const size = maps.map(({ rows, columns }) => `${rows}x${columns}`)[0];
    const context = `${view} ${mirror} ${mode === "contrast"} ${size}`;
    const calm = this.maps.update(tiles.map((tile) => tile.index), maps.map((map) => map.values), context);
    tiles.forEach((tile, place) => (tile.drawn = { ...maps[place], values: calm[place] }));
  }

  /** The picture of a contrast; null where maps are the classes' own. */
  get contrast() {
    return this.tiles.find((tile) => tile.isContrast) ?? null;
  }

  /** The map of the class, or of the contrast, that is asked about; null where the graph has none. */
  get map() {
    return this.contrast ? this.contrast.map : this.shown && mapOf(this.shown.explanation, this.index);
  }

  /** What the truth meter is asked: it changes with the class, and with what it is compared to. */
  get question() {
    return this.contrast?.title ?? String(this.index);
  }

  show() {
    this.dispatchEvent(new Event("shown"));
  }

  /** What the truth meter found about what is shown. */
  get reading() {
    return this.truth.reading;
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
    this.choose(false);
    this.show();
    void this.truth.test();
  }
}
