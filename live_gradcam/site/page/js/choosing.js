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
 * @property {number} index Of the class that is explained: the one that somebody chose, whether the
 *   graph has a map of it or not, or else the best one that has a map.
 * @property {number | null} other Class that a contrast compares it with; null where there is none.
 * @property {number[]} unmapped Classes that were asked about and have no map of this picture.
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
  const { held, against, mode, layout } = choices;
  const mapped = new Set(explanation.evidence.classes);
  const wished = [...candidates(explanation, held, model)].filter((index) => mapped.has(index));
  const index = held ?? wished[0] ?? explanation.predictions[0].index;
  const other = against !== null && against !== index ? against : (wished.find((each) => each !== index) ?? null);
  const contrast = mode === "contrast" && model.contrasts && other !== null;
  const asked = [index, ...(contrast ? [other] : [])];
  const map = (/** @type {number} */ each) => mapOf(explanation, each);
  const tile = (/** @type {number} */ each) => ({ index: each, title: model.labels[each], map: map(each) });
  /** @type {Tile[]} */
  let tiles = [tile(index)];
  if (mode === "mosaic" && wished.length) tiles = wished.slice(0, site.settings.tiles).map(tile);
  if (contrast) {
    const title = fill(site.texts["contrast.title"], { first: model.labels[index], second: model.labels[other] });
    const [first, second] = [map(index), map(other)];
    tiles = [{ index, title, map: first && second && difference(first, second), isContrast: true }];
  }
  if (layout === "side-by-side" && mode !== "mosaic") {
    tiles.unshift({ index, title: site.texts["tile.bare"], map: null, bare: true });
  }
  return { index, other, unmapped: asked.filter((each) => !mapped.has(each)), tiles };
}

/**
 * All classes, the one that is meant first.
 * @param {Explanation} explanation
 * @param {number | null} held
 * @param {Model} model
 */
function candidates(explanation, held, model) {
  // The order of the list, which is steady in moving pictures, comes before that of the scores.
  return new Set([
    ...(held === null ? [] : [held]),
    ...explanation.predictions.map((each) => each.index),
    ...ranking(explanation.scores, model),
  ]);
}
