// OpenCV's enlargements: pixels are centred over their boxes, edges are repeated.

/**
 * Weights of a result pixel: `taps` source pixels from `starts` on, which may lie outside.
 * @typedef {{starts: Int32Array, weights: Float32Array, taps: number}} Taps
 */

const SHARPNESS = -0.75; // OpenCV's cubic

/** @type {Map<string, Taps>} */
const known = new Map();
const MOST_KNOWN = 32;

/**
 * Pictures of a film have the same sizes.
 * @param {(length: number, size: number) => Taps} make
 * @param {number} length
 * @param {number} size
 */
function taps(make, length, size) {
  const key = `${make.name} ${length} ${size}`;
  const found = known.get(key) ?? make(length, size);
  if (known.size >= MOST_KNOWN) known.clear();
  known.set(key, found);
  return found;
}

/** @param {number} length @param {number} size @returns {Taps} */
function cubicTaps(length, size) {
  const starts = new Int32Array(size);
  const weights = new Float32Array(size * 4);
  for (let place = 0; place < size; place++) {
    const centre = ((place + 0.5) * length) / size - 0.5;
    const low = Math.floor(centre);
    const x = centre - low;
    const a = SHARPNESS;
    const far = x + 1;
    const next = 1 - x;
    const first = ((a * far - 5 * a) * far + 8 * a) * far - 4 * a;
    const second = ((a + 2) * x - (a + 3)) * x * x + 1;
    const third = ((a + 2) * next - (a + 3)) * next * next + 1;
    starts[place] = low - 1;
    weights.set([first, second, third, 1 - first - second - third], place * 4);
  }
  return { starts, weights, taps: 4 };
}

/** @param {number} length @param {number} size @returns {Taps} */
function linearTaps(length, size) {
  const starts = new Int32Array(size);
  const weights = new Float32Array(size * 2);
  for (let place = 0; place < size; place++) {
    const centre = ((place + 0.5) * length) / size - 0.5;
    const low = Math.floor(centre);
    starts[place] = low;
    weights[place * 2] = 1 - (centre - low);
    weights[place * 2 + 1] = centre - low;
  }
  return { starts, weights, taps: 2 };
}

/**
 * @param {ArrayLike<number>} values
 * @param {number} rows
 * @param {number} columns
 * @param {Taps} down
 * @param {Taps} across
 */
function apply(values, rows, columns, down, across) {
  const width = across.starts.length;
  const height = down.starts.length;
  const middle = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < width; column++) {
      let sum = 0;
      for (let tap = 0; tap < across.taps; tap++) {
        const at = Math.min(columns - 1, Math.max(0, across.starts[column] + tap));
        sum += across.weights[column * across.taps + tap] * values[row * columns + at];
      }
      middle[row * width + column] = sum;
    }
  }
  const result = new Float32Array(height * width);
  for (let row = 0; row < height; row++) {
    for (let tap = 0; tap < down.taps; tap++) {
      const weight = down.weights[row * down.taps + tap];
      const at = Math.min(rows - 1, Math.max(0, down.starts[row] + tap)) * width;
      for (let column = 0, out = row * width; column < width; column++, out++) {
        result[out] += weight * middle[at + column];
      }
    }
  }
  return result;
}

/**
 * @param {ArrayLike<number>} values `rows` rows of `columns`.
 * @param {number} rows
 * @param {number} columns
 * @param {number} height Of the result.
 * @param {number} width Of the result.
 * @returns {Float32Array}
 */
export function enlargeCubic(values, rows, columns, height, width) {
  return apply(values, rows, columns, taps(cubicTaps, rows, height), taps(cubicTaps, columns, width));
}

/**
 * @param {ArrayLike<number>} values `rows` rows of `columns`.
 * @param {number} rows
 * @param {number} columns
 * @param {number} height Of the result.
 * @param {number} width Of the result.
 * @returns {Float32Array}
 */
export function enlargeLinear(values, rows, columns, height, width) {
  return apply(values, rows, columns, taps(linearTaps, rows, height), taps(linearTaps, columns, width));
}
