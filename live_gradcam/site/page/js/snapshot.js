// A snapshot: the picture as it is shown, and its record.

import { PageError } from "./failures.js";
import { strengthOf } from "./predictions.js";
import { text } from "./texts.js";
import { removalSentence } from "./verdicts.js";
import { strength } from "./wording.js";

/** @typedef {import("./session.js").Session} Session */

const MARGIN = 12;
const LINE = 22;
const BETWEEN_DOWNLOADS_MS = 300;

/**
 * What was explained, by the names that records of films have.
 * @param {Session} session
 */
export function recordOf(session) {
  const { shown, site, model, index, tiles } = session;
  if (!shown) return null;
  const { explanation } = shown;
  const { region, timings, evidence } = explanation;
  const { reading } = session;
  const tested = reading?.reading.removal ? recordOfRemoval(reading.reading.removal, site) : null;
  const across = shown.original.width / explanation.width;
  const down = shown.original.height / explanation.height;
  const [left, top] = [Math.round(region.x * across), Math.round(region.y * down)];
  const [right, bottom] = [Math.round((region.x + region.width) * across), Math.round((region.y + region.height) * down)];
  return {
    source: shown.name,
    pts_seconds: shown.seconds,
    explained: index,
    shown: tiles.map((tile) => tile.title),
    method: model.method,
    layer: model.layer,
    model: model.name,
    precision: model.precision,
    ...(model.int8 ? { int8: model.int8 } : {}),
    weights_hash: model.weights_hash,
    output: model.output,
    view: session.state.choices.view,
    predictions: explanation.predictions.map((each) => ({
      class_index: each.index,
      label: each.label,
      logit: each.score,
      probability: each.probability,
    })),
    width: shown.original.width,
    height: shown.original.height,
    reduced: across === 1 && down === 1 ? null : [explanation.width, explanation.height],
    region: [left, top, right - left, bottom - top],
    unit: model.unit,
    evidence: tiles.map(({ map }) => (map ? rowsOf(map.values, evidence.columns) : null)),
    scale: session.scaleValue,
    finite: explanation.finite,
    timings_ms: timings,
    removal: reading?.number === shown.number ? tested : null,
    // Of moving pictures some are tested: what was found then is not said of this one.
    removal_of_another: reading && reading.number !== shown.number ? { ...tested, pts_seconds: reading.seconds } : null,
  };
}

/**
 * @param {import("./types.js").Removal} removal
 * @param {import("./types.js").Site} site
 */
function recordOfRemoval(removal, site) {
  return {
    class_index: removal.classIndex,
    label: removal.label,
    measure: removal.ofProbability ? "probability" : "score",
    before: removal.before,
    without_hot: removal.withoutHot,
    without_controls: removal.withoutControls,
    share: removal.share,
    named: removal.named,
    named_without_hot: removal.namedWithoutHot,
    named_without_controls: removal.namedWithoutControls,
    completeness_residual: removal.completenessResidual,
    sentence: removalSentence(removal, site.figures.verdict, site.texts),
  };
}

/** @param {Float32Array} values @param {number} columns */
function rowsOf(values, columns) {
  const rows = [];
  for (let start = 0; start < values.length; start += columns) {
    rows.push(Array.from(values.subarray(start, start + columns)));
  }
  return rows;
}

/**
 * The canvases side by side, with what they show written underneath.
 * @param {Session} session
 * @param {HTMLCanvasElement[]} canvases
 * @returns {Promise<Blob | null>}
 */
function pictureOf(session, canvases) {
  const { shown, model, tiles } = session;
  if (!shown) return Promise.resolve(null);
  const [{ width, height }] = canvases;
  const lines = shown.explanation.predictions.map(
    (each) => `${strength(strengthOf(each), each.probability !== null)}  ${each.label}`,
  );
  const caption = text("snapshot.caption", { model: model.name, method: model.method_title, layer: model.layer });
  const sheet = document.createElement("canvas");
  sheet.width = canvases.length * width + (canvases.length - 1) * MARGIN;
  sheet.height = height + (lines.length + 2) * LINE + 2 * MARGIN;
  const brush = /** @type {CanvasRenderingContext2D} */ (sheet.getContext("2d"));
  brush.fillStyle = "#121212";
  brush.fillRect(0, 0, sheet.width, sheet.height);
  brush.font = "600 16px system-ui, sans-serif";
  brush.textBaseline = "top";
  canvases.forEach((canvas, place) => {
    const left = place * (width + MARGIN);
    brush.drawImage(canvas, left, 0);
    brush.fillStyle = "#ffc46b";
    brush.fillText(tiles[place]?.title ?? "", left + MARGIN, height + MARGIN, width - 2 * MARGIN);
  });
  brush.font = "15px system-ui, sans-serif";
  brush.fillStyle = "#f2f2f2";
  [...lines, caption].forEach((line, place) => {
    brush.fillText(line, MARGIN, height + MARGIN + (place + 1) * LINE, sheet.width - 2 * MARGIN);
  });
  return new Promise((done) => sheet.toBlob(done, "image/png"));
}

/**
 * Save both files.
 * @param {Session} session
 * @param {HTMLCanvasElement[]} canvases
 */
export async function saveSnapshot(session, canvases) {
  const record = recordOf(session);
  if (!record) return;
  const stem = `${(record.source.replace(/\.[^.]*$/, "") || "picture").replace(/[^\p{L}\p{N}_-]+/gu, "-")}-explained`;
  const json = new Blob([`${JSON.stringify(record, null, 2)}\n`], { type: "application/json" });
  const picture = await pictureOf(session, canvases);
  if (!picture) throw new PageError("failure.snapshot");
  save(picture, `${stem}.png`);
  // Safari forgets a download when the next one begins at once.
  setTimeout(() => save(json, `${stem}.json`), BETWEEN_DOWNLOADS_MS);
}

/** @param {Blob} blob @param {string} name */
function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
