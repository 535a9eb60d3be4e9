// The graph, and the engine that runs it: the faster one of those that this browser has.

import { compareTimes, measure } from "./comparing.js";
import { openSession, runningError, webGpuLacks } from "./engines.js";
import { failureOf } from "./failures.js";
import { fetchGraph, keepGraph } from "./graph_file.js";
import { fill } from "./wording.js";

/** @typedef {import("./comparing.js").Sample} Sample */
/** @typedef {import("./engines.js").Session} Session */
/** @typedef {import("./types.js").EngineReport} EngineReport */
/** @typedef {import("./types.js").Site} Site */

const GAIN = 1.2; // another engine is taken only where it is clearly faster

export class Network {
  /**
   * @param {Site} site
   * @param {URL} base The page's folder.
   */
  constructor(site, base) {
    this.site = site;
    this.base = base;
    /** @type {Uint8Array} */
    this.graph = new Uint8Array(0);
    /** @type {Session | null} */
    this.session = null;
    /** @type {EngineReport | null} */
    this.report = null;
    this.turn = Promise.resolve();
  }

  /** @param {(loaded: number) => void} onProgress Is told how many bytes of the graph have come. */
  async open(onProgress) {
    const bytes = (this.graph = await this.fetched(onProgress));
    const { name, threads } = (this.session = await this.opened("wasm"));
    this.report = { used: { name, threads, milliseconds: null }, measured: [], notes: [] };
    void keepGraph(this.address, this.base, this.site.version, bytes);
  }

  /** Name of the engine that runs. */
  get engine() {
    return /** @type {Session} */ (this.session).name;
  }

  get address() {
    return new URL(this.site.graph.file, this.base);
  }

  /** @param {(loaded: number) => void} onProgress */
  fetched(onProgress) {
    return fetchGraph(this.address, this.site.graph, onProgress);
  }

  /**
   * Try the graphics card, and keep whichever engine is faster.
   * @param {() => Sample} sample What they are measured with.
   * @returns {Promise<EngineReport>}
   */
  async compareEngines(sample) {
    const report = /** @type {EngineReport} */ (this.report);
    if (report.measured.length) return report;
    const lacks = await webGpuLacks();
    if (lacks) report.notes.push({ key: lacks, values: {} });
    else await this.tryWebGpu(report, sample);
    this.graph = new Uint8Array(0); // no other engine will want it
    if (!report.measured.length) {
      const session = /** @type {Session} */ (this.session);
      report.used.milliseconds = await measure(session, sample(), (work) => this.inTurn(work));
      report.measured = [report.used];
    }
    return report;
  }

  /**
   * @param {EngineReport} report Is told what was found.
   * @param {() => Sample} sample
   */
  async tryWebGpu(report, sample) {
    /** @type {Session | null} */
    let unused = null;
    try {
      const used = /** @type {Session} */ (this.session);
      const other = (unused = await this.opened("webgpu"));
      const times = await compareTimes(used, other, sample(), (work) => this.inTurn(work));
      const ours = { ...report.used, milliseconds: times.used };
      const theirs = { name: other.name, threads: other.threads, milliseconds: times.other };
      report.measured = [ours, theirs];
      report.used = ours;
      if (times.other * GAIN > times.used) return;
      await this.inTurn(async () => {
        report.used = theirs;
        this.session = other;
        unused = used;
      });
    } catch (error) {
      const { key, values } = failureOf(error);
      const cause = values.cause ?? fill(this.site.texts[key] ?? key, values).replace(/\.$/, "");
      report.notes.push(key.startsWith("engine.") ? { key, values } : { key: "engine.webgpu_failed", values: { cause } });
    } finally {
      // It is not used any more: what goes wrong with it concerns nobody.
      await /** @type {Session | null} */ (unused)?.close().catch(() => {});
    }
  }

  /** @param {"wasm" | "webgpu"} name */
  opened(name) {
    return openSession(name, new URL("runtime/", this.base), this.graph, this.site.graph.file);
  }

  /** The graphics card is gone, as it may be after a pause: WebAssembly goes on. */
  async withoutWebGpu() {
    const lost = this.session;
    this.graph = await this.fetched(() => {});
    this.session = await this.opened("wasm");
    this.graph = new Uint8Array(0);
    const report = /** @type {EngineReport} */ (this.report);
    report.used = report.measured[0];
    report.notes.push({ key: "engine.webgpu_lost", values: {} });
    void lost?.close().catch(() => {});
  }

  /**
   * @param {Uint8Array} pixels RGB.
   * @param {number} height
   * @param {number} width
   * @param {import("./engines.js").Wanted} [wanted]
   * @returns {Promise<import("./engines.js").Answer>}
   */
  async run(pixels, height, width, wanted) {
    for (;;) {
      const session = /** @type {Session} */ (this.session);
      try {
        return await session.run(pixels, height, width, wanted);
      } catch (error) {
        if (session.name === "wasm") throw runningError(error, this.site.graph.file);
      }
      await this.withoutWebGpu();
    }
  }

  /**
   * Wait for what was asked for before: an engine runs one picture at a time.
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  inTurn(work) {
    const done = this.turn.then(work);
    this.turn = done.then(
      () => undefined,
      () => undefined,
    );
    return done;
  }
}
