// What the worker does: pictures in, scores and evidence out, one after the other.

import { agree, hasWebGpu, measure, openSession, somePixels } from "./engines.js";
import { failureOf, PageError } from "./failures.js";
import { fetchGraph, keepGraph } from "./graph_file.js";
import { mapOf } from "./evidence.js";
import { blurRegion, hide } from "./hiding.js";
import { pixelsOf } from "./pixels.js";
import { planPicture } from "./plan.js";
import { hasProbabilities, isNamed, predict, strengthOf } from "./predictions.js";
import { controlAreas, hottestArea } from "./removal.js";
import { resample } from "./resample.js";
import { explainedBy, pooled } from "./teaching/features.js";

/** @typedef {import("./engines.js").Session} Session */
/** @typedef {import("./types.js").EngineReport} EngineReport */
/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./types.js").Reading} Reading */
/** @typedef {import("./types.js").Site} Site */
/** @typedef {import("./types.js").Source} Source */
/** @typedef {import("./types.js").View} View */

const GAIN = 1.2; // another engine is taken only where it is clearly faster

export class Explaining {
  /**
   * @param {Site} site
   * @param {URL} base The page's folder.
   */
  constructor(site, base) {
    this.site = site;
    this.base = base;
    /** What the network's numbers mean: another head has other labels. */
    this.model = site.model;
    /** @type {{weight: Float32Array, bias: Float32Array} | null} What answers in place of the network's own head. */
    this.head = null;
    /** @type {Uint8Array} */
    this.graph = new Uint8Array(0);
    /** @type {Session | null} */
    this.session = null;
    /** @type {EngineReport | null} */
    this.report = null;
    /** @type {{number: number, source: Source, view: View, explanation: Explanation} | null} */
    this.last = null;
    this.turn = Promise.resolve();
  }

  /** @param {(loaded: number) => void} onProgress */
  async open(onProgress) {
    const { graph, preprocessing } = this.site;
    const address = new URL(graph.file, this.base);
    const bytes = await fetchGraph(address, graph, onProgress);
    this.graph = bytes;
    this.session = await this.opened("wasm");
    const { height, width } = preprocessing;
    await this.run(somePixels(height, width), width, height); // says whether the labels fit
    const used = await measure(this.session, height, width);
    this.report = { used, measured: [used], notes: [] };
    void keepGraph(address, this.base, this.site.version, bytes);
    return this.report;
  }

  /**
   * Try the graphics card, and keep whichever engine is faster.
   * @returns {Promise<EngineReport>}
   */
  async compareEngines() {
    const report = /** @type {EngineReport} */ (this.report);
    if (report.measured.length > 1 || report.notes.length) return report;
    if (!(await hasWebGpu())) {
      report.notes.push({ key: "engine.webgpu_absent", values: {} });
      return report;
    }
    const { height, width } = this.site.preprocessing;
    /** @type {Session | null} */
    let unused = null;
    try {
      const other = (unused = await this.opened("webgpu"));
      await this.inTurn(() => other.run(somePixels(height, width), height, width));
      const found = await this.inTurn(() => measure(other, height, width));
      report.measured.push(found);
      await this.inTurn(async () => {
        const current = /** @type {Session} */ (this.session);
        if (found.milliseconds * GAIN > report.used.milliseconds) return;
        if (!(await agree(current, other, height, width))) throw new PageError("engine.webgpu_differs");
        report.used = found;
        this.session = other;
        unused = current;
      });
    } catch (error) {
      const { key, values } = failureOf(error);
      const known = key.startsWith("engine.");
      report.notes.push(known ? { key, values } : { key: "engine.webgpu_failed", values: { cause: values.cause ?? key } });
    }
    await unused?.close();
    this.graph = new Uint8Array(0); // no other engine will want it
    return report;
  }

  /** @param {"wasm" | "webgpu"} name */
  opened(name) {
    return openSession(name, new URL("runtime/", this.base), this.graph, this.site.graph.file);
  }

  /**
   * Explain the pixels of the network's own size.
   * @param {Uint8Array} pixels RGB.
   * @param {number} width
   * @param {number} height
   */
  async explainPixels(pixels, width, height) {
    const size = this.site.preprocessing;
    const fits = size.views.includes("full") || (size.width === width && size.height === height);
    if (!fits || pixels.length !== width * height * 3) {
      throw new PageError("failure.pixels", { width: size.width, height: size.height });
    }
    return this.inTurn(() => this.run(pixels, width, height));
  }

  /**
   * Put another head on the explained layer, or the network's own again.
   * @param {{weight: Float32Array, bias: Float32Array} | null} head
   * @param {import("./types.js").Model} model What its numbers mean.
   */
  async useHead(head, model) {
    return this.inTurn(async () => {
      this.head = head;
      this.model = model;
      this.last = null; // of the other head
    });
  }

  /**
   * The pooled features of the network's own pixels.
   * @param {Uint8Array} pixels RGB.
   * @param {number} width
   * @param {number} height
   */
  async features(pixels, width, height) {
    return this.inTurn(async () => {
      const { layer } = await /** @type {Session} */ (this.session).run(pixels, height, width, "layer");
      return layer && pooled(layer);
    });
  }

