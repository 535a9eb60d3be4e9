// The head: multinomial logistic regression with L2 on standardised features, every class counting
// alike. The objective, the standardising and the folding of live_gradcam.teaching.fit.

import { minimise } from "./lbfgs.js";
import { Root } from "./root.js";

/**
 * A linear layer on pooled features.
 * @typedef {object} Head
 * @property {Float32Array} weight `classes` rows of `channels`.
 * @property {Float32Array} bias
 * @property {number} strength C of the regression.
 * @property {Float64Array} start Weights and biases before the folding, to begin the next fit with.
 * @property {number} temperature What the regression's scores are divided by, see `calibrated`.
 */

const MOST_STEPS = 1000;
/** Largest derivative that is taken for none. */
export const EXACT = 1e-6;
/** The same for a head that is soon followed by the next one. */
export const ROUGH = 1e-4;
const LEAST_SPREAD = 1e-6; // below it a feature hardly ever changed, and is left out
const TINY = 1.1754943508222875e-38;
const CUT = 1e-6; // of the longest example: what is left of one that is like those before
const ROTATED = 0.75; // of the channels: more examples than that are not worth rotating

/**
 * The head whose scores are the regression's divided by a temperature: weights and biases are
 * divided, so that it stays one linear layer.
 * @param {Head} head
 * @param {number} temperature
 * @returns {Head}
 */
export function calibrated(head, temperature) {
  const factor = head.temperature / temperature;
  const scaled = (/** @type {Float32Array} */ values) => values.map((value) => value * factor);
  return { ...head, weight: scaled(head.weight), bias: scaled(head.bias), temperature };
}

export class Problem {
  /**
   * Standardise examples.
   * @param {Float32Array} features n rows of `channels`.
   * @param {number} channels
   * @param {ArrayLike<number>} classes Index of each example's class.
   * @param {number} classCount At least 2.
   */
  constructor(features, channels, classes, classCount) {
    this.count = classes.length;
    this.channels = channels;
    this.classes = classes;
    this.classCount = classCount;
    const { count } = this;
    this.mean = new Float64Array(channels);
    this.scale = new Float64Array(channels);
    for (let row = 0; row < count; row++) {
      for (let at = 0; at < channels; at++) this.mean[at] += features[row * channels + at] / count;
    }
    for (let row = 0; row < count; row++) {
      for (let at = 0; at < channels; at++) {
        this.scale[at] += (features[row * channels + at] - this.mean[at]) ** 2 / count;
      }
    }
    const spread = Math.sqrt(this.scale.reduce((a, b) => a + b, 0) / channels);
    const least = LEAST_SPREAD * Math.max(spread, TINY);
    for (let at = 0; at < channels; at++) {
      const own = Math.sqrt(this.scale[at]);
      this.scale[at] = own > least ? own : Infinity;
    }
    const standard = new Float64Array(count * channels);
    for (let place = 0; place < standard.length; place++) {
      const at = place % channels;
      standard[place] = (features[place] - this.mean[at]) / this.scale[at];
    }
    const sizes = new Float64Array(classCount);
    for (let row = 0; row < count; row++) sizes[classes[row]] += 1;
    const present = sizes.filter(Boolean).length;
    /** Weight of each example, adding up to 1. */
    this.share = Float64Array.from(classes, (index) => 1 / (sizes[index] * present));
    // The penalty is the same in every direction: in a basis of what the examples span, the minimum
    // is the same, and smaller.
    this.basis = basisOf(standard, count, channels, Math.floor(ROTATED * channels));
    this.rank = this.basis ? this.basis.length : channels;
    this.inputs = this.basis ? projected(standard, count, channels, this.basis) : standard;
    /** Sum of the squares of the inputs, each with its share. */
    this.spread = squares(this.inputs, this.share, this.rank);
  }

