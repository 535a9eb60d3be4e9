// Hiding a part of a picture: it is blurred beyond recognition.

import { enlargeLinear } from "./interpolate.js";
import { roundEven } from "./rounding.js";

/** @typedef {import("./types.js").Region} Region */
/** @typedef {import("./types.js").Source} Source */
/** @typedef {import("./removal.js").RemovalFigures} RemovalFigures */

/**
 * A region of a picture, blurred beyond recognition: three planes of `side` squared grey levels.
 * @typedef {{planes: Float32Array[], side: number}} Blurred
 */

/**
 * The blurred picture of a region, made once for all the areas that are to be hidden.
 * @param {Source} source
 * @param {Region} region Inside the picture.
 * @param {RemovalFigures} figures
 * @returns {Blurred}
 */
export function blurRegion(source, region, figures) {
  const { blur_side: side, blur_share: share } = figures;
  const planes = [0, 1, 2].map((channel) => {
    const small = shrink(source, region, side, channel).map(roundEven);
    return blur(small, side, share * side).map(roundEven);
  });
  return { planes, side };
}

/**
 * Hide the masked part of a region while something looks at the picture, which is afterwards as it
 * was: a copy of a large picture would need more memory than phones have.
 * @template T
 * @param {Source} source
 * @param {Region} region
 * @param {Blurred} blurred
 * @param {Uint8Array} mask Square, over the region.
 * @param {number} side Of the mask.
 * @param {() => T} look Is done with the picture when it returns.
 * @returns {T}
 */
export function whileHidden(source, region, blurred, mask, side, look) {
  const { buffer, byteOffset, length } = source.data;
  const pixels = new Uint32Array(buffer, byteOffset, length / 4);
  const row = new Uint8ClampedArray(region.width * 4).fill(255);
  const hidden = new Uint32Array(row.buffer);
  /** @type {Map<number, Uint32Array>} Rows as they were, by their place. */
  const kept = new Map();
  for (let down = 0; down < region.height; down++) {
    const first = Math.floor((down * side) / region.height) * side;
    const masked = mask.subarray(first, first + side);
    if (!masked.includes(1)) continue;
    const at = (region.y + down) * source.width + region.x;
    kept.set(at, pixels.slice(at, at + region.width));
    blurredRow(blurred, down, region.height, row);
    for (let column = 0; column < region.width; column++) {
      if (masked[Math.floor((column * side) / region.width)]) pixels[at + column] = hidden[column];
    }
  }
  try {
    return look();
  } finally {
    for (const [at, original] of kept) pixels.set(original, at);
  }
}

/**
 * One row of the blurred picture at the region's size, linear as OpenCV enlarges.
 * @param {Blurred} blurred
 * @param {number} row
 * @param {number} height Of the region.
 * @param {Uint8ClampedArray} result RGBA.
 */
function blurredRow({ planes, side }, row, height, result) {
  const centre = ((row + 0.5) * side) / height - 0.5;
  const low = Math.floor(centre);
  const share = centre - low;
  const inside = (/** @type {number} */ place) => Math.min(side - 1, Math.max(0, place)) * side;
  const [above, below] = [inside(low), inside(low + 1)];
  const line = new Float32Array(side);
  planes.forEach((plane, channel) => {
    for (let each = 0; each < side; each++) {
      line[each] = (1 - share) * plane[above + each] + share * plane[below + each];
    }
    const wide = enlargeLinear(line, 1, side, 1, result.length / 4);
    for (let column = 0; column < wide.length; column++) result[column * 4 + channel] = wide[column];
  });
}

/**
 * One channel of a region, each result the mean of its box, as OpenCV's INTER_AREA; where the
 * region is smaller than the result, linear.
 * @param {Source} source
 * @param {Region} region
 * @param {number} side
 * @param {number} channel
 * @returns {Float32Array}
 */
function shrink(source, region, side, channel) {
  const { x, y, width, height } = region;
  const stride = source.width * 4;
  const start = y * stride + x * 4 + channel;
  if (width < side || height < side) {
    const plane = new Float32Array(width * height);
    for (let place = 0, row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) plane[place++] = source.data[start + row * stride + column * 4];
    }
    return enlargeLinear(plane, height, width, side, side);
  }
  const across = boxes(width, side);
  const down = boxes(height, side);
  const result = new Float32Array(side * side);
  down.forEach((rows, row) =>
    across.forEach((columns, column) => {
      let sum = 0;
      for (const [place, weight] of rows) {
        const at = start + place * stride;
        for (const [along, share] of columns) sum += source.data[at + along * 4] * weight * share;
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
