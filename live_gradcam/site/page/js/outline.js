// The edge of a mask as lines, and lines that are seen on any ground.

/** @typedef {[number, number, number, number]} Line From x, y to x, y. */

const DARK = "#101010";
const LIGHT = "#ffffff";

// Which sides of a square of four pixels its edge crosses: top, right, bottom, left by the bits
// of its corners, top left first.
/** @type {Record<number, [number, number][]>} */
const CROSSINGS = {
  1: [[3, 2]], 2: [[2, 1]], 3: [[3, 1]], 4: [[0, 1]], 5: [[3, 0], [2, 1]], 6: [[0, 2]], 7: [[3, 0]],
  8: [[3, 0]], 9: [[0, 2]], 10: [[3, 2], [0, 1]], 11: [[0, 1]], 12: [[3, 1]], 13: [[2, 1]], 14: [[3, 2]],
};
/** @type {[number, number][]} */
const MIDDLES = [[0.5, 0], [1, 0.5], [0.5, 1], [0, 0.5]];

/**
 * The edge of a square mask, in shares of its side.
 * @param {Uint8Array} mask
 * @param {number} side
 * @returns {Line[]}
 */
export function edgeOf(mask, side) {
  const at = (/** @type {number} */ row, /** @type {number} */ column) =>
    row >= 0 && column >= 0 && row < side && column < side ? mask[row * side + column] : 0;
  /** @type {Line[]} */
  const lines = [];
  for (let row = -1; row < side; row++) {
    for (let column = -1; column < side; column++) {
      const corners =
        8 * at(row, column) + 4 * at(row, column + 1) + 2 * at(row + 1, column + 1) + at(row + 1, column);
      for (const [from, to] of CROSSINGS[corners] ?? []) {
        const place = (/** @type {number} */ edge) => [
          Math.min(1, Math.max(0, (column + 0.5 + MIDDLES[edge][0]) / side)),
          Math.min(1, Math.max(0, (row + 0.5 + MIDDLES[edge][1]) / side)),
        ];
        const [[x0, y0], [x1, y1]] = [place(from), place(to)];
        lines.push([x0, y0, x1, y1]);
      }
    }
  }
  return lines;
}

/**
 * Draw a path bright on dark.
 * @param {CanvasRenderingContext2D} brush
 * @param {Path2D} path
 * @param {number} thickness
 */
export function strokeTwice(brush, path, thickness) {
  brush.lineCap = brush.lineJoin = "round";
  for (const [colour, width] of /** @type {[string, number][]} */ ([[DARK, 3 * thickness], [LIGHT, thickness]])) {
    brush.strokeStyle = colour;
    brush.lineWidth = width;
    brush.stroke(path);
  }
}
