// @ts-check
// Keeps the folder's files, so that the page opens without a network after the first visit.
// One version, one cache: what belongs to another export is thrown away, and nothing is kept that
// is not, byte for byte, what the folder's description says.

/** @typedef {{bytes: number, sha256: string}} FileFacts */

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));
const VERSION = "{{version}}";
const POLICY = "{{policy}}";
const BASE = new URL("./", worker.location.href);
// Pages of other folders may be kept beside this one.
const KIND = `live-gradcam ${BASE.href} `;
const CACHE = KIND + VERSION;
const DESCRIPTION = new URL("site.json", BASE).href;
const PATIENCE_MS = 3000; // a network that says nothing for so long counts as none
// The engine for graphics cards is large, and kept only where it is used.
const KEPT_WHEN_USED = /^runtime\/(.*jspi|.*\.txt$)/;
// What browsers need to give a page threads, and what binds its workers to the page's own policy:
// static hosts send neither. Where a host says something itself, that counts.
const HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Content-Security-Policy": POLICY,
};

async function install() {
  const answer = await fetch(DESCRIPTION, { cache: "no-cache" });
  if (!answer.ok) throw new Error(`site.json: ${answer.status}`);
  /** @type {{version: string, files: Record<string, FileFacts>}} */
  const { version, files } = await answer.clone().json();
  if (version !== VERSION) throw new Error("the folder has another version than its service worker");
  const cache = await caches.open(CACHE);
  for (const [name, facts] of Object.entries(files)) {
    const address = new URL(name, BASE).href;
    const unneeded = name === "service-worker.js" || KEPT_WHEN_USED.test(name);
    // What is there already was compared: by the page, or by an attempt before this one.
    if (unneeded || (await cache.match(address))) continue;
    // Asks the host whether what the browser has is still right: it may be of another export.
    await keep(cache, address, await fetch(address, { cache: "no-cache" }), facts);
  }
  await cache.put(DESCRIPTION, answer);
  await worker.skipWaiting();
}

/**
 * Keep a file that is the one that was exported.
 * @param {Cache} cache
 * @param {string} address
 * @param {Response} answer
 * @param {FileFacts} facts
 */
async function keep(cache, address, answer, facts) {
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  const bytes = await answer.arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const found = Array.from(digest, (each) => each.toString(16).padStart(2, "0")).join("");
  if (found !== facts.sha256) throw new Error(`${address} is not the file that was exported`);
  await cache.put(address, new Response(bytes, { headers: answer.headers }));
}

async function activate() {
  for (const name of await caches.keys()) {
    if (name.startsWith(KIND) && name !== CACHE) await caches.delete(name);
  }
  await worker.clients.claim();
}

/** @param {Response} answer */
function isolated(answer) {
  if (!answer.status || answer.type === "opaqueredirect") return answer; // nothing can be added
  const headers = new Headers(answer.headers);
  for (const [name, value] of Object.entries(HEADERS)) {
    if (!headers.has(name)) headers.set(name, value);
  }
  const bodiless = [204, 205, 304].includes(answer.status);
  const { status, statusText } = answer;
  return new Response(bodiless ? null : answer.body, { status, statusText, headers });
}

/**
 * What the host has comes first: its words may have been translated. But a description of another
 * export does not fit the files that are kept; a new service worker brings all of them at once.
 * @param {FetchEvent} event
 * @param {Cache} cache
 * @returns {Promise<Response>}
 */
async function describe(event, cache) {
  const kept = await cache.match(DESCRIPTION);
  if (!kept) return fetch(event.request);
  try {
    const answer = await fetch(DESCRIPTION, { cache: "no-cache", signal: AbortSignal.timeout(PATIENCE_MS) });
    const text = await answer.text();
    // A network that wants a password first answers with a page of its own.
    if (!answer.ok || !text.trimStart().startsWith("{")) return kept;
    const fresh = new Response(text, { headers: answer.headers });
    if (versionOf(text) === VERSION) {
      event.waitUntil(cache.put(DESCRIPTION, fresh.clone()).catch(() => {}));
    } else if (versionOf(text)) {
      event.waitUntil(worker.registration.update().catch(() => {}));
      return kept;
    }
    return fresh; // where it is damaged, the page says so
  } catch {
    return kept;
  }
}

/** @param {string} text */
function versionOf(text) {
  try {
    return JSON.parse(text).version;
  } catch {
    return null;
  }
}

/** @param {FetchEvent} event */
async function respond(event) {
  const { request } = event;
  const cache = await caches.open(CACHE);
  const address = new URL(request.url);
  address.search = address.hash = "";
  if (address.href === DESCRIPTION) return isolated(await describe(event, cache));
  if (address.pathname.endsWith("/")) address.pathname += "index.html";
  const kept = request.cache === "reload" ? undefined : await cache.match(address.href);
  if (kept) return isolated(kept);
  const answer = await fetch(request);
  if (answer.ok && KEPT_WHEN_USED.test(address.href.slice(BASE.href.length))) {
    event.waitUntil(keepWhenUsed(cache, address.href, answer.clone()));
  }
  return isolated(answer);
}

/**
 * @param {Cache} cache
 * @param {string} address
 * @param {Response} answer
 */
async function keepWhenUsed(cache, address, answer) {
  try {
    const { files } = await (await cache.match(DESCRIPTION))?.json();
    const facts = files[address.slice(BASE.href.length)];
    if (facts) await keep(cache, address, answer, facts);
  } catch {
    // There is no room, or it is of another export: the page has its answer.
  }
}

worker.addEventListener("install", (event) => event.waitUntil(install()));
worker.addEventListener("activate", (event) => event.waitUntil(activate()));
worker.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || !request.url.startsWith(BASE.href) || request.headers.has("range")) return;
  event.respondWith(respond(event));
});
