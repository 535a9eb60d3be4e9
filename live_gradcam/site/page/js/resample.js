// Pillow's resize, bit for bit: separable filters, widened when shrinking, in fixed point.
// (Pillow, src/libImaging/Resample.c). Only the pixels that are kept are computed.

/** @typedef {import("./types.js").Source} Source */
/** @typedef {import("./plan.js").Axis} Axis */
/** @typedef {import("./plan.js").Plan} Plan */

const PRECISION_BITS = 22;
const HALF = 1 << (PRECISION_BITS - 1);

/** @type {Record<string, {support: number, weight: (x: number) => number}>} */
const FILTERS = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: { support: 1, weight: hamming },
  bicubic: { support: 2, weight: bicubic },
  lanczos: { support: 3, weight: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Names of the filters that there are. */
export const FILTER_NAMES = ["nearest", ...Object.keys(FILTERS)];

/** @param {number} x */
function sinc(x) {
  if (x === 0) return 1;
  return Math.sin(x * Math.PI) / (x * Math.PI);
}

/** @param {number} x */
function hamming(x) {
  const distance = Math.abs(x);
  if (distance === 0) return 1;
  if (distance >= 1) return 0;
  const angle = distance * Math.PI;
  return (Math.sin(angle) / angle) * (0.54 + 0.46 * Math.cos(angle));
}

/** @param {number} x */
function bicubic(x) {
  const a = -0.5;
  const distance = Math.abs(x);
  if (distance < 1) return ((a + 2) * distance - (a + 3)) * distance * distance + 1;
  if (distance < 2) return (((distance - 5) * distance + 8) * distance - 4) * a;
  return 0;
}

/**
 * Weights of one axis.
 * @typedef {object} Weights
 * @property {number} first First source pixel that any result needs.
 * @property {number} last Behind the last one.
 * @property {Int32Array} starts First source pixel of each result.
 * @property {Int32Array} counts How many each result needs.
 * @property {Int32Array} values `most` for each result, in 2^22nds.
 * @property {number} most
 */

/**
 * @param {Axis} axis
 * @param {string} name Of the filter.
 * @returns {Weights}
 */
function weigh(axis, name) {
  const { support: reach, weight } = FILTERS[name];
  const scale = axis.length / axis.resized;
  const widened = Math.max(scale, 1);
  const support = reach * widened;
  const most = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(axis.kept);
  const counts = new Int32Array(axis.kept);
  const values = new Int32Array(axis.kept * most);
  const exact = new Float64Array(most);
  for (let place = 0; place < axis.kept; place++) {
    const centre = (axis.start + place + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const count = Math.min(axis.length, Math.trunc(centre + support + 0.5)) - start;
    let sum = 0;
    for (let each = 0; each < count; each++) {
      exact[each] = weight((each + start - centre + 0.5) / widened);
      sum += exact[each];
    }
    for (let each = 0; each < count; each++) {
      const share = sum === 0 ? exact[each] : exact[each] / sum;
      const fixed = share * (1 << PRECISION_BITS);
      values[place * most + each] = Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    }
    starts[place] = start;
    counts[place] = count;
  }
  const last = axis.kept - 1;
  return { first: starts[0], last: starts[last] + counts[last], starts, counts, values, most };
}

/** @param {number} sum */
function byte(sum) {
  const value = sum >> PRECISION_BITS;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

/**
 * Resize and cut a picture to the network's pixels.
 * @param {Source} source
 * @param {Plan} plan For pictures of this size.
 * @returns {Uint8Array} RGB, rows from the top.
 */
export function resample(source, plan) {
  const { rows, columns, interpolation } = plan;
  if (interpolation === "nearest") return nearest(source, plan);
  if (!(interpolation in FILTERS)) throw new Error(`no filter is called ${interpolation}`);
  const down = weigh(rows, interpolation);
  const across = weigh(columns, interpolation);
  const middle = squeezeRows(source, down.first, down.last, across, columns);
  return squeezeColumns(middle, columns.kept, down, rows);
}

/**
 * The horizontal pass, over the rows that the vertical one needs.
 * @param {Source} source
 * @param {number} top
 * @param {number} bottom
 * @param {Weights} weights
 * @param {Axis} columns
 */
function squeezeRows(source, top, bottom, weights, columns) {
  const { starts, counts, values, most } = weights;
  const { data, width } = source;
  const kept = columns.kept;
  const result = new Uint8Array((bottom - top) * kept * 3);
  let out = 0;
  for (let row = top; row < bottom; row++) {
    for (let column = 0; column < kept; column++) {
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      let at = (row * width + starts[column]) * 4;
      const first = column * most;
      const end = first + counts[column];
      for (let each = first; each < end; each++, at += 4) {
        const weight = values[each];
        red = (red + data[at] * weight) | 0;
        green = (green + data[at + 1] * weight) | 0;
        blue = (blue + data[at + 2] * weight) | 0;
      }
      result[out++] = byte(red);
      result[out++] = byte(green);
      result[out++] = byte(blue);
    }
  }
  return result;
}

/**
 * @param {Uint8Array} middle RGB rows from `weights.first` on.
 * @param {number} width
 * @param {Weights} weights
 * @param {Axis} rows
 */
function squeezeColumns(middle, width, weights, rows) {
  const { first, starts, counts, values, most } = weights;
  const length = width * 3;
  const result = new Uint8Array(rows.kept * length);
  const sums = new Int32Array(length);
  for (let row = 0; row < rows.kept; row++) {
    sums.fill(HALF);
    for (let each = 0; each < counts[row]; each++) {
      const weight = values[row * most + each];
      const at = (starts[row] - first + each) * length;
      for (let place = 0; place < length; place++) {
        sums[place] = (sums[place] + middle[at + place] * weight) | 0;
      }
    }
    const out = row * length;
    for (let place = 0; place < length; place++) result[out + place] = byte(sums[place]);
  }
  return result;
}

/**
 * @param {Source} source
 * @param {Plan} plan
 */
function nearest(source, { rows, columns }) {
  const down = nearestPlaces(rows);
  const across = nearestPlaces(columns);
  const result = new Uint8Array(rows.kept * columns.kept * 3);
  let out = 0;
  for (const row of down) {
    for (const column of across) {
      const at = (row * source.width + column) * 4;
      for (let channel = 0; channel < 3; channel++) result[out++] = source.data[at + channel];
    }
  }
  return result;
}

/**
 * Pillow adds the step up, one result after the other; so the roundings are the same.
 * @param {Axis} axis
 */
function nearestPlaces({ length, resized, start, kept }) {
  const step = length / resized;
  const places = [];
  let place = step * 0.5;
  for (let each = 0; each < start + kept; each++, place += step) {
    if (each >= start) places.push(Math.min(length - 1, Math.floor(place)));
  }
  return places;
}
