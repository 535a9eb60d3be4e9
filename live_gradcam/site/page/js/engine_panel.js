// How the page runs, for whoever asks: the engine, why it was chosen, and the measured rate.

import { find, write } from "./document.js";
import { failureOf } from "./failures.js";
import { sentence, text } from "./texts.js";

/** @typedef {import("./client.js").Client} Client */
/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./types.js").Engine} Engine */
/** @typedef {import("./types.js").EngineReport} EngineReport */

export class EnginePanel {
  /** @param {Session} session @param {Client} client */
  constructor(session, client) {
    this.session = session;
    this.client = client;
    this.details = find("engine", HTMLDetailsElement);
    this.lines = find("engine-lines", HTMLElement);
    this.rate = find("rate", HTMLElement);
    this.compared = false;
    /** @type {EngineReport | null} */
    this.report = null;
    this.details.addEventListener("toggle", () => this.details.open && this.compare());
    session.addEventListener("shown", () => this.showRate());
    session.addEventListener("model", () => this.report && this.show(this.report));
  }

  /** @param {EngineReport} report */
  show(report) {
    this.report = report;
    const { used, measured, notes } = report;
    const { site, model } = this.session;
    const lines = (measured.length ? measured : [used]).map((engine) => {
      const { milliseconds } = engine;
      if (milliseconds === null) return text("engine.runs", { engine: nameOf(engine) });
      const key = engine.name === used.name ? "engine.used" : "engine.slower";
      return text(key, { engine: nameOf(engine), milliseconds: Math.round(milliseconds) });
    });
    if (used.name === "wasm" && used.threads === 1) lines.push(text("engine.no_threads"));
    lines.push(...notes.map(sentence));
    const { name, layer, precision, method_title: method } = model;
    lines.push(text("engine.model", { name, layer, precision, method, version: site.runtime.version }), ...model.notes);
    this.lines.replaceChildren(
      ...lines.map((line) => {
        const item = document.createElement("li");
        item.textContent = line;
        return item;
      }),
    );
    this.details.dataset.engine = used.name;
  }

  /** Measure the other engine once; whichever is faster runs from then on. */
  async compare() {
    if (this.compared) return;
    this.compared = true;
    try {
      await this.session.ready;
      await this.ask();
      this.details.dataset.compared = "true";
    } catch (error) {
      write(this.rate, sentence(failureOf(error)));
    }
  }

  async ask() {
    this.show(await this.client.compareEngines());
  }

  showRate() {
    const { shown, rate } = this.session;
    if (!shown) return;
    const { engine, timings } = shown.explanation;
    // The graphics card was lost meanwhile.
    if (this.report && this.details.dataset.compared && engine !== this.report.used.name) this.ask().catch(() => {});
    const { preprocess, network } = timings;
    const milliseconds = Math.round(preprocess + network);
    const key = shown.live && rate ? "engine.rate" : "engine.once";
    write(this.rate, text(key, { rate: rate.toFixed(1), milliseconds }));
  }
}

/** @param {Engine} engine */
function nameOf({ name, threads }) {
  if (name === "webgpu") return text("engine.webgpu");
  return threads > 1 ? text("engine.wasm_threads", { threads }) : text("engine.wasm");
}
