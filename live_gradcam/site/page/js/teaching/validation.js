// Cross-validation over bursts, which chooses the strength: the rules of
// live_gradcam.teaching.validation.

import { classesOf, joined } from "./examples.js";
import { logits, Problem, shares, TRIALS } from "./fit.js";

/** @typedef {import("./examples.js").Burst} Burst */
/** @typedef {import("./examples.js").Examples} Examples */

/**
 * What was said of held-out bursts, by heads of the chosen strength.
 * @typedef {object} Validation
 * @property {number} strength
 * @property {(number[] | null)[]} answers Of each burst, the class of each of its examples; null
 *   where it was never held out.
 * @property {(Float64Array | null)[]} covered Probabilities of its frames with all that moves
 *   covered; null where it was never held out.
 */

/**
 * For each burst the fold in which it is held out; null where it never is.
 * @param {Burst[]} bursts
 * @param {number} mostFolds
 */
export function foldsOf(bursts, mostFolds) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { label } of bursts) counts.set(label, (counts.get(label) ?? 0) + 1);
  const folds = Math.min(mostFolds, Math.max(0, ...counts.values()));
  /** @type {Map<string, number>} */
  const seen = new Map();
  return bursts.map(({ label }) => {
    const place = seen.get(label) ?? 0;
    seen.set(label, place + 1);
    return (counts.get(label) ?? 0) > 1 ? place % folds : null;
  });
}

/**
 * Hold out bursts, and choose the strength by what is said of them.
 * @param {Examples} examples Of at least two classes, each with examples.
 * @param {{strengths: number[], default_strength: number, most_folds: number}} figures
 * @param {() => Promise<void>} breathe Asked before every fit; what it throws ends all of it.
 * @returns {Promise<Validation>}
 */
export async function validate(examples, figures, breathe) {
  const { bursts, labels, channels } = examples;
  const { strengths } = figures;
  const folds = foldsOf(bursts, figures.most_folds);
  /** @type {(Float64Array[] | null)[]} By burst, then by strength. */
  const scores = bursts.map(() => null);
  for (const fold of new Set(folds.filter((each) => each !== null))) {
    const taught = bursts.filter((_, place) => folds[place] !== fold);
    const features = joined(taught.map((burst) => burst.features));
    const problem = new Problem(features, channels, classesOf(examples, taught), labels.length);
    /** @type {Float64Array | null} */
    let start = null;
    for (const [place, strength] of strengths.entries()) {
      await breathe();
      const head = problem.solve(strength, start, TRIALS);
      start = head.start;
      bursts.forEach((burst, index) => {
        if (folds[index] !== fold) return;
        const own = (scores[index] ??= []);
        own[place] = logits(head, joined([burst.features, ...(burst.moving ? [burst.moving.covered] : [])]));
      });
    }
  }
  const best = bestOf(examples, scores, strengths.length);
  const classCount = labels.length;
  const own = scores.map((each) => each?.[best] ?? null);
  return {
    strength: own.some(Boolean) ? strengths[best] : figures.default_strength,
    answers: own.map((each, index) => {
      if (!each) return null;
      return Array.from({ length: bursts[index].count }, (_, row) =>
        largestOf(each.subarray(row * classCount, (row + 1) * classCount)),
      );
    }),
    covered: own.map((each, index) => each && shares(each.subarray(bursts[index].count * classCount), classCount)),
  };
}

/** @param {Float64Array} row */
function largestOf(row) {
  return row.reduce((best, score, index) => (score > row[best] ? index : best), 0);
}

/**
 * Index of the strength with the smallest loss, every class counting alike.
 * @param {Examples} examples
 * @param {(Float64Array[] | null)[]} scores
 * @param {number} strengths
 */
function bestOf({ labels, bursts }, scores, strengths) {
  const classCount = labels.length;
  const losses = Array.from({ length: strengths }, (_, strength) => {
    const means = labels.flatMap((label, truth) => {
      let sum = 0;
      let count = 0;
      bursts.forEach((burst, index) => {
        const own = scores[index]?.[strength];
        if (!own || burst.label !== label) return;
        for (let row = 0; row < burst.count; row++) {
          const part = own.subarray(row * classCount, (row + 1) * classCount);
          const most = part[largestOf(part)];
          sum += most + Math.log(part.reduce((total, score) => total + Math.exp(score - most), 0)) - part[truth];
          count += 1;
        }
      });
      return count ? [sum / count] : [];
    });
    return means.length ? means.reduce((a, b) => a + b) / means.length : 0;
  });
  return losses.reduce((best, loss, place) => (loss < losses[best] ? place : best), 0);
}
