// Hiding a part of a picture: it is blurred beyond recognition.

import { enlargeLinear } from "./interpolate.js";
import { roundEven } from "./rounding.js";

/** @typedef {import("./types.js").Region} Region */
/** @typedef {import("./types.js").Source} Source */
/** @typedef {import("./removal.js").RemovalFigures} RemovalFigures */

/**
 * The blurred picture of a region, made once for all the areas that are to be hidden.
 * @param {Source} source
 * @param {Region} region Inside the picture.
 * @param {RemovalFigures} figures
 * @returns {Uint8ClampedArray} RGBA of the region's size.
 */
export function blurRegion(source, region, figures) {
  const { blur_side: side, blur_share: share } = figures;
  const result = new Uint8ClampedArray(region.width * region.height * 4).fill(255);
  for (let channel = 0; channel < 3; channel++) {
    const small = Float32Array.from(shrink(source, region, side, channel), roundEven);
    const soft = Float32Array.from(blur(small, side, share * side), roundEven);
    const large = enlargeLinear(soft, side, side, region.height, region.width);
    for (let place = 0; place < large.length; place++) result[place * 4 + channel] = large[place];
  }
  return result;
}

/**
 * A copy of the picture in which the masked part of the region is another picture.
 * @param {Source} source
 * @param {Region} region
 * @param {Uint8ClampedArray} hidden Of `blurRegion`.
 * @param {Uint8Array} mask Square, over the region.
 * @param {number} side Of the mask.
 * @returns {Source}
 */
export function hide(source, region, hidden, mask, side) {
  const data = new Uint32Array(source.data.slice().buffer);
  const blurred = new Uint32Array(hidden.buffer);
  for (let row = 0; row < region.height; row++) {
    const maskRow = Math.floor((row * side) / region.height) * side;
    const at = (region.y + row) * source.width + region.x;
    for (let column = 0; column < region.width; column++) {
      if (!mask[maskRow + Math.floor((column * side) / region.width)]) continue;
      data[at + column] = blurred[row * region.width + column];
    }
  }
  return { ...source, data: new Uint8ClampedArray(data.buffer) };
}

/**
 * One channel of a region, each result the mean of its box, as OpenCV's INTER_AREA; where the
 * region is smaller than the result, linear.
 * @param {Source} source
 * @param {Region} region
 * @param {number} side
 * @param {number} channel
 */
function shrink(source, region, side, channel) {
  const { x, y, width, height } = region;
  const plane = new Float32Array(width * height);
  for (let row = 0; row < height; row++) {
    let at = ((y + row) * source.width + x) * 4 + channel;
    for (let place = row * width; place < (row + 1) * width; place++, at += 4) plane[place] = source.data[at];
  }
  if (width < side || height < side) return enlargeLinear(plane, height, width, side, side);
  const across = boxes(width, side);
  const down = boxes(height, side);
  const result = new Float32Array(side * side);
  down.forEach((rows, row) =>
    across.forEach((columns, column) => {
      let sum = 0;
      for (const [place, weight] of rows) {
        for (const [along, share] of columns) sum += plane[place * width + along] * weight * share;
      }
      result[row * side + column] = sum;
    }),
  );
  return result;
}

/**
 * Which source pixels lie in each box, and how much of the box they fill.
 * @param {number} length
 * @param {number} side
 */
function boxes(length, side) {
  const size = length / side;
  return Array.from({ length: side }, (_, box) => {
    /** @type {[number, number][]} */
    const inside = [];
    const start = box * size;
    const end = Math.min(length, start + size);
    for (let place = Math.floor(start); place < Math.ceil(end - 1e-6); place++) {
      const filled = Math.min(end, place + 1) - Math.max(start, place);
      if (filled > 1e-6) inside.push([place, filled / size]);
    }
    return inside;
  });
}

/**
 * Gaussian blur of a square plane, mirrored at the edges without repeating them.
 * @param {Float32Array} plane
 * @param {number} side
 * @param {number} sigma
 */
function blur(plane, side, sigma) {
  const reach = roundEven(sigma * 6 + 1) >> 1; // OpenCV's kernel for bytes: three sigmas
  const kernel = Array.from({ length: 2 * reach + 1 }, (_, place) =>
    Math.exp(-((place - reach) ** 2) / (2 * sigma * sigma)),
  );
  const sum = kernel.reduce((a, b) => a + b);
  const mirrored = (/** @type {number} */ place) => {
    const inside = Math.abs(place);
    return inside < side ? inside : 2 * (side - 1) - inside;
  };
  const pass = (/** @type {Float32Array} */ values, /** @type {number} */ along, /** @type {number} */ over) => {
    const result = new Float32Array(values.length);
    for (let line = 0; line < side; line++) {
      for (let place = 0; place < side; place++) {
        let total = 0;
        for (let tap = -reach; tap <= reach; tap++) {
          total += kernel[tap + reach] * values[line * over + mirrored(place + tap) * along];
        }
        result[line * over + place * along] = total / sum;
      }
    }
    return result;
  };
  return pass(pass(plane, 1, side), side, 1);
}
