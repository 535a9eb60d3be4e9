// Two engines side by side: whether they say the same, and which one is faster.

import { PageError } from "./failures.js";

/** @typedef {import("./engines.js").Answer} Answer */
/** @typedef {import("./engines.js").Session} Session */

/** @typedef {{pixels: Uint8Array, height: number, width: number}} Sample Pixels of the network's size. */
/** @typedef {<T>(work: () => Promise<T>) => Promise<T>} InTurn Waits for pictures that were asked for before. */

const RUNS = 3;
const HOPELESS = 4; // times as long, with frames of a camera in between: not worth a turn
const SCORES = 0.02; // of the scores' spread: half precision on graphics cards
const MAPS = 0.1; // of the map's own size
const ALIKE = 0.99; // cosine of the best class's maps

/**
 * The median times of two engines, measured in turns so that both meet the same load. Pictures of a
 * camera are explained between the runs, and during those of an engine that may take long.
 * @param {Session} used
 * @param {Session} other
 * @param {Sample} sample
 * @param {InTurn} inTurn
 * @returns {Promise<{used: number, other: number}>} Milliseconds of one picture.
 * @throws {PageError} They compute different numbers.
 */
export async function compareTimes(used, other, sample, inTurn) {
  await timed(other, sample); // the first run prepares the engine
  const ours = [await inTurn(() => timed(used, sample))];
  const theirs = [await timed(other, sample)];
  if (!agree(ours[0].answer, theirs[0].answer)) throw new PageError("engine.webgpu_differs");
  if (theirs[0].milliseconds <= HOPELESS * ours[0].milliseconds) {
    theirs.length = 0; // that one had to share the worker
    for (let run = 0; run < RUNS; run++) {
      theirs.push(await inTurn(() => timed(other, sample)));
      ours.push(await inTurn(() => timed(used, sample)));
    }
  }
  return { used: median(ours), other: median(theirs) };
}

/**
 * The median time of one picture, by an engine that has run before.
 * @param {Session} session
 * @param {Sample} sample
 * @param {InTurn} inTurn
 */
export async function measure(session, sample, inTurn) {
  const times = [];
  for (let run = 0; run < RUNS; run++) times.push(await inTurn(() => timed(session, sample)));
  return median(times);
}

/** @param {Session} session @param {Sample} sample */
async function timed(session, { pixels, height, width }) {
  const began = performance.now();
  const answer = await session.run(pixels, height, width);
  return { answer, milliseconds: performance.now() - began };
}

/** @param {{milliseconds: number}[]} runs */
function median(runs) {
  return runs.map((run) => run.milliseconds).sort((a, b) => a - b)[runs.length >> 1];
}

/**
 * True if two engines say the same of a picture: a fast engine that is wrong is of no use.
 * @param {Answer} ours
 * @param {Answer} theirs
 */
export function agree(ours, theirs) {
  const { scores } = ours;
  const tolerance = SCORES * (Math.max(...scores) - Math.min(...scores));
  const close = scores.every((value, place) => Math.abs(value - theirs.scores[place]) <= tolerance);
  if (!close || scores.length !== theirs.scores.length || !theirs.evidence.every(Number.isFinite)) return false;
  const best = bestMapped(ours);
  const [one, two] = [mapOf(ours, best), mapOf(theirs, best)];
  if (!one || !two) return best < 0;
  return alike(one, two) && (ours.classes !== null || alike(ours.evidence, theirs.evidence));
}

/**
 * The best class that has a map, by its place among the maps where the graph does not name them.
 * @param {Answer} answer
 */
function bestMapped({ scores, maps, classes }) {
  if (classes) return classes.reduce((best, each) => (best < 0 || scores[each] > scores[best] ? each : best), -1);
  if (maps !== scores.length) return maps ? 0 : -1; // those of some classes only
  return scores.indexOf(Math.max(...scores));
}

/** @param {Answer} answer @param {number} index */
function mapOf({ evidence, classes, rows, columns }, index) {
  const place = classes ? classes.indexOf(index) : index;
  return place < 0 ? null : evidence.subarray(place * rows * columns, (place + 1) * rows * columns);
}

/** @param {Float32Array} one @param {Float32Array} two */
function alike(one, two) {
  let [product, ours, theirs, apart] = [0, 0, 0, 0];
  one.forEach((value, place) => {
    const other = two[place];
    product += value * other;
    ours += value * value;
    theirs += other * other;
    apart += (value - other) ** 2;
  });
  if (ours === 0) return theirs === 0;
  return product >= ALIKE * Math.sqrt(ours * theirs) && apart <= MAPS ** 2 * ours;
}
