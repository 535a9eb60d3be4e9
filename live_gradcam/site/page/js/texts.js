// The table of texts in the document: every element says which text it shows.

import { fill } from "./wording.js";

/** @typedef {import("./types.js").Failure} Failure */

/** @type {Record<string, string>} */
let table = {};

// What can go wrong before the table of texts has come.
const FIRST = {
  "failure.site_missing":
    "This page needs the file {file} beside it, and cannot get it. Put the whole folder on the server, and load the page again.",
  "failure.site_damaged":
    "The file {file} beside this page is damaged. Export the folder again with live-gradcam export.",
  "failure.site_format":
    "The file {file} beside this page is of another version than the page. Export the folder again with live-gradcam export.",
  "failure.unexpected": "Something went wrong that nobody foresaw: {cause}. Load the page again.",
};

/** @param {Record<string, string>} texts */
export function useTexts(texts) {
  table = texts;
}

/**
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 */
export function text(key, values = {}) {
  const sentence = table[key] ?? /** @type {Record<string, string>} */ (FIRST)[key] ?? key;
  return fill(sentence, values);
}

/** @param {Failure} failure */
export function sentence({ key, values }) {
  return text(key, values);
}

/**
 * Write the texts of all elements that name one: `data-text`, and `data-label` for what is read out.
 * @param {ParentNode} root
 */
export function writeTexts(root) {
  document.documentElement.lang = text("page.language");
  for (const element of root.querySelectorAll("[data-text]")) {
    element.textContent = text(/** @type {HTMLElement} */ (element).dataset.text ?? "");
  }
  for (const element of root.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", text(/** @type {HTMLElement} */ (element).dataset.label ?? ""));
  }
}
