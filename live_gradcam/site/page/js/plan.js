// Which part of a picture the network is shown, and in which size: the rules of
// live_gradcam.preprocessing.plan, with its roundings.

import { clamp, roundEven } from "./rounding.js";

/** @typedef {import("./types.js").Preprocessing} Preprocessing */
/** @typedef {import("./types.js").Region} Region */
/** @typedef {import("./types.js").View} View */

/**
 * One axis of a resize of which a part is kept.
 * @typedef {{length: number, resized: number, start: number, kept: number}} Axis
 */

/**
 * The way from pictures of one size to the network's pixels.
 * @typedef {object} Plan
 * @property {Axis} rows
 * @property {Axis} columns
 * @property {Region} region Part of the picture that the network sees.
 * @property {string} interpolation
 */

/**
 * Plan how pictures of a size are shown to the network.
 * @param {number} height
 * @param {number} width
 * @param {Preprocessing} preprocessing
 * @param {View} view
 * @returns {Plan}
 */
export function planPicture(height, width, preprocessing, view) {
  /** @type {[number, number]} */
  const input = [preprocessing.height, preprocessing.width];
  let resized = input;
  if (view === "crop") resized = cropResize(height, width, preprocessing);
  if (view === "full") resized = wholePicture(height, width, preprocessing);
  const shown = view === "full" ? resized : input;
  const rows = axis(height, resized[0], shown[0]);
  const columns = axis(width, resized[1], shown[1]);
  const [y, tall] = seen(rows);
  const [x, wide] = seen(columns);
  const region = { x, y, width: wide, height: tall };
  return { rows, columns, region, interpolation: preprocessing.filter };
}

/**
 * Height and width of the whole picture before its centre is cut out.
 * @param {number} height
 * @param {number} width
 * @param {Preprocessing} preprocessing
 * @returns {[number, number]}
 */
function cropResize(height, width, preprocessing) {
  const { resize, height: tall, width: wide } = preprocessing;
  if (resize === null) return [preprocessing.resize_height ?? tall, preprocessing.resize_width ?? wide];
  const short = Math.min(tall, wide);
  const whole = preprocessing.rounding === "floor" ? Math.trunc : roundEven;
  if (height * wide <= width * tall) {
    const target = roundEven((resize * tall) / short);
    return [target, Math.max(wide, whole((target * width) / height))];
  }
  const target = roundEven((resize * wide) / short);
  return [Math.max(tall, whole((target * height) / width)), target];
}

/**
 * Height and width of the network's input where it keeps the picture's shape.
 * @param {number} height
 * @param {number} width
 * @param {Preprocessing} preprocessing
 * @returns {[number, number]}
 */
function wholePicture(height, width, preprocessing) {
  const { grid, longest_ratio: longest } = preprocessing;
  const side = Math.min(preprocessing.height, preprocessing.width);
  const short = Math.min(height, width);
  const onGrid = (/** @type {number} */ length) =>
    Math.max(grid, roundEven(Math.min((side * length) / short, longest * side) / grid) * grid);
  return [onGrid(height), onGrid(width)];
}

/** @param {number} length @param {number} resized @param {number} kept @returns {Axis} */
function axis(length, resized, kept) {
  return { length, resized, start: roundEven((resized - kept) / 2), kept };
}

/**
 * First pixel of the picture that is kept, and how many.
 * @param {Axis} axis
 * @returns {[number, number]}
 */
function seen({ length, resized, start, kept }) {
  const first = Math.min(length - 1, roundEven((start * length) / resized));
  const last = clamp(roundEven(((start + kept) * length) / resized), first + 1, Math.max(length, first + 1));
  return [first, last - first];
}
