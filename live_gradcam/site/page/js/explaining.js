// What the worker does: pictures in, scores and evidence out, one after the other.

import { somePixels } from "./engines.js";
import { PageError } from "./failures.js";
import { mapOf } from "./evidence.js";
import { blurRegion, whileHidden } from "./hiding.js";
import { Network } from "./network.js";
import { bitmapOf, pixelsOf, reduction } from "./pixels.js";
import { planPicture } from "./plan.js";
import { hasProbabilities, isNamed, predict, strengthOf } from "./predictions.js";
import { controlAreas, hottestArea } from "./removal.js";
import { resample } from "./resample.js";
import { explainedBy, pooled } from "./teaching/features.js";

/** @typedef {import("./types.js").EngineReport} EngineReport */
/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./types.js").Reading} Reading */
/** @typedef {import("./types.js").Site} Site */
/** @typedef {import("./types.js").Source} Source */
/** @typedef {import("./types.js").View} View */

export class Explaining {
  /**
   * @param {Site} site
   * @param {URL} base The page's folder.
   */
  constructor(site, base) {
    this.site = site;
    this.network = new Network(site, base);
    /** What the network's numbers mean: another head has other labels. */
    this.model = site.model;
    /** @type {{weight: Float32Array, bias: Float32Array} | null} What answers in place of the network's own head. */
    this.head = null;
    /** @type {{number: number, source: Source, view: View, explanation: Explanation} | null} */
    this.last = null;
  }

  /** @param {(loaded: number) => void} onProgress */
  async open(onProgress) {
    await this.network.open(onProgress);
    const { pixels, width, height } = this.sample();
    await this.run(pixels, width, height); // says whether the labels fit
    return /** @type {EngineReport} */ (this.network.report);
  }

  /** @returns {Promise<EngineReport>} */
  compareEngines() {
    return this.network.compareEngines(() => this.sample());
  }

  /** Pixels to measure engines with: those of the last picture, where there is one. */
  sample() {
    const { height, width } = this.site.preprocessing;
    if (!this.last) return { pixels: somePixels(height, width), height, width };
    const { pixels, plan } = this.prepared(this.last.source, this.last.view);
    return { pixels, height: plan.rows.kept, width: plan.columns.kept };
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
    return this.network.inTurn(() => this.run(pixels, width, height));
  }

  /**
   * Put another head on the explained layer, or the network's own again.
   * @param {{weight: Float32Array, bias: Float32Array} | null} head
   * @param {import("./types.js").Model} model What its numbers mean.
   */
  async useHead(head, model) {
    return this.network.inTurn(async () => {
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
    return this.network.inTurn(async () => {
      const { layer } = await this.network.run(pixels, height, width, "layer");
      return layer && pooled(layer);
    });
  }

  /**
   * @param {number} number Of the picture; `test` asks for it by that. Negative ones are forgotten.
   * @param {ImageBitmap} bitmap Not closed.
   * @param {View} view
   * @param {boolean} [keep] With what a head is taught on.
   * @returns {Promise<{explanation: Explanation, reduced: ImageBitmap | null}>} With the picture that
   *   was explained, where it was too large.
   */
  async explain(number, bitmap, view, keep = false) {
    return this.network.inTurn(async () => {
      const source = pixelsOf(bitmap);
      const { pixels, plan, milliseconds } = this.prepared(source, view);
      const explanation = await this.answer(source, pixels, plan, milliseconds, keep);
      if (number >= 0) this.last = { number, source, view, explanation };
      const isLarge = reduction(bitmap.width, bitmap.height) > 1;
      return { explanation, reduced: isLarge ? await bitmapOf(source) : null };
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
    /** @type {Float32Array[]} */
    const answers = [];
    for (const mask of masks) {
      // One at a time, so that no picture of a camera waits for all of them.
      const { scores } = await this.network.inTurn(() => {
        const look = () => this.prepared(source, view);
        const { pixels, plan } = whileHidden(source, explanation.region, blurred, mask, numbers.mask_side, look);
        return this.run(pixels, plan.columns.kept, plan.rows.kept);
      });
      answers.push(scores);
    }
    const strengths = answers.map((scores) => strengthOf(predict(scores, model, 0, [index])[0]));
    const named = answers.map((scores) => isNamed(scores, model, index));
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
   * The network's pixels of a picture.
   * @param {Source} source
   * @param {View} view
   */
  prepared(source, view) {
    const began = performance.now();
    const plan = planPicture(source.height, source.width, this.site.preprocessing, view);
    const pixels = resample(source, plan);
    return { plan, pixels, milliseconds: performance.now() - began };
  }

  /**
   * @param {Source} source
   * @param {Uint8Array} pixels Of the network's size.
   * @param {import("./plan.js").Plan} plan
   * @param {number} preprocess Milliseconds that they took.
   * @param {boolean} keep With what a head is taught on.
   * @returns {Promise<Explanation>}
   */
  async answer(source, pixels, plan, preprocess, keep) {
    const { model } = this;
    const began = performance.now();
    const { kept: width } = plan.columns;
    const { kept: height } = plan.rows;
    const { scores, evidence, layer } = await this.run(pixels, width, height, keep);
    const finite = scores.every(Number.isFinite) && evidence.data.every(Number.isFinite);
    const shown = finite ? scores : scores.map((value) => (Number.isFinite(value) ? value : 0));
    return {
      scores: shown,
      evidence: finite ? evidence : { ...evidence, data: new Float32Array(evidence.data.length) },
      predictions: predict(shown, model, this.site.settings.top_k),
      region: plan.region,
      finite,
      width: source.width,
      height: source.height,
      engine: this.network.engine,
      timings: { preprocess, network: performance.now() - began },
      kept: keep && layer && finite ? { layer, pooled: pooled(layer), pixels, width, height } : null,
    };
  }

  /** @param {Uint8Array} pixels @param {number} width @param {number} height @param {boolean} [keep] */
  async run(pixels, width, height, keep = false) {
    const { head } = this;
    const answer = await this.network.run(pixels, height, width, head ? "layer" : keep ? "both" : "explained");
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
}
