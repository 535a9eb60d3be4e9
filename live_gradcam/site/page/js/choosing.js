// Which classes are explained, and with which maps.

import { difference, mapOf } from "./evidence.js";
import { ranking } from "./predictions.js";
import { fill } from "./wording.js";

/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./types.js").Site} Site */
/** @typedef {import("./state.js").Choices} Choices */
/** @typedef {import("./heat.js").EvidenceMap} EvidenceMap */

/**
 * One picture that is drawn, and what is written under it.
 * @typedef {{index: number, title: string, map: EvidenceMap | null, bare?: boolean, isContrast?: boolean}} Tile
 */

/**
 * The classes that could be explained, the one that is meant first.
 * @param {Explanation} explanation
 * @param {Choices} choices
 * @param {Site} site
 */
function candidates(explanation, choices, { model }) {
  const mapped = explanation.evidence.classes;
  const { held } = choices;
  // The order of the list, which is steady in moving pictures, comes before that of the scores.
  const wished = [
    ...(held === null ? [] : [held]),
    ...explanation.predictions.map((each) => each.index),
    ...ranking(explanation.scores, model),
  ];
  return [...new Set(wished)].filter((index) => mapped.includes(index));
}

/**
 * The class whose map is shown.
 * @param {Explanation} explanation
 * @param {Choices} choices
 * @param {Site} site
 */
export function shownClass(explanation, choices, site) {
  return candidates(explanation, choices, site)[0] ?? explanation.predictions[0].index;
}

/**
 * The class that a contrast compares the shown one with; null where there is no other.
 * @param {Explanation} explanation
 * @param {Choices} choices
 * @param {Site} site
 */
export function otherClass(explanation, choices, site) {
  const [first, ...others] = candidates(explanation, choices, site);
  const { against } = choices;
  return against !== null && against !== first && others.includes(against) ? against : (others[0] ?? null);
}

/**
 * The pictures to draw.
 * @param {Explanation} explanation
 * @param {Choices} choices
 * @param {Site} site
 * @returns {Tile[]}
 */
export function tilesOf(explanation, choices, site) {
  const tiles = mapsOf(explanation, choices, site);
  if (choices.layout !== "side-by-side" || choices.mode === "mosaic") return tiles;
  return [{ index: tiles[0].index, title: site.texts["tile.bare"], map: null, bare: true }, ...tiles];
}

/**
 * @param {Explanation} explanation
 * @param {Choices} choices
 * @param {Site} site
 * @returns {Tile[]}
 */
function mapsOf(explanation, choices, site) {
  const { labels, contrasts } = site.model;
  const shown = shownClass(explanation, choices, site);
  const tile = (/** @type {number} */ index) => ({ index, title: labels[index], map: mapOf(explanation, index) });
  if (choices.mode === "mosaic") {
    return candidates(explanation, choices, site).slice(0, site.settings.tiles).map(tile);
  }
  const other = otherClass(explanation, choices, site);
  const [first, second] = [mapOf(explanation, shown), other === null ? null : mapOf(explanation, other)];
  if (choices.mode === "contrast" && contrasts && other !== null && first && second) {
    const title = fill(site.texts["contrast.title"], { first: labels[shown], second: labels[other] });
    return [{ index: shown, title, map: difference(first, second), isContrast: true }];
  }
  return [tile(shown)];
}
