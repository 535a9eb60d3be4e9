// One explained picture on a canvas: the picture, its heat, what the network saw, what is marked.

import { heatIndices, heatPixels, heatTable } from "./heat.js";
import { edgeOf, strokeTwice } from "./outline.js";

/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./types.js").Reading} Reading */
/** @typedef {import("./types.js").Region} Region */
/** @typedef {import("./types.js").Site} Site */
/** @typedef {import("./heat.js").EvidenceMap} EvidenceMap */
/** @typedef {import("./state.js").Choices} Choices */

/** Pictures are shown with so many pixels on their longer side at most. */
export const LONGEST_SIDE = 1600;

const HEAT_SIDE = 480; // heat is smooth: beyond this the canvas enlarges it

/**
 * Everything that one canvas shows.
 * @typedef {object} Drawn
 * @property {HTMLCanvasElement | OffscreenCanvas} picture
 * @property {Explanation} explanation
 * @property {EvidenceMap | null} map
 * @property {number} scale
 * @property {Choices} choices
 * @property {Reading | null} reading
 * @property {Region | null} cell The spot that is pointed at.
 * @property {boolean} bare Only the picture.
 */

/**
 * A region of the picture in pixels of a canvas.
 * @param {Region} region
 * @param {Explanation} explanation
 * @param {{width: number, height: number}} canvas
 * @returns {Region}
 */
export function placed(region, explanation, canvas) {
  const across = canvas.width / explanation.width;
  const down = canvas.height / explanation.height;
  const [left, top] = [Math.round(region.x * across), Math.round(region.y * down)];
  const right = Math.round((region.x + region.width) * across);
  const bottom = Math.round((region.y + region.height) * down);
  return { x: left, y: top, width: Math.max(1, right - left), height: Math.max(1, bottom - top) };
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Drawn} drawn
 * @param {Site} site
 */
export function drawExplained(canvas, drawn, site) {
  const { picture, explanation } = drawn;
  if (canvas.width !== picture.width) canvas.width = picture.width;
  if (canvas.height !== picture.height) canvas.height = picture.height;
  canvas.style.setProperty("--ratio", String(canvas.width / canvas.height));
  const brush = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  brush.drawImage(picture, 0, 0);
  if (drawn.bare) return;
  const seen = placed(explanation.region, explanation, canvas);
  dimAround(brush, seen, canvas, site.figures.heat.dimmed);
  if (drawn.map && drawn.scale > 0) paintHeat(brush, seen, drawn, site);
  const thickness = Math.max(1, Math.min(canvas.width, canvas.height) / 300);
  if (seen.width < canvas.width || seen.height < canvas.height) {
    const frame = new Path2D();
    frame.rect(seen.x, seen.y, seen.width, seen.height);
    strokeTwice(brush, frame, thickness / 2);
  }
  if (drawn.reading?.mask) outlineMask(brush, seen, drawn.reading, thickness);
  if (drawn.cell) {
    const cell = placed(drawn.cell, explanation, canvas);
    const path = new Path2D();
    path.rect(cell.x, cell.y, cell.width, cell.height);
    strokeTwice(brush, path, thickness);
  }
}

/**
 * @param {CanvasRenderingContext2D} brush
 * @param {Region} seen
 * @param {{width: number, height: number}} canvas
 * @param {number} kept Share of the light that is left.
 */
function dimAround(brush, seen, canvas, kept) {
  const around = new Path2D();
  around.rect(0, 0, canvas.width, canvas.height);
  around.rect(seen.x, seen.y, seen.width, seen.height);
  brush.fillStyle = `rgb(0 0 0 / ${1 - kept})`;
  brush.fill(around, "evenodd");
}

/** @type {WeakMap<Float32Array, {key: string, canvas: OffscreenCanvas}>} Maps that are painted. */
const painted = new WeakMap();

/**
 * @param {CanvasRenderingContext2D} brush
 * @param {Region} seen
 * @param {Drawn} drawn
 * @param {Site} site
 */
function paintHeat(brush, seen, drawn, site) {
  const { map, scale, choices } = drawn;
  if (!map) return;
  const { colormap, opacity, signed } = choices;
  const key = [scale, colormap, opacity, signed, seen.width, seen.height].join(" ");
  let heat = painted.get(map.values);
  if (heat?.key !== key) {
    heat = { key, canvas: heatCanvas(map, seen, drawn, site) };
    painted.set(map.values, heat);
  }
  brush.imageSmoothingQuality = "high";
  brush.drawImage(heat.canvas, seen.x, seen.y, seen.width, seen.height);
}

/**
 * @param {EvidenceMap} map
 * @param {Region} seen
 * @param {Drawn} drawn
 * @param {Site} site
 */
function heatCanvas(map, seen, { scale, choices }, site) {
  const { fine, fade } = site.figures.heat;
  const factor = Math.min(1, HEAT_SIDE / Math.max(seen.width, seen.height));
  const width = Math.max(1, Math.round(seen.width * factor));
  const height = Math.max(1, Math.round(seen.height * factor));
  const { signed } = choices;
  const indices = heatIndices(map, scale, signed, width, height, fine);
  const colours = site.colormaps[signed ? "signed" : choices.colormap];
  const pixels = heatPixels(indices, heatTable(colours, choices.opacity, signed, fade), width, height);
  const heat = new OffscreenCanvas(width, height);
  /** @type {OffscreenCanvasRenderingContext2D} */ (heat.getContext("2d")).putImageData(pixels, 0, 0);
  return heat;
}

/**
 * @param {CanvasRenderingContext2D} brush
 * @param {Region} seen
 * @param {Reading} reading
 * @param {number} thickness
 */
function outlineMask(brush, seen, { mask, side }, thickness) {
  if (!mask) return;
  const path = new Path2D();
  for (const [x0, y0, x1, y1] of edgeOf(mask, side)) {
    path.moveTo(seen.x + x0 * seen.width, seen.y + y0 * seen.height);
    path.lineTo(seen.x + x1 * seen.width, seen.y + y1 * seen.height);
  }
  strokeTwice(brush, path, thickness);
}
