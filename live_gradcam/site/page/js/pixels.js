// The pixels of a picture, over white as Python reads it, without the canvas scaling anything.

import { PageError } from "./failures.js";

/** @typedef {import("./types.js").Source} Source */

/** Pictures with more pixels are averaged down by whole factors, so that phones can hold them. */
export const MOST_PIXELS = 16_000_000;

const STRIPE_PIXELS = 1 << 20; // canvases of phones are small

/**
 * How many pixels each way become one.
 * @param {number} width
 * @param {number} height
 */
export function reduction(width, height) {
  return Math.max(1, Math.ceil(Math.sqrt((width * height) / MOST_PIXELS)));
}

/**
 * @param {ImageBitmap} bitmap
 * @returns {Source} Of the bitmap's size, divided by its `reduction`.
 */
export function pixelsOf(bitmap) {
  const factor = reduction(bitmap.width, bitmap.height);
  const width = Math.floor(bitmap.width / factor);
  const height = Math.floor(bitmap.height / factor);
  const rows = Math.max(1, Math.min(height, Math.floor(STRIPE_PIXELS / (bitmap.width * factor))));
  const data = new Uint8ClampedArray(width * height * 4);
  const canvas = new OffscreenCanvas(bitmap.width, rows * factor);
  const brush = canvas.getContext("2d", { willReadFrequently: true });
  if (!brush) throw new PageError("failure.memory", { file: `${bitmap.width}x${bitmap.height}` });
  for (let top = 0; top < height; top += rows) {
    const count = Math.min(rows, height - top);
    brush.fillStyle = "white";
    brush.fillRect(0, 0, canvas.width, canvas.height);
    brush.drawImage(bitmap, 0, -top * factor);
    const stripe = brush.getImageData(0, 0, bitmap.width, count * factor).data;
    const part = factor === 1 ? stripe : averaged(stripe, bitmap.width, factor, width, count);
    data.set(part, top * width * 4);
  }
  return { data, width, height };
}

/**
 * @param {Uint8ClampedArray} stripe
 * @param {number} stride Width of the stripe.
 * @param {number} factor
 * @param {number} width Of the result.
 * @param {number} height Of the result.
 */
function averaged(stripe, stride, factor, width, height) {
  const result = new Uint8ClampedArray(width * height * 4);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      for (let channel = 0; channel < 4; channel++) {
        let sum = 0;
        for (let down = 0; down < factor; down++) {
          const at = ((row * factor + down) * stride + column * factor) * 4 + channel;
          for (let along = 0; along < factor; along++) sum += stripe[at + along * 4];
        }
        result[(row * width + column) * 4 + channel] = sum / (factor * factor);
      }
    }
  }
  return result;
}
