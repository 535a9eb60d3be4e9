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
  const brush = brushOf(bitmap.width, rows * factor);
  if (!brush) throw new PageError("failure.memory", { file: `${bitmap.width}x${bitmap.height}` });
  if (rows === height && factor === 1) return { data: stripeOf(brush, bitmap, 0, rows), width, height };
  const data = new Uint8ClampedArray(width * height * 4);
  for (let top = 0; top < height; top += rows) {
    const count = Math.min(rows, height - top);
    const stripe = stripeOf(brush, bitmap, top * factor, count * factor);
    const part = factor === 1 ? stripe : averaged(stripe, bitmap.width, factor, width, count);
    data.set(part, top * width * 4);
  }
  return { data, width, height };
}

/** @type {OffscreenCanvasRenderingContext2D | null} */
let lastBrush = null;

/**
 * A canvas to read from: pictures of a film have the same size.
 * @param {number} width
 * @param {number} height
 */
function brushOf(width, height) {
  const canvas = lastBrush?.canvas;
  if (canvas?.width === width && canvas.height === height) return lastBrush;
  lastBrush = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  return lastBrush;
}

/**
 * @param {OffscreenCanvasRenderingContext2D} brush
 * @param {ImageBitmap} bitmap
 * @param {number} top
 * @param {number} count Of rows.
 */
function stripeOf(brush, bitmap, top, count) {
  brush.fillStyle = "white";
  brush.fillRect(0, 0, brush.canvas.width, brush.canvas.height);
  brush.drawImage(bitmap, 0, -top);
  return brush.getImageData(0, 0, bitmap.width, count).data;
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

/**
 * A picture of pixels.
 * @param {Source} source
 */
export function bitmapOf({ data, width, height }) {
  const pixels = new Uint8ClampedArray(/** @type {ArrayBuffer} */ (data.buffer), data.byteOffset, data.length);
  return createImageBitmap(new ImageData(pixels, width, height));
}
