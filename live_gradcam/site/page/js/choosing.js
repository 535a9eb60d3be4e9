// Which classes are explained, and with which maps.

import { difference, mapOf } from "./evidence.js";
import { ranking } from "./predictions.js";
import { fill } from "./wording.js";

/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./types.js").Model} Model */
/** @typedef {import("./types.js").Site} Site */
/** @typedef {import("./state.js").Choices} Choices */
/** @typedef {import("./heat.js").EvidenceMap} EvidenceMap */

/**
 * One picture that is drawn, and what is written under it.
 * @typedef {{index: number, title: string, map: EvidenceMap | null, bare?: boolean, isContrast?: boolean}} Tile
 *
 * What is shown of an explanation.
 * @typedef {object} Chosen
 * @property {number} index Of the class whose map is shown.
 * @property {number | null} other Class that a contrast compares it with; null where there is none.
 * @property {Tile[]} tiles The pictures to draw.
 */

/**
 * Choose the classes and their maps, once for each picture and question.
 * @param {Explanation} explanation
 * @param {Choices} choices
 * @param {Model} model
 * @param {Site} site
 * @returns {Chosen}
 */
export function choose(explanation, choices, model, site) {
  const wished = candidates(explanation, choices.held, model);
  const index = wished[0] ?? explanation.predictions[0].index;
  const { against } = choices;
  const asked = against !== null && against !== index && wished.includes(against);
  const other = asked ? against : (wished[1] ?? null);
  const tiles = mapsOf(explanation, choices, model, site, wished, index, other);
  if (choices.layout === "side-by-side" && choices.mode !== "mosaic") {
    tiles.unshift({ index, title: site.texts["tile.bare"], map: null, bare: true });
  }
  return { index, other, tiles };
}

/**
 * The classes that have a map, the one that is meant first.
 * @param {Explanation} explanation
 * @param {number | null} held
 * @param {Model} model
 */
function candidates(explanation, held, model) {
  const mapped = new Set(explanation.evidence.classes);
  // The order of the list, which is steady in moving pictures, comes before that of the scores.
  const wished = [
    ...(held === null ? [] : [held]),
    ...explanation.predictions.map((each) => each.index),
    ...ranking(explanation.scores, model),
  ];
  return [...new Set(wished)].filter((index) => mapped.has(index));
}

/**
 * @param {Explanation} explanation
 * @param {Choices} choices
 * @param {Model} model
 * @param {Site} site
 * @param {number[]} wished
 * @param {number} index
 * @param {number | null} other
 * @returns {Tile[]}
 */
function mapsOf(explanation, choices, { labels, contrasts }, site, wished, index, other) {
  const tile = (/** @type {number} */ each) => ({ index: each, title: labels[each], map: mapOf(explanation, each) });
  if (choices.mode === "mosaic") return wished.slice(0, site.settings.tiles).map(tile);
  const [first, second] = [mapOf(explanation, index), other === null ? null : mapOf(explanation, other)];
  if (choices.mode === "contrast" && contrasts && other !== null && first && second) {
    const title = fill(site.texts["contrast.title"], { first: labels[index], second: labels[other] });
    return [{ index, title, map: difference(first, second), isContrast: true }];
  }
  return [tile(index)];
}
