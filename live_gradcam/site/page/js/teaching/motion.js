// What moves before a camera that stands still, and the same picture with it covered: the rules of
// live_gradcam.teaching.motion. In a burst the median of each pixel is what is there most of the
// time; where a frame differs from it, something moved.

import { areaMeans, blurred, cover, enlarged, hullOf, nearest, reduced } from "./masks.js";
import { roundEven } from "../rounding.js";

const FEWEST_FRAMES = 6;
const MOST_FRAMES = 24;
const CHOSEN = 3;
const DIFFERENCE = 24; // grey levels where something moved; light and noise stay below
const LEAST_MOVED = 0.004; // shares of the picture: less is noise
const MOST_MOVED = 0.45; // more is a camera that moves
const MOST_COVERED = 0.75;
const LOOKED_AT = 256; // longest side at which movement is looked for
const OFFSET = 8; // so that what is black has a ratio
const ALIKE = 5; // grey levels between two pictures of one wall
const UNLIKE = 16; // and of two
const MOSTLY = 0.7; // share of the wall that has no more
const LEAST_KNOWN = 0.08;
const STILL = 0.9;

/** Height and width in pixels at which backgrounds are compared. */
export const WALL = 24;

/**
 * A frame in which something moves.
 * @typedef {{index: number, mask: Uint8Array, covered: Uint8Array}} Moved
 *
 * A burst before a camera that stands still: the frames in which most moves, and what stands still,
 * `WALL` pixels high and wide, RGB and 255 where nothing ever moved.
 * @typedef {{moved: Moved[], wall: Uint8Array}} Stillness
 */

/**
 * Find what moves in a burst, and what stands still.
 * @param {Uint8Array[]} frames RGB, of one size, in order.
 * @param {number} width
 * @param {number} height
 * @returns {Stillness | null} Null where it cannot be told: there are few frames, or the camera moves.
 */
export function findMoved(frames, width, height) {
  if (frames.length < FEWEST_FRAMES) return null;
  const chosen = someOf(frames.length);
  const scale = Math.min(1, LOOKED_AT / Math.max(width, height));
  const [wide, tall] = scale < 1 ? [width, height].map((side) => Math.max(1, roundEven(side * scale))) : [width, height];
  const smooth = chosen.map((index) => blurred(reduced(frames[index], width, height, wide, tall), wide, tall));
  const still = medians(smooth);
  const differences = smooth.map((frame) => differing(frame, still));
  const sizes = differences.map(({ mask }) => sumOf(mask) / mask.length);
  if (median(sizes) > MOST_MOVED) return null;
  /** @type {Map<number, Uint8Array>} Where each frame moves, in the order of how much; of the network's size. */
  const hulls = new Map();
  /** @type {number[]} */
  const fitting = [];
  const ever = new Float32Array(wide * tall);
  const order = sizes.map((_, place) => place).sort((a, b) => sizes[b] - sizes[a] || a - b);
  for (const place of order) {
    const hull = sizes[place] < LEAST_MOVED ? null : hullOf(differences[place].mask, wide, tall);
    if (!hull) continue;
    hull.forEach((one, at) => one && (ever[at] = 1));
    hulls.set(place, nearest(hull, wide, tall, width, height));
    if (sumOf(hull) <= MOST_COVERED * hull.length) fitting.push(place);
  }
  const used = chosen.map((index) => frames[index]);
  const light = differences.map(({ ratio }) => ratio);
  const moved = fitting.slice(0, CHOSEN).map((place) => ({
    index: chosen[place],
    mask: /** @type {Uint8Array} */ (hulls.get(place)),
    covered: coveredBy(used, light, hulls, place, width, height),
  }));
  return { moved, wall: wallOf(still, ever, wide, tall) };
}

/**
 * Cover what moves in a frame by what is behind it, as other frames show it; what none shows is
 * filled in by what stands around it.
 * @param {Uint8Array[]} frames
 * @param {number[]} light What each is multiplied by to have the light of all of them.
 * @param {Map<number, Uint8Array>} hulls Where each moves.
 * @param {number} position Of the frame.
 * @param {number} width
 * @param {number} height
 */
function coveredBy(frames, light, hulls, position, width, height) {
  const result = frames[position].slice();
  const hidden = /** @type {Uint8Array} */ (hulls.get(position)).slice();
  const sizes = frames.map((_, place) => sumOf(hulls.get(place) ?? []));
  let left = sumOf(hidden);
  // Those in which least moves show most of what is behind it.
  for (const other of frames.map((_, place) => place).sort((a, b) => sizes[a] - sizes[b] || a - b)) {
    const [frame, hull] = [frames[other], hulls.get(other)];
    const factor = light[other] / light[position];
    for (let place = 0; place < hidden.length; place++) {
      if (!hidden[place] || hull?.[place]) continue;
      for (let at = 3 * place; at < 3 * place + 3; at++) result[at] = Math.min(255, roundEven(frame[at] * factor));
      hidden[place] = 0;
      left -= 1;
    }
    if (!left) return result;
  }
  return cover(result, hidden, width, height);
}

