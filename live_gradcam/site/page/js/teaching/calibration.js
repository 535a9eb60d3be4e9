// How sure a head may be, from what was held out: the rules of live_gradcam.teaching.calibration.

import { shares } from "./fit.js";

const COLDEST = 0.02;
const HOTTEST = 50;
const STEPS = 40;
const EXACT = 1e-4;

/**
 * The temperature with which held-out examples fit best (Guo et al. 2017, arXiv 1706.04599), and the
 * loss with it. Of N held-out bursts that were all named rightly, Laplace's rule expects the next one
 * to be with (N + 1) / (N + 2): no head is surer than that.
 * @param {Float64Array} scores Of held-out examples, n rows of classes.
 * @param {number[]} truth Index of each one's class.
 * @param {number[]} share Weight of each, adding up to 1.
 * @param {number} bursts How many they are of.
 * @returns {{temperature: number, loss: number}}
 */
export function chooseTemperature(scores, truth, share, bursts) {
  const classCount = scores.length / truth.length;
  const sure = (bursts + 1) / (bursts + 2);
  const rest = (1 - sure) / (classCount - 1);
  const rows = truth.map((_, row) => scores.subarray(row * classCount, (row + 1) * classCount));
  const expected = rows.reduce((sum, row, at) => {
    const own = row[truth[at]];
    return sum + share[at] * (sure * own + rest * (row.reduce((a, b) => a + b, 0) - own));
  }, 0);
  let low = 1 / HOTTEST;
  let high = 1 / COLDEST;
  let inverse = 1;
  for (let step = 0; step < STEPS; step++) {
    const said = shares(scores.map((score) => score * inverse), classCount);
    let slope = -expected;
    let bend = 0;
    rows.forEach((row, at) => {
      let [mean, square] = [0, 0];
      row.forEach((score, index) => {
        const weight = said[at * classCount + index];
        mean += weight * score;
        square += weight * score * score;
      });
      slope += share[at] * mean;
      bend += share[at] * (square - mean * mean);
    });
    if (slope > 0) high = inverse;
    else low = inverse;
    const guess = bend > 0 ? inverse - slope / bend : Infinity;
    const before = inverse;
    // Newton's step, or half of the way where it leads out of what is left.
    inverse = low < guess && guess < high ? guess : Math.sqrt(low * high);
    if (Math.abs(inverse - before) <= EXACT * before) break;
  }
  const total = rows.reduce((sum, row, at) => {
    const most = inverse * row.reduce((a, b) => Math.max(a, b), -Infinity);
    const whole = row.reduce((all, score) => all + Math.exp(score * inverse - most), 0);
    return sum + share[at] * (most + Math.log(whole));
  }, 0);
  return { temperature: 1 / inverse, loss: total - inverse * expected };
}
