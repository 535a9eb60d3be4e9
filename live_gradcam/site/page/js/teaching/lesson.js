// What is being taught: classes, bursts of examples, and the one that is being shown.

import { joined, taughtOnly } from "./examples.js";

/** @typedef {import("./examples.js").Burst} Burst */
/** @typedef {import("./examples.js").Examples} Examples */
/** @typedef {import("./examples.js").Moving} Moving */
/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("../types.js").Kept} Kept */
/** @typedef {import("../types.js").View} View */

/** A burst and a small picture of it, as an address. @typedef {Burst & {number: number, picture: string}} OwnBurst */

const MOST_KEPT = 24; // frames of a burst in which what moves is looked for

/** A burst that is being shown; of a long one every second, fourth, ... frame is kept whole. */
class OpenBurst {
  /** @param {string} label @param {number} number */
  constructor(label, number) {
    this.label = label;
    this.number = number;
    /** @type {Float32Array[]} */
    this.features = [];
    /** @type {Kept[]} */
    this.kept = [];
    this.step = 1;
    this.picture = "";
  }

  /** @param {Kept} frame @param {boolean} whole */
  add(frame, whole) {
    if (whole && this.features.length % this.step === 0) this.kept.push(frame);
    this.features.push(frame.pooled);
    if (this.kept.length <= 2 * MOST_KEPT) return;
    this.kept = this.kept.filter((_, place) => place % 2 === 0);
    this.step *= 2;
  }
}

export class Lesson extends EventTarget {
  /**
   * @param {number} channels Of the explained layer.
   * @param {number} mostExamples
   * @param {Store} store Keeps everything for the next visit.
   */
  constructor(channels, mostExamples, store) {
    super();
    this.channels = channels;
    this.mostExamples = mostExamples;
    this.store = store;
    /** @type {string[]} */
    this.labels = [];
    /** @type {OwnBurst[]} */
    this.bursts = [];
    /** @type {OpenBurst | null} */
    this.open = null;
    /** @type {View | null} Part of the pictures that all examples show. */
    this.view = null;
    /** @type {{number: number, frames: Kept[]}[]} Bursts of frames in which nobody has looked for what moves. */
    this.unseen = [];
    this.numbers = 0;
    /** Changes whenever another head is due. */
    this.version = 0;
  }

  /** Take what was kept at an earlier visit. */
  async restore() {
    const found = await this.store.load();
    this.labels = found.labels;
    this.view = found.view;
    this.bursts = found.bursts;
    this.numbers = Math.max(0, ...found.bursts.map((burst) => burst.number));
    if (this.bursts.length) this.version += 1;
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event("changed"));
  }

  /** Another head is due. */
  due() {
    this.version += 1;
    this.changed();
  }

  /** @returns {Examples} Of the bursts that have ended, and the classes that have some. */
  get examples() {
    return taughtOnly({ labels: this.labels, bursts: this.bursts, channels: this.channels });
  }

  /** @param {string} label With those of the burst that is being shown. */
  count(label) {
    const own = this.bursts.filter((burst) => burst.label === label);
    const shown = this.open?.label === label ? this.open.features.length : 0;
    return own.reduce((sum, burst) => sum + burst.count, shown);
  }

  get total() {
    return this.bursts.reduce((sum, burst) => sum + burst.count, this.open?.features.length ?? 0);
  }

  get isFull() {
    return this.total >= this.mostExamples;
  }

  /** @param {string} label */
  addClass(label) {
    if (this.labels.includes(label)) return;
    this.labels = [...this.labels, label];
    this.keepFacts();
    this.changed();
  }

  /** @param {string} label @param {string} name */
  renameClass(label, name) {
    this.labels = this.labels.map((each) => (each === label ? name : each));
    if (this.open?.label === label) this.open.label = name;
    this.bursts = this.bursts.map((burst) => (burst.label === label ? { ...burst, label: name } : burst));
    for (const burst of this.bursts) if (burst.label === name) this.store.putBurst(burst);
    this.keepFacts();
    this.due();
  }

  /** @param {string} label */
  removeClass(label) {
    if (this.open?.label === label) this.end();
    this.labels = this.labels.filter((each) => each !== label);
    for (const burst of this.bursts) if (burst.label === label) this.store.removeBurst(burst.number);
    this.bursts = this.bursts.filter((burst) => burst.label !== label);
    this.keepFacts();
    this.due();
  }

  keepFacts() {
    this.store.putFacts({ labels: this.labels, view: this.view });
  }

  /**
   * Begin a burst; one that is being shown ends.
   * @param {string} label
   * @param {View} view
   */
  begin(label, view) {
    this.end();
    this.addClass(label);
    if (this.view !== view) {
      this.view = view;
      this.keepFacts();
    }
    this.open = new OpenBurst(label, ++this.numbers);
    this.changed();
  }

  /**
   * Add a frame to the burst that is being shown.
   * @param {Kept} frame
   * @param {() => string} picture Makes a small picture of it.
   * @param {boolean} [follows] It follows the frame before, as a film's does.
   */
  add(frame, picture, follows = true) {
    const { open } = this;
    if (!open || this.isFull) return;
    if (!open.features.length) {
      open.picture = picture();
      this.store.putBurst({ ...burstOf(open), features: new Float32Array(0), count: 0 });
    }
    open.add(frame, follows);
    this.store.putFrame(open.number, frame.pooled);
    this.changed();
  }

  /** End the burst that is being shown, if there is one; the next head knows it. */
  end() {
    const { open } = this;
    this.open = null;
    if (!open?.features.length) {
      if (open) this.changed();
      return;
    }
    this.bursts = [...this.bursts, burstOf(open)];
    if (open.kept.length) this.unseen.push({ number: open.number, frames: open.kept });
    this.due();
  }

  /**
   * Take back the last burst; classes stay.
   * @returns {OwnBurst | null} The one that was.
   */
  undo() {
    this.end();
    const last = this.bursts.at(-1);
    if (!last) return null;
    this.bursts = this.bursts.slice(0, -1);
    this.store.removeBurst(last.number);
    this.due();
    return last;
  }

  /**
   * What moves in a burst is known.
   * @param {number} number
   * @param {Moving} moving
   */
  setMoving(number, moving) {
    this.bursts = this.bursts.map((burst) => {
      if (burst.number !== number) return burst;
      const known = { ...burst, moving };
      this.store.putBurst(known);
      return known;
    });
  }

  /** Forget everything, also what was kept. */
  async forget() {
    this.open = null;
    this.labels = [];
    this.bursts = [];
    this.unseen = [];
    this.view = null;
    await this.store.clear();
    this.due();
  }
}

/** @param {OpenBurst} open @returns {OwnBurst} */
function burstOf({ label, number, features, picture }) {
  return { name: `burst ${number}`, number, label, features: joined(features), count: features.length, moving: null, picture };
}