/** @param {ArrayLike<number>} values */
function sumOf(values) {
  let sum = 0;
  for (let at = 0; at < values.length; at++) sum += values[at];
  return sum;
}

/** Places of at most `MOST_FRAMES` frames. @param {number} count */
function someOf(count) {
  const step = (count - 1) / (MOST_FRAMES - 1);
  return [...new Set(Array.from({ length: MOST_FRAMES }, (_, place) => roundEven(place * step)))];
}

/** The median of each byte. @param {Uint8Array[]} frames */
function medians(frames) {
  const found = new Float32Array(frames[0].length);
  const values = new Uint8Array(frames.length);
  const middle = frames.length >> 1;
  for (let at = 0; at < found.length; at++) {
    for (let each = 0; each < values.length; each++) {
      const value = frames[each][at];
      let place = each;
      for (; place > 0 && values[place - 1] > value; place--) values[place] = values[place - 1];
      values[place] = value;
    }
    found[at] = values.length % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  }
  return found;
}

/** @param {ArrayLike<number>} values */
function median(values) {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Where a frame differs from what is there most of the time. A change of light changes all of the
 * picture alike: most of it has the median ratio.
 * @param {Uint8Array} frame
 * @param {Float32Array} still
 */
function differing(frame, still) {
  const ratio = median(still.map((value, at) => (value + OFFSET) / (frame[at] + OFFSET)));
  const mask = new Uint8Array(frame.length / 3);
  for (let place = 0; place < mask.length; place++) {
    for (let at = 3 * place; at < 3 * place + 3; at++) {
      if (Math.abs(frame[at] * ratio - still[at]) > DIFFERENCE) mask[place] = 1;
    }
  }
  return { mask, ratio };
}

/**
 * @param {Float32Array} still
 * @param {Float32Array} moved
 * @param {number} width
 * @param {number} height
 */
function wallOf(still, moved, width, height) {
  const wall = new Uint8Array(WALL * WALL * 4);
  for (let channel = 0; channel < 3; channel++) {
    const plane = Float32Array.from(moved, (_, place) => still[3 * place + channel]);
    areaMeans(plane, width, height, WALL, WALL).forEach((value, place) => (wall[4 * place + channel] = roundEven(value)));
  }
  areaMeans(moved, width, height, WALL, WALL).forEach((share, place) => (wall[4 * place + 3] = 1 - share > STILL ? 255 : 0));
  return wall;
}

/**
 * True if two bursts were shown before one background; null where too little of it is seen in both,
 * or where they are alike but not the same.
 * @param {Uint8Array} one
 * @param {Uint8Array} other
 */
export function isSameWall(one, other) {
  /** @type {number[]} */
  const places = [];
  for (let at = 0; at < one.length; at += 4) if (one[at + 3] && other[at + 3]) places.push(at);
  if (places.length < LEAST_KNOWN * WALL * WALL) return null;
  const ratio = median(places.flatMap((at) => [0, 1, 2].map((channel) => (one[at + channel] + OFFSET) / (other[at + channel] + OFFSET))));
  // The light may be another one, but not by so much that it is another wall.
  if (!(ratio > 0.5 && ratio < 2)) return false;
  const light = Math.sqrt(ratio);
  const apart = places.map((at) =>
    Math.max(...[0, 1, 2].map((channel) => Math.abs((one[at + channel] + OFFSET) / light - (other[at + channel] + OFFSET) * light))),
  );
  const most = quantile(apart, MOSTLY);
  return most <= ALIKE ? true : most > UNLIKE ? false : null;
}

/** @param {number[]} values @param {number} share */
function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const low = Math.floor(place);
  const high = Math.min(sorted.length - 1, low + 1);
  return sorted[low] + (place - low) * (sorted[high] - sorted[low]);
}

/**
 * How much of each cell of a grid a mask covers, 0..1.
 * @param {Uint8Array} mask
 * @param {number} width
 * @param {number} height
 * @param {number} rows
 * @param {number} columns
 */
export function shareOfCells(mask, width, height, rows, columns) {
  const plane = Float32Array.from(mask);
  return width >= columns && height >= rows
    ? areaMeans(plane, width, height, rows, columns)
    : enlarged(plane, width, height, rows, columns);
}
