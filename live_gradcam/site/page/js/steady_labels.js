import { strengthOf } from "./predictions.js";

/** @typedef {import("./types.js").Model} Model */
/** @typedef {import("./types.js").Prediction} Prediction */

/**
 * The labels of moving pictures in an order that does not flicker: a class takes another's place
 * at once when it clearly leads, and after some pictures when it leads by little, but all the time.
 * The rules of live_gradcam.session.smoothing.
 */
export class SteadyLabels {
  /**
   * @param {{margin: number, patience: number, rate: number, smallest_lead: number}} figures
   * @param {Model} model
   */
  constructor(figures, model) {
    this.figures = figures;
    this.model = model;
    this.reset();
  }

  /** Forget everything: the pictures are others. */
  reset() {
    /** @type {Map<number, number>} */
    this.smoothed = new Map();
    /** @type {number[]} */
    this.order = [];
    /** @type {Map<string, number>} */
    this.leads = new Map();
    this.held = false;
  }

  /**
   * Take the next picture's predictions and return them in their steady order.
   * @param {Prediction[]} predictions
   * @param {boolean} held Somebody has chosen a class: no row changes its place.
   * @returns {Prediction[]}
   */
  update(predictions, held) {
    const now = new Map(predictions.map((each) => [each.index, this.lead(each)]));
    const rate = this.smoothed.size ? this.figures.rate : 1;
    for (const index of new Set([...this.smoothed.keys(), ...now.keys()])) {
      const before = this.smoothed.get(index) ?? 0;
      this.smoothed.set(index, before + rate * ((now.get(index) ?? 0) - before));
    }
    const order = this.order.filter((index) => now.has(index));
    for (const { index } of predictions) if (!order.includes(index)) order.push(index);
    if (held) this.leads.clear();
    else if (this.held) order.sort((a, b) => this.value(b) - this.value(a));
    else this.settle(order);
    this.order = order;
    this.held = held;
    // What has not been seen for long is forgotten.
    for (const [index, value] of this.smoothed) {
      if (!now.has(index) && value <= 0.01) this.smoothed.delete(index);
    }
    return order.map((index) => /** @type {Prediction} */ (predictions.find((each) => each.index === index)));
  }

  /**
   * Of a binary output the threshold decides which side leads.
   * @param {Prediction} prediction
   */
  lead(prediction) {
    if (this.model.output !== "binary") return strengthOf(prediction);
    const shift = 0.5 - this.model.threshold;
    return strengthOf(prediction) + (prediction.index ? shift : -shift);
  }

  /** @param {number} index */
  value(index) {
    return this.smoothed.get(index) ?? 0;
  }

  /**
   * Let classes rise past the one above them where they have earned it.
   * @param {number[]} order
   */
  settle(order) {
    const { margin, patience, smallest_lead: smallest } = this.figures;
    /** @type {Map<string, number>} */
    const leads = new Map();
    for (let round = 0; round < order.length; round++) {
      for (let rank = 0; rank < order.length - 1; rank++) {
        const [above, below] = [order[rank], order[rank + 1]];
        const lead = this.value(below) - this.value(above);
        if (lead <= 0) continue;
        const pair = `${below} ${above}`;
        const lasted = (this.leads.get(pair) ?? 0) + 1;
        leads.set(pair, lasted);
        const clear = lead >= Math.max(margin * Math.abs(this.value(below)), smallest);
        if (clear || lasted > patience) [order[rank], order[rank + 1]] = [below, above];
      }
    }
    this.leads = leads;
  }
}
