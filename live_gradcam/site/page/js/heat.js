// Evidence becomes colour: the scale, the enlargement and the weights of live_gradcam.show.heat.

import { enlargeCubic, enlargeLinear } from "./interpolate.js";
import { clamp, roundEven } from "./rounding.js";

/** @typedef {import("./types.js").Site} Site */

/**
 * One map: `rows` rows of `columns` values, signed.
 * @typedef {{values: Float32Array, rows: number, columns: number}} EvidenceMap
 */

const SIGNED_CENTRE = 128;
const SIGNED_SPAN = 127;

/**
 * The value that stretches this map alone to full colour; 0 if it is empty.
 * @param {Float32Array} values
 * @param {boolean} signed
 */
export function ownScale(values, signed) {
  let most = 0;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    most = Math.max(most, value, signed ? -value : 0);
  }
  return most;
}

/**
 * Colour indices of a map, enlarged: 0..255, or 1..255 around 128 if signed.
 * @param {EvidenceMap} map
 * @param {number} scale The value that gets the full colour.
 * @param {boolean} signed
 * @param {number} width
 * @param {number} height
 * @param {number} fine Pixels to which a cell is enlarged smoothly before the last, linear step.
 * @returns {Uint8Array}
 */
export function heatIndices(map, scale, signed, width, height, fine) {
  const { values, rows, columns } = map;
  const heat = values.map((value) => {
    if (!(scale > 0) || !Number.isFinite(value)) return 0;
    return clamp(value / scale, signed ? -1 : 0, 1);
  });
  const tall = Math.min(height, rows * fine);
  const wide = Math.min(width, columns * fine);
  const smooth = enlargeCubic(heat, rows, columns, tall, wide);
  const bytes = smooth.map((value) =>
    signed
      ? roundEven(clamp(value, -1, 1) * SIGNED_SPAN + SIGNED_CENTRE)
      : roundEven(clamp(value, 0, 1) * 255),
  );
  if (tall === height && wide === width) return Uint8Array.from(bytes);
  const large = enlargeLinear(bytes, tall, wide, height, width);
  const result = new Uint8Array(large.length);
  for (let place = 0; place < result.length; place++) result[place] = large[place] + 0.5;
  return result;
}

/**
 * What each colour index is painted with: RGBA, as 32 bits for a canvas.
 * @param {number[][]} colours 256 colours, RGB.
 * @param {number} opacity Weight of the hottest colour.
 * @param {boolean} signed
 * @param {number} fade The weight grows with this power of the heat.
 */
export function heatTable(colours, opacity, signed, fade) {
  const table = new Uint8ClampedArray(256 * 4);
  for (let index = 0; index < 256; index++) {
    const heat = signed ? Math.abs(index - SIGNED_CENTRE) / SIGNED_SPAN : index / 255;
    const weight = opacity * Math.min(heat, 1) ** fade;
    table.set(colours[index], index * 4);
    table[index * 4 + 3] = 255 - roundEven(255 * (1 - weight));
  }
  return new Uint32Array(table.buffer);
}

/**
 * @param {Uint8Array} indices
 * @param {Uint32Array} table
 * @param {number} width
 * @param {number} height
 */
export function heatPixels(indices, table, width, height) {
  const image = new ImageData(width, height);
  const out = new Uint32Array(image.data.buffer);
  for (let place = 0; place < out.length; place++) out[place] = table[indices[place]];
  return image;
}
