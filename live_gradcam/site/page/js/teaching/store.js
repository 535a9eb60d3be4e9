// What is taught stays in this browser, frame by frame, so that nothing is lost when it ends:
// IndexedDB, one database for each page and trunk. Nothing is sent anywhere.

import { joined } from "./examples.js";
import { shortened } from "../failures.js";

/** @typedef {import("./lesson.js").OwnBurst} OwnBurst */
/** @typedef {import("../types.js").View} View */
/** @typedef {{labels: string[], view: View | null}} Facts */
/** @typedef {{burst: number, features: Float32Array}} FrameRecord */

const VERSION = 1;
const FACTS = "facts";

export class Store {
  /**
   * @param {string} name Of the database.
   * @param {(cause: string) => void} onTrouble Is told once why nothing more is kept.
   */
  constructor(name, onTrouble) {
    this.name = name;
    this.onTrouble = onTrouble;
    /** @type {Promise<IDBDatabase | null> | null} */
    this.opening = null;
    /** Nothing more is kept. */
    this.broken = false;
  }

  /** @returns {Promise<IDBDatabase | null>} Null where the browser keeps nothing. */
  database() {
    this.opening ??= opened(this.name).catch((error) => this.fail(error));
    return this.opening;
  }

  /** @param {unknown} error @returns {null} */
  fail(error) {
    if (!this.broken) this.onTrouble(shortened(error instanceof Error ? error.message || error.name : String(error)));
    this.broken = true;
    return null;
  }

  /**
   * @param {(stores: Record<"facts" | "bursts" | "frames", IDBObjectStore>) => void} change
   * @returns {Promise<void>}
   */
  async write(change) {
    const database = this.broken ? null : await this.database();
    if (!database || this.broken) return;
    try {
      const work = database.transaction(["facts", "bursts", "frames"], "readwrite");
      const [facts, bursts, frames] = ["facts", "bursts", "frames"].map((name) => work.objectStore(name));
      change({ facts, bursts, frames });
      await new Promise((done, failed) => {
        work.oncomplete = done;
        work.onabort = work.onerror = () => failed(work.error);
      });
    } catch (error) {
      this.fail(error);
    }
  }

  /** @param {Facts} known */
  putFacts(known) {
    void this.write(({ facts }) => facts.put(known, FACTS));
  }

  /** The frames of a burst are kept one by one. @param {OwnBurst} burst */
  putBurst({ name, number, label, picture, moving }) {
    void this.write(({ bursts }) => bursts.put({ name, number, label, picture, moving }));
  }

  /** @param {number} burst @param {Float32Array} features */
  putFrame(burst, features) {
    void this.write(({ frames }) => frames.add({ burst, features }));
  }

  /** @param {number} number */
  removeBurst(number) {
    void this.write(({ bursts, frames }) => {
      bursts.delete(number);
      const walk = frames.index("burst").openCursor(IDBKeyRange.only(number));
      walk.onsuccess = () => {
        walk.result?.delete();
        walk.result?.continue();
      };
    });
  }

  async clear() {
    await this.write((stores) => Object.values(stores).forEach((each) => each.clear()));
  }

  /**
   * What was kept, also of a burst that nobody ended.
   * @returns {Promise<Facts & {bursts: OwnBurst[]}>}
   */
  async load() {
    const database = await this.database();
    if (!database) return { labels: [], view: null, bursts: [] };
    try {
      const work = database.transaction(["facts", "bursts", "frames"], "readonly");
      const [facts, bursts, frames] = await Promise.all([
        answer(work.objectStore("facts").get(FACTS)),
        answer(work.objectStore("bursts").getAll()),
        answer(work.objectStore("frames").getAll()),
      ]);
      return { labels: [], view: null, ...facts, bursts: whole(bursts, frames) };
    } catch (error) {
      this.fail(error);
      return { labels: [], view: null, bursts: [] };
    }
  }
}

/**
 * Bursts with the features of their frames.
 * @param {OwnBurst[]} bursts
 * @param {FrameRecord[]} frames
 */
function whole(bursts, frames) {
  return bursts.flatMap((burst) => {
    const own = frames.filter((frame) => frame.burst === burst.number).map((frame) => frame.features);
    return own.length ? [{ ...burst, features: joined(own), count: own.length }] : [];
  });
}

/** @param {string} name @returns {Promise<IDBDatabase>} */
function opened(name) {
  return new Promise((done, failed) => {
    const request = indexedDB.open(name, VERSION);
    request.onupgradeneeded = () => {
      const database = request.result;
      database.createObjectStore("facts");
      database.createObjectStore("bursts", { keyPath: "number" });
      database.createObjectStore("frames", { autoIncrement: true }).createIndex("burst", "burst");
    };
    request.onsuccess = () => {
      request.result.onversionchange = () => request.result.close();
      done(request.result);
    };
    request.onerror = () => failed(request.error);
    request.onblocked = () => failed(new Error("another tab has it open"));
  });
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
function answer(request) {
  return new Promise((done, failed) => {
    request.onsuccess = () => done(request.result);
    request.onerror = () => failed(request.error);
  });
}
