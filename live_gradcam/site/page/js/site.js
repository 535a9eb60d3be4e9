// What the page knows about its network: site.json, checked before anything is built on it.

import { PageError } from "./failures.js";
import { FILTER_NAMES } from "./resample.js";

/** @typedef {import("./types.js").Site} Site */

const FORMAT = 1;
const FILE = "site.json";

/**
 * @param {URL} base The page's folder.
 * @returns {Promise<Site>}
 */
export async function loadSite(base) {
  /** @type {Response} */
  let answer;
  try {
    answer = await fetch(new URL(FILE, base), { cache: "no-cache" });
  } catch {
    throw new PageError("failure.site_missing", { file: FILE });
  }
  if (!answer.ok) throw new PageError("failure.site_missing", { file: FILE });
  /** @type {any} */
  let content;
  try {
    content = await answer.json();
  } catch {
    throw new PageError("failure.site_damaged", { file: FILE });
  }
  return checked(content);
}

/**
 * @param {any} content
 * @returns {Site}
 */
function checked(content) {
  if (content?.format !== FORMAT) throw new PageError("failure.site_format", { file: FILE });
  const { model, preprocessing, graph, texts, colormaps, settings, figures } = content;
  const parts = [model, preprocessing, graph, texts, colormaps, settings, figures];
  if (parts.some((part) => typeof part !== "object" || !part) || !Array.isArray(model.labels)) {
    throw new PageError("failure.site_damaged", { file: FILE });
  }
  const outside = Array.isArray(model.classes) && model.classes.some((/** @type {number} */ each) => !(each in model.labels));
  if (outside || !model.labels.length || !FILTER_NAMES.includes(preprocessing.filter)) {
    throw new PageError("failure.site_damaged", { file: FILE });
  }
  return content;
}
