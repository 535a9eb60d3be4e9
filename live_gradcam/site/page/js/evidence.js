// Choosing maps of an explanation, and asking one spot of them.

/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./types.js").Region} Region */
/** @typedef {import("./heat.js").EvidenceMap} EvidenceMap */

/** @typedef {{index: number, label: string, value: number}} Vote */

/**
 * One cell of the evidence: what it says about the shown class, and about others.
 * @typedef {object} Spot
 * @property {Region} cell In pixels of the picture.
 * @property {Vote} shown
 * @property {Vote[]} votesFor Other classes that it speaks for, strongest first.
 * @property {Vote[]} votesAgainst
 * @property {number} place Of the cell in a map.
 */

const MOST_VOTES = 3;

/**
 * The map of a class; null where the graph has none.
 * @param {Explanation} explanation
 * @param {number} index
 * @returns {EvidenceMap | null}
 */
export function mapOf({ evidence }, index) {
  const place = evidence.classes.indexOf(index);
  if (place < 0) return null;
  const { data, rows, columns } = evidence;
  const size = rows * columns;
  return { values: data.subarray(place * size, (place + 1) * size), rows, columns };
}

/**
 * The map of "this rather than that": linear, so that it is the difference of the maps.
 * @param {EvidenceMap} first
 * @param {EvidenceMap} second
 * @returns {EvidenceMap}
 */
export function difference(first, second) {
  return { ...first, values: first.values.map((value, place) => value - second.values[place]) };
}

/**
 * What the spot at a pixel of the picture says; null where the network saw nothing.
 * @param {Explanation} explanation
 * @param {string[]} labels
 * @param {number} shown Index of the class whose map is shown.
 * @param {number} x
 * @param {number} y
 * @returns {Spot | null}
 */
export function spotAt(explanation, labels, shown, x, y) {
  const { region } = explanation;
  const { data, classes, rows, columns } = explanation.evidence;
  const column = Math.floor(((x - region.x) * columns) / region.width);
  const row = Math.floor(((y - region.y) * rows) / region.height);
  if (row < 0 || row >= rows || column < 0 || column >= columns || !classes.length) return null;
  const votes = classes.map((index, place) => ({
    index,
    label: labels[index],
    value: data[place * rows * columns + row * columns + column],
  }));
  const first = votes.find((vote) => vote.index === shown) ?? votes[0];
  const others = votes.filter((vote) => vote !== first).sort((a, b) => b.value - a.value);
  return {
    cell: cellAt(region, rows, columns, row, column),
    place: row * columns + column,
    shown: first,
    votesFor: others.slice(0, MOST_VOTES).filter((vote) => vote.value > 0),
    votesAgainst: others.reverse().slice(0, MOST_VOTES).filter((vote) => vote.value < 0),
  };
}

/**
 * What a spot says where two classes are compared: first what it says about the two of them.
 * @param {Spot} spot
 * @param {Vote} shown
 * @returns {Spot}
 */
export function asContrast(spot, shown) {
  const votes = [spot.shown, ...spot.votesFor, ...spot.votesAgainst];
  const sorted = votes.sort((a, b) => b.value - a.value);
  return {
    ...spot,
    shown,
    votesFor: sorted.filter((vote) => vote.value > 0).slice(0, MOST_VOTES),
    votesAgainst: sorted.filter((vote) => vote.value < 0).reverse().slice(0, MOST_VOTES),
  };
}

/** @param {Region} region @param {number} rows @param {number} columns @param {number} row @param {number} column */
function cellAt(region, rows, columns, row, column) {
  const edge = (/** @type {number} */ start, /** @type {number} */ length, /** @type {number} */ part, /** @type {number} */ parts) =>
    start + Math.floor((part * length) / parts);
  const x = edge(region.x, region.width, column, columns);
  const y = edge(region.y, region.height, row, rows);
  return {
    x,
    y,
    width: Math.max(1, edge(region.x, region.width, column + 1, columns) - x),
    height: Math.max(1, edge(region.y, region.height, row + 1, rows) - y),
  };
}
