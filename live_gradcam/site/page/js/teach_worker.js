// A second worker, which fits: pictures go on being explained meanwhile.

import { failureOf } from "./failures.js";
import { classesOf, joined } from "./teaching/examples.js";
import { calibrated, Problem, ROUGH } from "./teaching/fit.js";
import { describeLearned } from "./teaching/learned.js";
import { findMoved, shareOfCells } from "./teaching/motion.js";
import { validate } from "./teaching/validation.js";

/** @typedef {import("./teaching/examples.js").Burst} Burst */
/** @typedef {import("./teaching/teacher.js").Given} Given */

/** @type {{postMessage(message: unknown, transfer?: Transferable[]): void}} */
const page = /** @type {any} */ (self);
/** @type {Map<string, Burst>} Bursts that have come, by their name. */
const known = new Map();
/** How often the page has said that something has changed. */
let changes = 0;

/** What was asked for is no longer wanted. */
class Stopped extends Error {}

/** @type {Record<string, (asked: any) => Promise<unknown>>} */
const HANDLERS = {
  async refit({ given, strength, temperature, start }) {
    const { examples, problem } = prepared(given);
    return { ...calibrated(problem.solve(strength, start, ROUGH), temperature), labels: examples.labels };
  },
  async learn({ given, figures, start }) {
    const { examples, problem } = prepared(given);
    const begun = changes;
    const breathe = async () => {
      await otherMessages();
      if (changes !== begun) throw new Stopped();
    };
    const validation = await validate(examples, figures, breathe);
    await breathe();
    const head = calibrated(problem.solve(validation.strength, start), validation.temperature);
    return { head: { ...head, labels: examples.labels }, learned: describeLearned(examples, head, validation, figures.anything_else) };
  },
  async see({ frames, width, height, rows, columns }) {
    const found = findMoved(frames, width, height);
    if (!found) return null;
    const moved = found.moved.map(({ index, mask, covered }) => ({
      index,
      covered,
      share: shareOfCells(mask, width, height, rows, columns),
    }));
    return { moved, wall: found.wall };
  },
};

/**
 * Examples as they stand; bursts are sent once.
 * @param {Given} given
 */
function prepared({ labels, channels, shown, fresh }) {
  for (const burst of fresh) known.set(burst.name, burst);
  for (const name of known.keys()) if (!shown.some((each) => each.name === name)) known.delete(name);
  // A class may have another name by now.
  const bursts = shown.flatMap(({ name, label }) => {
    const burst = known.get(name);
    return burst ? [{ ...burst, label }] : [];
  });
  const examples = { labels, bursts, channels };
  const features = joined(bursts.map((burst) => burst.features));
  return { examples, problem: new Problem(features, channels, classesOf(examples, bursts), labels.length) };
}

/** Let the messages be heard that have come meanwhile. @returns {Promise<void>} */
function otherMessages() {
  return new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      done();
    };
    port2.postMessage(null);
  });
}

self.addEventListener("message", async ({ data: { id, name, asked } }) => {
  if (name === "changed") {
    changes += 1;
    return;
  }
  try {
    page.postMessage({ id, result: await HANDLERS[name](asked) });
  } catch (error) {
    if (error instanceof Stopped) page.postMessage({ id, result: null });
    else page.postMessage({ id, failure: failureOf(error) });
  }
});
