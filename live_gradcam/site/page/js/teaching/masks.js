// Masks and small pictures: what OpenCV does for live_gradcam.teaching.motion.

import { enlargeLinear } from "../interpolate.js";
import { roundEven } from "../rounding.js";

const SMALL = 64; // the side at which what is covered is filled
const REACH = 3; // how far a filled pixel looks around

/**
 * Means over 5x5 pixels, in whole numbers, mirrored at the edges.
 * @param {Uint8Array} frame RGB.
 * @param {number} width
 * @param {number} height
 */
export function blurred(frame, width, height) {
  const sums = new Uint16Array(frame.length);
  const result = new Uint8Array(frame.length);
  const mirrored = (/** @type {number} */ place, /** @type {number} */ length) => {
    const inside = Math.abs(place);
    return inside < length ? inside : 2 * (length - 1) - inside;
  };
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const to = 3 * (row * width + column);
      for (let step = -2; step <= 2; step++) {
        const from = 3 * (row * width + mirrored(column + step, width));
        for (let channel = 0; channel < 3; channel++) sums[to + channel] += frame[from + channel];
      }
    }
  }
  for (let row = 0; row < height; row++) {
    const rows = [-2, -1, 0, 1, 2].map((step) => 3 * width * mirrored(row + step, height));
    for (let at = 0; at < 3 * width; at++) {
      let sum = 0;
      for (const start of rows) sum += sums[start + at];
      result[3 * width * row + at] = roundEven(sum / 25);
    }
  }
  return result;
}

/**
 * The mean of each cell of a grid, as OpenCV's INTER_AREA.
 * @param {Float32Array} plane
 * @param {number} width
 * @param {number} height
 * @param {number} rows
 * @param {number} columns
 */
export function areaMeans(plane, width, height, rows, columns) {
  const across = spans(width, columns);
  const down = spans(height, rows);
  const half = new Float32Array(height * columns);
  for (let row = 0; row < height; row++) {
    across.forEach((span, column) => {
      let sum = 0;
      for (const [place, share] of span) sum += plane[row * width + place] * share;
      half[row * columns + column] = sum;
    });
  }
  const result = new Float32Array(rows * columns);
  down.forEach((span, row) => {
    for (const [place, share] of span) {
      for (let column = 0; column < columns; column++) {
        result[row * columns + column] += half[place * columns + column] * share;
      }
    }
  });
  return result;
}

/**
 * A frame of another size, each pixel the mean of those that it stands for.
 * @param {Uint8Array} frame RGB.
 * @param {number} width
 * @param {number} height
 * @param {number} wide At most the width.
 * @param {number} tall
 */
export function reduced(frame, width, height, wide, tall) {
  if (wide === width && tall === height) return frame;
  const result = new Uint8Array(wide * tall * 3);
  for (let channel = 0; channel < 3; channel++) {
    const plane = Float32Array.from({ length: width * height }, (_, place) => frame[3 * place + channel]);
    areaMeans(plane, width, height, tall, wide).forEach((value, place) => (result[3 * place + channel] = roundEven(value)));
  }
  return result;
}

/**
 * A mask of another size, without anything between its pixels.
 * @param {Uint8Array} mask
 * @param {number} width
 * @param {number} height
 * @param {number} wide
 * @param {number} tall
 */
export function nearest(mask, width, height, wide, tall) {
  if (wide === width && tall === height) return mask;
  return Uint8Array.from({ length: wide * tall }, (_, place) => {
    const row = Math.floor((Math.floor(place / wide) * height) / tall);
    return mask[row * width + Math.floor(((place % wide) * width) / wide)];
  });
}

/**
 * Which pixels lie in each cell of an axis, and how much of it they fill.
 * @param {number} length
 * @param {number} cells
 */
function spans(length, cells) {
  const size = length / cells;
  return Array.from({ length: cells }, (_, cell) => {
    /** @type {[number, number][]} */
    const inside = [];
    const [start, end] = [cell * size, Math.min(length, (cell + 1) * size)];
    for (let place = Math.floor(start); place < Math.ceil(end - 1e-6); place++) {
      const filled = Math.min(end, place + 1) - Math.max(start, place);
      if (filled > 1e-6) inside.push([place, filled / size]);
    }
    return inside;
  });
}

/**
 * A plane enlarged linearly.
 * @param {Float32Array} plane
 * @param {number} width
 * @param {number} height
 * @param {number} rows
 * @param {number} columns
 */
export function enlarged(plane, width, height, rows, columns) {
  return Float32Array.from(enlargeLinear(plane, height, width, rows, columns));
}

/**
 * The convex hull of what is no speck in a mask, a little larger; null where there are only specks.
 * @param {Uint8Array} mask
 * @param {number} width
 * @param {number} height
 */
export function hullOf(mask, width, height) {
  const reach = Math.max(3, roundEven(Math.min(height, width) / 40) | 1) >> 1;
  const opened = widened(narrowed(mask, width, height, reach), width, height, reach);
  /** @type {[number, number][]} */
  const ends = [];
  for (let row = 0; row < height; row++) {
    const line = opened.subarray(row * width, (row + 1) * width);
    const first = line.indexOf(1);
    if (first >= 0) ends.push([first, row], [line.lastIndexOf(1), row]);
  }
  if (!ends.length) return null;
  return widened(filled(convex(ends), width, height), width, height, 2 * reach);
}

