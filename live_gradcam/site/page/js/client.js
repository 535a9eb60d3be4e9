// The page's side of the worker.

import { PageError } from "./failures.js";
import { startWorker } from "./start_worker.js";

/** @typedef {import("./types.js").EngineReport} EngineReport */
/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./types.js").Maps} Maps */
/** @typedef {import("./types.js").Reading} Reading */
/** @typedef {import("./types.js").Site} Site */
/** @typedef {import("./types.js").View} View */

/**
 * A picture with its explanation, or with what was wrong.
 * @typedef {{bitmap: ImageBitmap, explanation: Explanation, failure?: undefined}
 *   | {bitmap: ImageBitmap, explanation?: undefined, failure: import("./types.js").Failure}} Explained
 */

export class Client {
  /** @param {(loaded: number) => void} onProgress Is told how many bytes of the graph have come. */
  constructor(onProgress) {
    this.worker = startWorker(new URL("worker.js", import.meta.url));
    /** @type {Map<number, {done: (result: any) => void, failed: (error: Error) => void}>} */
    this.waiting = new Map();
    this.asked = 0;
    /** @type {Error | null} What the worker ended with: nobody answers any more. */
    this.dead = null;
    this.worker.addEventListener("message", ({ data }) => {
      if (data.loaded !== undefined) onProgress(data.loaded);
      else this.settle(data);
    });
    this.worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.fail(new PageError("failure.worker", { cause: event.message || "worker.js" }));
    });
    this.worker.addEventListener("messageerror", () => {
      this.fail(new PageError("failure.worker", { cause: "worker.js" }));
    });
  }

  /** @param {{id: number, result?: unknown, failure?: import("./types.js").Failure}} answer */
  settle({ id, result, failure }) {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (failure) waiting?.failed(new PageError(failure.key, failure.values));
    else waiting?.done(result);
  }

  /** @param {Error} error */
  fail(error) {
    this.dead = error;
    for (const { failed } of this.waiting.values()) failed(error);
    this.waiting.clear();
  }

  /**
   * @param {string} name
   * @param {unknown} asked
   * @param {Transferable[]} [transfer]
   * @returns {Promise<any>}
   */
  call(name, asked, transfer = []) {
    const id = this.asked++;
    return new Promise((done, failed) => {
      if (this.dead) throw this.dead;
      this.worker.postMessage({ id, name, asked }, transfer);
      this.waiting.set(id, { done, failed });
    });
  }

  /** @param {Site} site @param {URL} base @returns {Promise<EngineReport>} */
  open(site, base) {
    return this.call("open", { site, base: base.href });
  }

  /** @returns {Promise<EngineReport>} */
  compareEngines() {
    return this.call("compare", {});
  }

  /**
   * @param {Uint8Array} pixels RGB of the network's size.
   * @param {number} width
   * @param {number} height
   * @returns {Promise<{scores: Float32Array, evidence: Maps}>}
   */
  explainPixels(pixels, width, height) {
    return this.call("pixels", { pixels, width, height });
  }

  /**
   * @param {number} number By which `test` knows the picture.
   * @param {ImageBitmap} bitmap Given away, and given back.
   * @param {View} view
   * @returns {Promise<Explained>}
   */
  explain(number, bitmap, view) {
    return this.call("explain", { number, bitmap, view }, [bitmap]);
  }

  /**
   * @param {number} number
   * @param {number} index Of the class.
   * @param {Float32Array | null} shown The map to test, where it is not the class's own.
   * @returns {Promise<Reading | null>} Null where another picture was explained meanwhile.
   */
  test(number, index, shown) {
    return this.call("test", { number, index, shown });
  }
}
