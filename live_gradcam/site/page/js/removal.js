// The areas that the truth meter hides: the hottest one and others of its shape elsewhere.
// The rules, and the random places, of live_gradcam.faithfulness.removal.

import { enlargeCubic } from "./interpolate.js";
import { roundEven } from "./rounding.js";

/** @typedef {import("./heat.js").EvidenceMap} EvidenceMap */

/**
 * Figures of the test.
 * @typedef {object} RemovalFigures
 * @property {number} share
 * @property {number} controls
 * @property {number} mask_side
 * @property {number} overlap
 * @property {number} luckiest
 * @property {[number, number][]} shifts Down and to the right, in the order in which they are tried.
 * @property {number} blur_side
 * @property {number} blur_share
 */

/**
 * The hottest area of a map: exactly `share` of the pixels, to the rounding.
 * @param {EvidenceMap} map
 * @param {RemovalFigures} figures
 * @returns {Uint8Array} `mask_side` squared; 1 is hidden.
 */
export function hottestArea(map, figures) {
  const side = figures.mask_side;
  const fine = enlargeCubic(map.values, map.rows, map.columns, side, side);
  const count = Math.max(1, roundEven(figures.share * fine.length));
  const lowest = fine.slice().sort()[fine.length - count];
  const mask = fine.reduce((found, value, place) => {
    if (value > lowest) found[place] = 1;
    return found;
  }, new Uint8Array(fine.length));
  // Of those that are as hot as the last one, the first ones.
  let missing = count - mask.reduce((sum, one) => sum + one, 0);
  for (let place = 0; missing > 0; place++) {
    if (fine[place] !== lowest) continue;
    mask[place] = 1;
    missing -= 1;
  }
  return mask;
}

/**
 * Shift an area elsewhere, wrapped around the edges, to places that share hardly anything with it.
 * @param {Uint8Array} mask
 * @param {RemovalFigures} figures
 * @returns {Uint8Array[]}
 */
export function controlAreas(mask, figures) {
  const { mask_side: side, overlap, luckiest, shifts, controls } = figures;
  const moved = shifts.map(([down, along]) => shifted(mask, side, down, along));
  const shared = moved.map((other) => other.reduce((sum, one, at) => sum + (one & mask[at]), 0));
  const whole = mask.reduce((sum, one) => sum + one, 0);
  const allowed = Math.max(overlap * whole, quantile(shared, luckiest));
  return moved.filter((_, place) => shared[place] <= allowed).slice(0, controls);
}

/** @param {Uint8Array} mask @param {number} side @param {number} down @param {number} along */
function shifted(mask, side, down, along) {
  const result = new Uint8Array(mask.length);
  for (let row = 0; row < side; row++) {
    const from = row * side;
    const to = ((row + down) % side) * side;
    result.set(mask.subarray(from, from + side - along), to + along);
    result.set(mask.subarray(from + side - along, from + side), to);
  }
  return result;
}

/** @param {number[]} values @param {number} share */
function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const low = Math.floor(place);
  const high = Math.min(sorted.length - 1, low + 1);
  return sorted[low] + (place - low) * (sorted[high] - sorted[low]);
}