/** @param {Uint8Array} mask @param {number} width @param {number} height @param {number} reach */
function widened(mask, width, height, reach) {
  const across = new Uint8Array(mask.length);
  for (let row = 0; row < height; row++) {
    let until = -1;
    for (let column = -reach; column < width; column++) {
      const ahead = column + reach;
      if (ahead < width && mask[row * width + ahead]) until = ahead + reach;
      if (column >= 0 && column <= until) across[row * width + column] = 1;
    }
  }
  const result = new Uint8Array(mask.length);
  for (let column = 0; column < width; column++) {
    let until = -1;
    for (let row = -reach; row < height; row++) {
      const ahead = row + reach;
      if (ahead < height && across[ahead * width + column]) until = ahead + reach;
      if (row >= 0 && row <= until) result[row * width + column] = 1;
    }
  }
  return result;
}

/** What is outside of the picture takes nothing away. @param {Uint8Array} mask @param {number} width @param {number} height @param {number} reach */
function narrowed(mask, width, height, reach) {
  const gone = widened(
    mask.map((one) => 1 - one),
    width,
    height,
    reach,
  );
  return gone.map((one) => 1 - one);
}

/**
 * The corners of a convex hull, by Andrew's monotone chain.
 * @param {[number, number][]} points
 */
function convex(points) {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const half = (/** @type {[number, number][]} */ order) => {
    /** @type {[number, number][]} */
    const chain = [];
    for (const point of order) {
      for (;;) {
        const [one, other] = chain.slice(-2);
        if (!other) break;
        const turn = (other[0] - one[0]) * (point[1] - one[1]) - (other[1] - one[1]) * (point[0] - one[0]);
        if (turn > 0) break;
        chain.pop();
      }
      chain.push(point);
    }
    return chain.slice(0, -1);
  };
  const corners = [...half(sorted), ...half(sorted.reverse())];
  return corners.length ? corners : sorted.slice(0, 1);
}

/** @param {[number, number][]} corners @param {number} width @param {number} height */
function filled(corners, width, height) {
  const left = new Float64Array(height).fill(Infinity);
  const right = new Float64Array(height).fill(-Infinity);
  corners.forEach(([x, y], place) => {
    const [toX, toY] = corners[(place + 1) % corners.length];
    const steps = Math.max(1, Math.abs(toY - y));
    for (let step = 0; step <= steps; step++) {
      const row = y + Math.round(((toY - y) * step) / steps);
      const column = x + ((toX - x) * step) / steps;
      left[row] = Math.min(left[row], column);
      right[row] = Math.max(right[row], column);
    }
  });
  const mask = new Uint8Array(width * height);
  for (let row = 0; row < height; row++) {
    if (left[row] > right[row]) continue;
    mask.fill(1, row * width + Math.round(left[row]), row * width + Math.round(right[row]) + 1);
  }
  return mask;
}

/**
 * Cover a part of a picture by what stands around it, in low resolution.
 * @param {Uint8Array} frame RGB.
 * @param {Uint8Array} mask
 * @param {number} width
 * @param {number} height
 */
export function cover(frame, mask, width, height) {
  const hidden = nearest(mask, width, height, SMALL, SMALL);
  const gone = widened(hidden, SMALL, SMALL, 1);
  const result = frame.slice();
  const order = fillingOrder(gone);
  for (let channel = 0; channel < 3; channel++) {
    const plane = Float32Array.from(mask, (_, place) => frame[3 * place + channel]);
    const grows = width < SMALL || height < SMALL;
    const small = grows ? enlarged(plane, width, height, SMALL, SMALL) : areaMeans(plane, width, height, SMALL, SMALL);
    fill(small, gone, order);
    const large = enlargeLinear(small, SMALL, SMALL, height, width);
    mask.forEach((one, place) => one && (result[3 * place + channel] = Math.round(large[place])));
  }
  return result;
}

/** The places of a mask from its edge inwards, ring after ring. @param {Uint8Array} mask */
function fillingOrder(mask) {
  const rest = mask.slice();
  /** @type {number[][]} */
  const rings = [];
  for (;;) {
    const ring = [];
    for (let place = 0; place < rest.length; place++) {
      if (rest[place] && neighbours(place, 1).some(([at]) => !rest[at])) ring.push(place);
    }
    if (!ring.length) return rings;
    for (const place of ring) rest[place] = 0;
    rings.push(ring);
  }
}

/** Places around one, with the squares of their distances. @param {number} place @param {number} reach */
function neighbours(place, reach) {
  /** @type {[number, number][]} */
  const found = [];
  const [row, column] = [Math.floor(place / SMALL), place % SMALL];
  for (let down = -reach; down <= reach; down++) {
    for (let along = -reach; along <= reach; along++) {
      const [y, x] = [row + down, column + along];
      const distance = down * down + along * along;
      if (distance && y >= 0 && y < SMALL && x >= 0 && x < SMALL) found.push([y * SMALL + x, distance]);
    }
  }
  return found;
}

/** @param {Float32Array} plane @param {Uint8Array} mask @param {number[][]} order */
function fill(plane, mask, order) {
  const known = mask.map((one) => 1 - one);
  for (const ring of order) {
    const values = ring.map((place) => {
      let sum = 0;
      let weights = 0;
      for (const [at, distance] of neighbours(place, REACH)) {
        if (!known[at]) continue;
        sum += plane[at] / distance;
        weights += 1 / distance;
      }
      return sum / weights;
    });
    ring.forEach((place, at) => {
      plane[place] = values[at];
      known[place] = 1;
    });
  }
}