  /**
   * @param {number} number Of the picture; `test` asks for it by that. Negative ones are forgotten.
   * @param {ImageBitmap} bitmap Not closed.
   * @param {View} view
   * @param {boolean} keep With what a head is taught on.
   * @returns {Promise<Explanation>}
   */
  async explain(number, bitmap, view, keep = false) {
    return this.inTurn(async () => {
      const source = pixelsOf(bitmap);
      const explanation = await this.explainSource(source, view, keep);
      if (number >= 0) this.last = { number, source, view, explanation };
      return explanation;
    });
  }

  /**
   * Hide the hottest area of a class's map, and others like it elsewhere.
   * @param {number} number Of the picture that was explained last.
   * @param {number} index Of the class.
   * @param {Float32Array | null} shown The map to test, where it is not the class's own.
   * @returns {Promise<Reading | null>} Null where another picture has come.
   */
  async test(number, index, shown = null) {
    const last = this.last;
    if (!last || last.number !== number) return null;
    const { model } = this;
    const numbers = this.site.figures.removal;
    const { source, view, explanation } = last;
    const own = mapOf(explanation, index);
    const map = own && shown ? { ...own, values: shown } : own;
    if (!map || !map.values.some((value) => value > 0)) {
      return { removal: null, mask: null, side: numbers.mask_side };
    }
    const hot = hottestArea(map, numbers);
    const masks = [hot, ...controlAreas(hot, numbers)];
    const blurred = blurRegion(source, explanation.region, numbers);
    /** @type {Explanation[]} */
    const answers = [];
    for (const mask of masks) {
      // One at a time, so that no picture of a camera waits for all of them.
      const copy = hide(source, explanation.region, blurred, mask, numbers.mask_side);
      answers.push(await this.inTurn(() => this.explainSource(copy, view)));
    }
    const strengths = answers.map((each) => strengthOf(predict(each.scores, model, 0, [index])[0]));
    const named = answers.map((each) => isNamed(each.scores, model, index));
    const bias = model.bias;
    const sum = map.values.reduce((a, b) => a + b, 0);
    return {
      mask: hot,
      side: numbers.mask_side,
      removal: {
        classIndex: index,
        label: model.labels[index],
        before: strengthOf(predict(explanation.scores, model, 0, [index])[0]),
        withoutHot: strengths[0],
        withoutControls: strengths.slice(1),
        share: numbers.share,
        ofProbability: hasProbabilities(model),
        named: isNamed(explanation.scores, model, index),
        namedWithoutHot: named[0],
        namedWithoutControls: named.slice(1).filter(Boolean).length,
        exclusive: model.output !== "sigmoid",
        completenessResidual: bias && !shown ? Math.abs(sum + bias[index] - explanation.scores[index]) : null,
      },
    };
  }

  /**
   * @param {Source} source
   * @param {View} view
   * @param {boolean} [keep]
   * @returns {Promise<Explanation>}
   */
  async explainSource(source, view, keep = false) {
    const { model } = this;
    const { preprocessing, settings } = this.site;
    const began = performance.now();
    const plan = planPicture(source.height, source.width, preprocessing, view);
    const pixels = resample(source, plan);
    const prepared = performance.now();
    const { kept: width } = plan.columns;
    const { kept: height } = plan.rows;
    const { scores, evidence, layer } = await this.run(pixels, width, height, keep);
    const finite = scores.every(Number.isFinite) && evidence.data.every(Number.isFinite);
    const shown = finite ? scores : scores.map((value) => (Number.isFinite(value) ? value : 0));
    return {
      scores: shown,
      evidence: finite ? evidence : { ...evidence, data: new Float32Array(evidence.data.length) },
      predictions: predict(shown, model, settings.top_k),
      region: plan.region,
      finite,
      width: source.width,
      height: source.height,
      timings: { preprocess: prepared - began, network: performance.now() - prepared },
      kept: keep && layer && finite ? { layer, pooled: pooled(layer), pixels, width, height } : null,
    };
  }

  /** @param {Uint8Array} pixels @param {number} width @param {number} height @param {boolean} [keep] */
  async run(pixels, width, height, keep = false) {
    const session = /** @type {Session} */ (this.session);
    const { head } = this;
    const answer = await session.run(pixels, height, width, head ? "layer" : keep ? "both" : "explained");
    if (head && answer.layer) return { ...explainedBy(answer.layer, head), layer: answer.layer };
    const { labels, classes } = this.model;
    if (answer.scores.length !== labels.length) {
      throw new PageError("failure.labels", { labels: labels.length, scores: answer.scores.length });
    }
    const mapped = classes === "top" ? (answer.classes ?? []) : classes;
    if (answer.maps !== mapped.length) {
      throw new PageError("failure.classes", { classes: mapped.length, maps: answer.maps });
    }
    const { rows, columns } = answer;
    return { scores: answer.scores, evidence: { data: answer.evidence, classes: mapped, rows, columns }, layer: answer.layer };
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
