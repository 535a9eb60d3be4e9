// The page: what there is, and how it fits together.

import { CameraSource } from "./camera.js";
import { Client } from "./client.js";
import { Controls } from "./controls.js";
import { find, write } from "./document.js";
import { EnginePanel } from "./engine_panel.js";
import { failureOf, PageError } from "./failures.js";
import { listenToKeys } from "./keyboard.js";
import { Panel } from "./panel.js";
import { PictureSource } from "./picture.js";
import { Session } from "./session.js";
import { loadSite } from "./site.js";
import { saveSnapshot } from "./snapshot.js";
import { Stage } from "./stage.js";
import { State } from "./state.js";
import { useTabs } from "./tabs.js";
import { sentence, text, useTexts, writeTexts } from "./texts.js";
import { VideoSource } from "./video.js";

/** @typedef {import("./types.js").Site} Site */

const BASE = new URL("../", import.meta.url);
const MEGABYTE = 1e6;
const RENEWED = `live-gradcam ${BASE.href} renewed`;
const RENEWAL_MS = 60_000;

/** @param {string} words */
function say(words) {
  const line = find("message", HTMLElement);
  line.hidden = !words;
  line.dataset.kind = "note";
  line.dataset.from = "";
  write(line, words);
}

/**
 * @param {unknown} error
 * @param {"" | "session"} [from] What the session says is true until a picture is explained; whatever
 *   else went wrong is said until the visitor does something else.
 */
function fail(error, from = "") {
  say(sentence(failureOf(error)));
  const line = find("message", HTMLElement);
  line.dataset.kind = "failure";
  line.dataset.from = from;
}

/** @param {Site} site @param {number} loaded */
function showProgress(site, loaded) {
  const bar = find("progress", HTMLProgressElement);
  bar.max = site.graph.bytes;
  bar.value = loaded;
  const [done, total] = [loaded, site.graph.bytes].map((bytes) => (bytes / MEGABYTE).toFixed(1));
  write(find("loading", HTMLElement), text(loaded < site.graph.bytes ? "loading.network" : "loading.engine", { done, total }));
}

/** @param {Site} site */
function build(site) {
  const client = new Client((loaded) => showProgress(site, loaded));
  const ready = client.open(site, BASE);
  const state = new State(site);
  const session = new Session(site, client, state, ready);
  session.addEventListener("model", () => writeModel(session.model));
  const stage = new Stage(session);
  const engine = new EnginePanel(session, client);
  new Panel(session);
  new Controls(session);
  session.addEventListener("failure", (event) => {
    const { key, values } = /** @type {CustomEvent<import("./types.js").Failure>} */ (event).detail;
    fail(new PageError(key, values), "session");
  });
  session.addEventListener("explained", () => {
    if (find("message", HTMLElement).dataset.from === "session") say("");
    document.body.dataset.state = "explained";
  });
  session.addEventListener("shown", () => {
    find("answer", HTMLElement).setAttribute("aria-live", session.shown?.live ? "off" : "polite");
  });

  const offer = session.offer.bind(session);
  let tab = "picture";
  const openTab = useTabs(find("tabs", HTMLElement), (name) => {
    tab = name;
    if (name !== "camera") camera.stop();
    if (name !== "picture") picture.cancel();
    session.settle();
    say("");
    video.setActive(name === "video");
  });
  /** @type {import("./picture.js").Taker} */
  const taker = {
    offer,
    fail,
    say,
    settle: session.settle.bind(session),
    isFree: () => session.free,
    onFree: (/** @type {() => void} */ told) => session.addEventListener("free", told),
    openVideo: (file) => {
      openTab("video");
      video.open(file);
    },
  };
  const pictureTaker = {
    ...taker,
    offer: (/** @type {import("./session.js").Incoming} */ incoming) => {
      openTab("picture");
      offer(incoming);
    },
  };
  const onLive = () => void engine.compare();
  const camera = new CameraSource(state, taker, onLive);
  const video = new VideoSource(taker, onLive);
  const picture = new PictureSource(site, BASE, pictureTaker);

  const snapshot = () => {
    const canvases = /** @type {HTMLCanvasElement[]} */ ([...stage.list.querySelectorAll("canvas")]);
    if (canvases.length) saveSnapshot(session, canvases).catch(fail);
  };
  find("snapshot", HTMLButtonElement).addEventListener("click", snapshot);
  find("help-open", HTMLButtonElement).addEventListener("click", () => find("help", HTMLDialogElement).showModal());
  const freeze = () => {
    if (tab === "camera") camera.freeze();
    if (tab === "video") video.toggle();
  };
  listenToKeys(session, { snapshot, freeze });
  return { site, client, session, engine, picture, ready };
}

/** @param {import("./types.js").Model} model */
function writeModel({ name, labels }) {
  write(find("model", HTMLElement), text("page.model", { name, classes: labels.length }));
}

async function start() {
  document.body.dataset.state = "loading";
  if (navigator.serviceWorker?.controller) navigator.serviceWorker.addEventListener("controllerchange", showRenewed);
  const site = await loadSite(BASE);
  useTexts(site.texts);
  writeTexts(document);
  document.title = site.title;
  write(find("title", HTMLElement), site.title);
  writeModel(site.model);
  showProgress(site, 0);
  const page = build(site);
  const { client, session, engine, ready } = page;
  const programs = {
    ready,
    session,
    /** @param {Uint8Array} pixels @param {number} width @param {number} height */
    explainPixels: async (pixels, width, height) => {
      await ready;
      return client.explainPixels(pixels, width, height);
    },
    /** @param {ImageBitmap} bitmap */
    explainImage: async (bitmap) => {
      await ready;
      const copy = await createImageBitmap(bitmap);
      const { explanation, failure } = await client.explain(-1, copy, session.state.choices.view);
      if (failure) throw new PageError(failure.key, failure.values);
      return explanation;
    },
  };
  Reflect.set(window, "liveGradcam", programs);
  engine.show(await ready);
  document.body.dataset.state = session.shown ? "explained" : "ready";
  const [first] = site.examples;
  if (first && !session.shown && !page.picture.opened) await page.picture.openExample(first);
  await installOffline();
}

/** The page keeps its files, so that the next visit needs no network. */
async function installOffline() {
  if (!("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register(new URL("service-worker.js", BASE));
  } catch {
    // Pages that are not from https or this machine go without.
  }
}

/** The folder was exported anew: whoever has done nothing yet sees the new page at once. */
function showRenewed() {
  if (navigator.userActivation?.hasBeenActive || !isFirstFor(RENEWAL_MS)) say(text("page.renewed"));
  else location.reload();
}

/**
 * True once in a while in each tab: two hosts that take turns would never let the page begin.
 * @param {number} milliseconds
 */
function isFirstFor(milliseconds) {
  try {
    const last = Number(sessionStorage.getItem(RENEWED));
    sessionStorage.setItem(RENEWED, String(Date.now()));
    return Date.now() - last > milliseconds;
  } catch {
    return false; // some browsers keep nothing
  }
}

start().catch((error) => {
  fail(error);
  document.body.dataset.state = "failed";
});
