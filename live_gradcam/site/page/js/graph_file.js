// The graph's file: fetched once, and checked before it is run.

import { PageError } from "./failures.js";

/** @typedef {import("./types.js").Site} Site */

/**
 * @param {URL} address
 * @param {Site["graph"]} expected
 * @param {(loaded: number) => void} onProgress Is told how many bytes have come.
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function fetchGraph(address, expected, onProgress) {
  const found = await received(address, "default", expected, onProgress);
  if (found) return found;
  // The browser may have kept the file of an earlier export, and the host have the right one.
  const again = await received(address, "reload", expected, onProgress);
  if (again) return again;
  throw new PageError("failure.graph_changed", { file: expected.file });
}

/**
 * @param {URL} address
 * @param {RequestCache} cache
 * @param {Site["graph"]} expected
 * @param {(loaded: number) => void} onProgress
 * @returns {Promise<Uint8Array<ArrayBuffer> | null>} Null where it is another file.
 */
async function received(address, cache, expected, onProgress) {
  const file = expected.file;
  /** @type {Response} */
  let answer;
  try {
    answer = await fetch(address, { cache });
  } catch {
    throw new PageError("failure.graph_unreachable", { file });
  }
  if (!answer.ok || !answer.body) throw new PageError("failure.graph_missing", { file, status: answer.status });
  const bytes = new Uint8Array(expected.bytes);
  let loaded = 0;
  const reader = answer.body.getReader();
  for (;;) {
    const part = await reader.read().catch(() => {
      throw new PageError("failure.graph_unreachable", { file });
    });
    if (part.done) break;
    if (loaded + part.value.length > bytes.length) {
      await reader.cancel();
      return null;
    }
    bytes.set(part.value, loaded);
    loaded += part.value.length;
    onProgress(loaded);
  }
  return loaded === bytes.length && (await isWhole(bytes, expected.sha256)) ? bytes : null;
}

/**
 * Put the graph where the service worker looks, so that it is not loaded a second time.
 * @param {URL} address
 * @param {URL} base The page's folder.
 * @param {string} version Of the folder.
 * @param {Uint8Array<ArrayBuffer>} bytes
 */
export async function keepGraph(address, base, version, bytes) {
  const asked = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByName(address.href, "resource"));
  if (asked.some((each) => each.workerStart > 0)) return; // the service worker brought it
  try {
    const cache = await caches.open(`live-gradcam ${base.href} ${version}`);
    if (await cache.match(address)) return;
    const headers = { "content-type": "application/octet-stream", "content-length": String(bytes.length) };
    await cache.put(address, new Response(bytes, { headers }));
  } catch {
    // Pages that are not from https or this machine keep nothing, and some have no room.
  }
}

/**
 * Browsers compute checksums only on pages from https or this machine; elsewhere the length counts.
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {string} sha256
 */
async function isWhole(bytes, sha256) {
  if (!globalThis.crypto?.subtle) return true;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (each) => each.toString(16).padStart(2, "0")).join("") === sha256.toLowerCase();
}
