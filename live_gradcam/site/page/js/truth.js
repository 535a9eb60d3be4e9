// The truth meter of the picture that is shown: when it is asked, and what it said last.

import { failureOf } from "./failures.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./types.js").Reading} Reading */

/**
 * What was found, and about what.
 * @typedef {object} Found
 * @property {Reading} reading
 * @property {number} index Of the class.
 * @property {string} question What was asked, see `Session.question`.
 * @property {number} number Of the picture that was tested.
 * @property {number | null} seconds Its time in a film.
 */

export class TruthMeter {
  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    /** @type {Found | null} */
    this.found = null;
    this.testing = false;
    /** Moving pictures since the last test. */
    this.untested = 0;
  }

  forget() {
    this.found = null;
  }

  /** What was found, if it is about the class that is shown, and about the picture if that stands still. */
  get reading() {
    const { found } = this;
    const { shown, state, question } = this.session;
    if (!state.choices.truth || !found || !shown || found.question !== question) return null;
    return shown.live || found.number === shown.number ? found : null;
  }

  /** True where the shown map can be tested; while a class is taught, its pictures come first. */
  get applies() {
    const { shown, state, map, keeps } = this.session;
    return Boolean(state.choices.truth && !keeps && shown?.explanation.finite && map);
  }

  /** Test the picture that is shown, where that is due. */
  async test() {
    const { session } = this;
    const { shown, index, question, model, client, contrast } = session;
    if (!shown || !this.applies || this.testing) return;
    if (this.reading && (!shown.live || this.untested < session.site.figures.truth.every_frames)) return;
    this.testing = true;
    this.untested = 0;
    try {
      const reading = await client.test(shown.number, index, contrast?.map?.values ?? null);
      // Null: another picture was explained meanwhile, and is tested when it is shown.
      if (!reading || model !== session.model) return;
      this.found = { reading, index, question, number: shown.number, seconds: shown.seconds };
    } catch (error) {
      session.dispatchEvent(new CustomEvent("failure", { detail: failureOf(error) }));
      return;
    } finally {
      this.testing = false;
      if (session.shown !== shown) void this.test();
    }
    session.show();
    // Another class has been asked about meanwhile.
    if (!this.reading) void this.test();
  }
}
