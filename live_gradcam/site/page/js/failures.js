/** @typedef {import("./types.js").Failure} Failure */

/** What went wrong, as a sentence of the table of texts. */
export class PageError extends Error {
  /**
   * @param {string} key
   * @param {Record<string, string | number>} [values]
   */
  constructor(key, values = {}) {
    super(key);
    this.name = "PageError";
    this.failure = { key, values };
  }
}

/**
 * The sentence for whatever was thrown; what nobody foresaw is quoted.
 * @param {unknown} thrown
 * @returns {Failure}
 */
export function failureOf(thrown) {
  if (thrown instanceof PageError) return thrown.failure;
  const cause = thrown instanceof Error ? thrown.message : String(thrown);
  return { key: "failure.unexpected", values: { cause: shortened(cause) } };
}

/** @param {string} text */
export function shortened(text) {
  const line = text.replace(/\s+/g, " ").trim().replace(/[.:]+$/, ""); // the sentence around it ends itself
  return line.length > 160 ? `${line.slice(0, 159)}\u2026` : line;
}
