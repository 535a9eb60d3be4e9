// Cross-validation over bursts, which chooses the strength: the rules of
// live_gradcam.teaching.validation.

import { chooseTemperature } from "./calibration.js";
import { classesOf, joined } from "./examples.js";
import { logits, Problem, shares } from "./fit.js";

/** @typedef {import("./examples.js").Burst} Burst */
/** @typedef {import("./examples.js").Examples} Examples */

/**
 * What was said of held-out bursts, by heads of the chosen strength.
 * @typedef {object} Validation
 * @property {number} strength
 * @property {number} temperature With which probabilities of held-out examples fit best; 1 where
 *   none could be held out.
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
      const head = problem.solve(strength, start);
      start = head.start;
      bursts.forEach((burst, index) => {
        if (folds[index] !== fold) return;
        const own = (scores[index] ??= []);
        own[place] = logits(head, joined([burst.features, ...(burst.moving ? [burst.moving.covered] : [])]));
      });
    }
  }
  const { best, temperature } = bestOf(examples, scores, strengths.length);
  const classCount = labels.length;
  const own = scores.map((each) => each?.[best] ?? null);
  return {
    strength: own.some(Boolean) ? strengths[best] : figures.default_strength,
    temperature,
    answers: own.map((each, index) => {
      if (!each) return null;
      return Array.from({ length: bursts[index].count }, (_, row) =>
        largestOf(each.subarray(row * classCount, (row + 1) * classCount)),
      );
    }),
    covered: own.map((each, index) => {
      if (!each) return null;
      const hidden = each.subarray(bursts[index].count * classCount);
      return shares(hidden.map((score) => score / temperature), classCount);
    }),
  };
}

/** @param {Float64Array} row */
function largestOf(row) {
  return row.reduce((best, score, index) => (score > row[best] ? index : best), 0);
}

/**
 * Index of the strength with the smallest loss, every class counting alike, and its temperature. Each
 * strength is judged with its own: the freest is the surest, and no better for that.
 * @param {Examples} examples
 * @param {(Float64Array[] | null)[]} scores
 * @param {number} strengths
 */
function bestOf(examples, scores, strengths) {
  const held = examples.bursts.filter((_, index) => scores[index]);
  if (!held.length) return { best: 0, temperature: 1 };
  const classCount = examples.labels.length;
  const truth = classesOf(examples, held);
  const counts = examples.labels.map((_, index) => truth.filter((each) => each === index).length);
  const present = counts.filter(Boolean).length;
  const share = truth.map((index) => 1 / (counts[index] * present));
  const found = Array.from({ length: strengths }, (_, strength) => {
    const parts = examples.bursts.flatMap((burst, index) => {
      const own = scores[index]?.[strength];
      return own ? [...own.subarray(0, burst.count * classCount)] : [];
    });
    return chooseTemperature(Float64Array.from(parts), truth, share, held.length);
  });
  const best = found.reduce((first, each, place) => (each.loss < found[first].loss ? place : first), 0);
  return { best, temperature: found[best].temperature };
}
