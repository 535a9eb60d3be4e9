// Keeps the folder's files, so that the page opens without a network after the first visit.
// One version, one cache: what belongs to another export is thrown away.

const VERSION = "{{version}}";
const CACHE = `live-gradcam ${self.registration.scope} ${VERSION}`;
const KIND = `live-gradcam ${self.registration.scope} `;
const BASE = new URL("./", self.location.href);
// The engine for graphics cards is large, and kept only where it is used.
const KEPT_WHEN_USED = /(^|\/)runtime\/.*jspi|\.txt$/;

async function install() {
  const description = await fetch(new URL("site.json", BASE), { cache: "no-cache" });
  const { version, files } = await description.clone().json();
  if (version !== VERSION) throw new Error("the folder has another version than its service worker");
  const cache = await caches.open(CACHE);
  await cache.put(new URL("site.json", BASE), description);
  const names = Object.keys(files).filter((name) => name !== "service-worker.js" && !KEPT_WHEN_USED.test(name));
  for (const name of names) {
    if (await cache.match(new URL(name, BASE))) continue; // the page has put it there
    // From the browser's own cache where the page has just loaded it.
    const answer = await fetch(new URL(name, BASE));
    if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
    await cache.put(new URL(name, BASE), answer);
  }
  await self.skipWaiting();
}

async function activate() {
  for (const name of await caches.keys()) {
    if (name.startsWith(KIND) && name !== CACHE) await caches.delete(name);
  }
  await self.clients.claim();
}

/** With these headers browsers give threads even where a static host cannot send them. */
function isolated(answer) {
  const headers = new Headers(answer.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  headers.set("Cross-Origin-Resource-Policy", "same-origin");
  return new Response(answer.body, { status: answer.status, statusText: answer.statusText, headers });
}

async function respond(request) {
  const cache = await caches.open(CACHE);
  const address = new URL(request.url);
  const place = address.pathname.endsWith("/") ? new URL("index.html", address) : address;
  place.search = "";
  const kept = await cache.match(place);
  if (kept) return isolated(kept);
  const answer = await fetch(request);
  if (answer.ok && KEPT_WHEN_USED.test(address.pathname)) await cache.put(place, answer.clone());
  return isolated(answer);
}

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || !request.url.startsWith(BASE.href) || request.headers.has("range")) return;
  event.respondWith(respond(request));
});