  /**
   * Find the minimum. L-BFGS goes its way in coordinates in which the objective bends about as much
   * in every direction: there it takes tens of steps instead of hundreds.
   * @param {number} strength C, the larger the freer.
   * @param {Float64Array | null} [start] Of another head of the same classes.
   * @param {number} [exactness]
   * @returns {Head}
   */
  solve(strength, start = null, exactness = EXACT) {
    const { channels, classCount, rank, count } = this;
    const penalty = (classCount === 2 ? 2 : 1) / (strength * count);
    const bend = Math.min(0.1, Math.max(1e-3, 1e-3 / Math.sqrt(strength)));
    const root = new Root(this.spread, rank, bend, penalty);
    const theta = this.begin(start);
    eachRow(theta, rank + 1, (row) => {
      root.multiply(row);
      row[rank] *= Math.sqrt(bend);
    });
    minimise(this.objective(penalty, root, Math.sqrt(bend)), theta, MOST_STEPS, exactness);
    const found = new Float64Array(classCount * (channels + 1));
    for (let index = 0; index < classCount; index++) {
      const own = theta.subarray(index * (rank + 1), (index + 1) * (rank + 1));
      root.divide(own);
      const row = found.subarray(index * (channels + 1), (index + 1) * (channels + 1));
      row[channels] = own[rank] / Math.sqrt(bend);
      if (!this.basis) row.set(own.subarray(0, channels));
      else this.basis.forEach((axis, place) => axis.forEach((value, at) => (row[at] += own[place] * value)));
    }
    return this.folded(found, strength);
  }

  /**
   * Fold the standardising into weights and biases.
   * @param {Float64Array} found
   * @param {number} strength
   * @returns {Head}
   */
  folded(found, strength) {
    const { channels, classCount } = this;
    const width = channels + 1;
    const weight = new Float32Array(classCount * channels);
    const bias = new Float32Array(classCount);
    for (let at = 0; at < width; at++) {
      // The same scores of every class change no probability.
      let mean = 0;
      for (let index = 0; index < classCount; index++) mean += found[index * width + at] / classCount;
      for (let index = 0; index < classCount; index++) found[index * width + at] -= mean;
    }
    for (let index = 0; index < classCount; index++) {
      let sum = found[index * width + channels];
      for (let at = 0; at < channels; at++) {
        const value = found[index * width + at] / this.scale[at];
        weight[index * channels + at] = value;
        sum -= value * this.mean[at];
      }
      bias[index] = sum;
    }
    return { weight, bias, strength, start: found, temperature: 1 };
  }

  /** @param {Float64Array | null} start */
  begin(start) {
    const { channels, classCount, rank, basis } = this;
    const theta = new Float64Array(classCount * (rank + 1));
    if (!start || start.length % (channels + 1)) return theta;
    const known = Math.min(classCount, start.length / (channels + 1));
    for (let index = 0; index < known; index++) {
      const row = start.subarray(index * (channels + 1), (index + 1) * (channels + 1));
      const own = theta.subarray(index * (rank + 1), (index + 1) * (rank + 1));
      own[rank] = row[channels];
      if (!basis) own.set(row.subarray(0, channels));
      else basis.forEach((axis, place) => (own[place] = dot(axis, 0, row, 0, channels)));
    }
    return theta;
  }

  /**
   * The objective and its derivative, in the coordinates of `solve`.
   * @param {number} penalty
   * @param {Root} root
   * @param {number} scale Of the biases.
   * @returns {import("./lbfgs.js").Objective}
   */
  objective(penalty, root, scale) {
    const { count, rank, classCount, classes, inputs, share } = this;
    const width = rank + 1;
    const scores = new Float64Array(classCount);
    const weights = new Float64Array(classCount * width);
    return (theta, gradient) => {
      gradient.fill(0);
      weights.set(theta);
      eachRow(weights, width, (row) => {
        root.divide(row);
        row[rank] /= scale;
      });
      let loss = 0;
      for (let row = 0; row < count; row++) {
        const from = row * rank;
        let most = -Infinity;
        for (let index = 0; index < classCount; index++) {
          const score = dot(inputs, from, weights, index * width, rank) + weights[index * width + rank];
          scores[index] = score;
          if (score > most) most = score;
        }
        let sum = 0;
        for (let index = 0; index < classCount; index++) sum += Math.exp(scores[index] - most);
        const total = most + Math.log(sum);
        loss += share[row] * (total - scores[classes[row]]);
        for (let index = 0; index < classCount; index++) {
          const error = (Math.exp(scores[index] - total) - (index === classes[row] ? 1 : 0)) * share[row];
          const to = index * width;
          for (let at = 0; at < rank; at++) gradient[to + at] += error * inputs[from + at];
          gradient[to + rank] += error;
        }
      }
      for (let index = 0; index < classCount; index++) {
        for (let place = index * width; place < index * width + rank; place++) {
          gradient[place] += penalty * weights[place];
          loss += 0.5 * penalty * weights[place] * weights[place];
        }
      }
      eachRow(gradient, width, (row) => {
        root.divideTransposed(row);
        row[rank] /= scale;
      });
      return loss;
    };
  }
}

