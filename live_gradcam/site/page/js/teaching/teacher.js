// The page's side of the worker that fits.

import { PageError } from "../failures.js";

/** @typedef {import("./examples.js").Burst} Burst */
/** @typedef {import("./examples.js").Examples} Examples */
/** @typedef {import("./fit.js").Head} Head */
/** @typedef {import("./learned.js").Learned} Learned */
/** @typedef {import("../types.js").Failure} Failure */
/** @typedef {import("../types.js").Teaching} Figures */

/**
 * Examples as they are sent: each burst once, and again when what moves in it is known.
 * @typedef {object} Given
 * @property {string[]} labels
 * @property {number} channels
 * @property {{name: string, label: string}[]} shown All bursts, in order.
 * @property {Burst[]} fresh Those that the worker has not had.
 *
 * A head and the names of its classes.
 * @typedef {Head & {labels: string[]}} NamedHead
 *
 * What moves in a burst, but for what the network says of it.
 * @typedef {{moved: {index: number, covered: Uint8Array, share: Float32Array}[], wall: Uint8Array}} Seen
 */

export class Teacher {
  constructor() {
    this.worker = new Worker(new URL("../teach_worker.js", import.meta.url), { type: "module" });
    /** @type {Map<number, {done: (result: any) => void, failed: (error: Error) => void}>} */
    this.waiting = new Map();
    this.asked = 0;
    /** @type {WeakSet<Burst>} */
    this.sent = new WeakSet();
    this.worker.addEventListener("message", ({ data }) => this.settle(data));
    this.worker.addEventListener("error", (event) => {
      event.preventDefault();
      const error = new PageError("failure.worker", { cause: event.message || "teach_worker.js" });
      for (const { failed } of this.waiting.values()) failed(error);
      this.waiting.clear();
    });
  }

  /** @param {{id: number, result?: unknown, failure?: Failure}} answer */
  settle({ id, result, failure }) {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (failure) waiting?.failed(new PageError(failure.key, failure.values));
    else waiting?.done(result);
  }

  /** @param {string} name @param {unknown} asked @returns {Promise<any>} */
  call(name, asked) {
    const id = this.asked++;
    return new Promise((done, failed) => {
      this.waiting.set(id, { done, failed });
      this.worker.postMessage({ id, name, asked });
    });
  }

  /** @param {Examples} examples @returns {Given} */
  given({ labels, bursts, channels }) {
    const fresh = bursts.filter((burst) => !this.sent.has(burst));
    for (const burst of fresh) this.sent.add(burst);
    const plain = fresh.map(({ name, label, features, count, moving }) => ({ name, label, features, count, moving }));
    return { labels, channels, shown: bursts.map(({ name, label }) => ({ name, label })), fresh: plain };
  }

  /**
   * Fit with a strength that is known, while examples arrive.
   * @param {Examples} examples Of at least two classes, each with examples.
   * @param {{strength: number, temperature: number}} known
   * @param {Float64Array | null} start
   * @returns {Promise<NamedHead>}
   */
  refit(examples, { strength, temperature }, start) {
    return this.call("refit", { given: this.given(examples), strength, temperature, start });
  }

  /**
   * Fit with the strength that is best for held-out bursts, and say what was learned.
   * @param {Examples} examples
   * @param {Figures} figures
   * @param {Float64Array | null} start
   * @returns {Promise<{head: NamedHead, learned: Learned} | null>} Null where `changed` was called.
   */
  learn(examples, figures, start) {
    return this.call("learn", { given: this.given(examples), figures, start });
  }

  /** End what is being learned: there is more. */
  changed() {
    this.worker.postMessage({ name: "changed" });
  }

  /**
   * Find what moves in frames that follow each other.
   * @param {Uint8Array[]} frames What the network was shown, RGB, of one size.
   * @param {number} width
   * @param {number} height
   * @param {number} rows Of the explained layer.
   * @param {number} columns
   * @returns {Promise<Seen | null>} Null where the camera moves, or there are too few frames.
   */
  see(frames, width, height, rows, columns) {
    return this.call("see", { frames, width, height, rows, columns });
  }
}