/** @param {Float64Array} values @param {number} width @param {(row: Float64Array) => void} change */
function eachRow(values, width, change) {
  for (let start = 0; start < values.length; start += width) change(values.subarray(start, start + width));
}

/** @param {Float64Array} inputs @param {Float64Array} share @param {number} rank */
function squares(inputs, share, rank) {
  const found = new Float64Array(rank * rank);
  share.forEach((weight, row) => {
    const from = row * rank;
    for (let one = 0; one < rank; one++) {
      const factor = weight * inputs[from + one];
      if (!factor) continue;
      for (let other = 0; other <= one; other++) found[one * rank + other] += factor * inputs[from + other];
    }
  });
  return found;
}

/**
 * Scores of examples, n rows of classes.
 * @param {Pick<Head, "weight" | "bias">} head
 * @param {Float32Array} features n rows of channels.
 */
export function logits({ weight, bias }, features) {
  const classCount = bias.length;
  const channels = weight.length / classCount;
  const found = new Float64Array((features.length / channels) * classCount);
  for (let place = 0; place < found.length; place++) {
    const row = Math.floor(place / classCount);
    const index = place % classCount;
    found[place] = bias[index] + dot(weight, index * channels, features, row * channels, channels);
  }
  return found;
}

/**
 * Probabilities of scores, n rows of classes.
 * @param {Float64Array} scores
 * @param {number} classCount
 */
export function shares(scores, classCount) {
  const found = new Float64Array(scores.length);
  for (let start = 0; start < scores.length; start += classCount) {
    const row = scores.subarray(start, start + classCount);
    const most = row.reduce((a, b) => Math.max(a, b), -Infinity);
    const sum = row.reduce((total, score) => total + Math.exp(score - most), 0);
    row.forEach((score, index) => (found[start + index] = Math.exp(score - most) / sum));
  }
  return found;
}

/**
 * @param {Float64Array | Float32Array} one
 * @param {number} from
 * @param {Float64Array | Float32Array} other
 * @param {number} at
 * @param {number} length
 */
function dot(one, from, other, at, length) {
  let even = 0;
  let odd = 0;
  const end = length & ~1;
  for (let place = 0; place < end; place += 2) {
    even += one[from + place] * other[at + place];
    odd += one[from + place + 1] * other[at + place + 1];
  }
  return length & 1 ? even + odd + one[from + end] * other[at + end] : even + odd;
}

/**
 * An orthonormal basis of what examples span, by Gram and Schmidt, the longest rest first; null
 * where that would take more axes than are worth it.
 * @param {Float64Array} values
 * @param {number} count
 * @param {number} channels
 * @param {number} most
 * @returns {Float64Array[] | null}
 */
function basisOf(values, count, channels, most) {
  /** @type {Float64Array[]} */
  const axes = [];
  const rest = Float64Array.from({ length: count }, (_, row) =>
    dot(values, row * channels, values, row * channels, channels),
  );
  const least = CUT * CUT * rest.reduce((a, b) => Math.max(a, b), 0);
  for (;;) {
    const row = rest.reduce((best, value, place) => (value > rest[best] ? place : best), 0);
    if (!(rest[row] > least)) return axes.length ? axes : null;
    if (axes.length === most) return null;
    const axis = values.slice(row * channels, (row + 1) * channels);
    for (let round = 0; round < 2; round++) {
      for (const other of axes) {
        const shared = dot(other, 0, axis, 0, channels);
        for (let at = 0; at < channels; at++) axis[at] -= shared * other[at];
      }
    }
    const length = Math.sqrt(dot(axis, 0, axis, 0, channels));
    if (!(length * length > least)) {
      rest[row] = 0; // rounding alone was left
      continue;
    }
    for (let at = 0; at < channels; at++) axis[at] /= length;
    for (let each = 0; each < count; each++) {
      rest[each] = Math.max(0, rest[each] - dot(values, each * channels, axis, 0, channels) ** 2);
    }
    rest[row] = 0;
    axes.push(axis);
  }
}

/**
 * @param {Float64Array} values
 * @param {number} count
 * @param {number} channels
 * @param {Float64Array[]} basis
 */
function projected(values, count, channels, basis) {
  const rank = basis.length;
  const found = new Float64Array(count * rank);
  for (let place = 0; place < found.length; place++) {
    found[place] = dot(values, Math.floor(place / rank) * channels, basis[place % rank], 0, channels);
  }
  return found;
}
