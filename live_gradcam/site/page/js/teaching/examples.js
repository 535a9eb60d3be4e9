// Examples of classes: bursts of pooled features, as they were shown one after the other.

/**
 * Frames of a burst in which something moves before a still background.
 * @typedef {object} Moving
 * @property {number} count
 * @property {Float32Array} maps The explained layer of each of these frames.
 * @property {Float32Array} share How much of each position of the layer moves, 0..1.
 * @property {Float32Array} covered Features of the same frames with all that moves covered.
 * @property {Uint8Array} wall What stands still, see `motion.js`.
 *
 * Frames that were shown in one go, or the views of one picture.
 * @typedef {object} Burst
 * @property {string} name
 * @property {string} label
 * @property {Float32Array} features One row for each frame.
 * @property {number} count Number of frames.
 * @property {Moving | null} moving Null where the camera moves, or these are no frames of a film.
 *
 * @typedef {{labels: string[], bursts: Burst[], channels: number}} Examples
 */

/**
 * The same without the classes that have no examples.
 * @param {Examples} examples
 * @returns {Examples}
 */
export function taughtOnly({ labels, bursts, channels }) {
  const shown = bursts.filter((burst) => burst.count > 0 && labels.includes(burst.label));
  return { labels: labels.filter((label) => shown.some((burst) => burst.label === label)), bursts: shown, channels };
}

/**
 * The features of bursts, one row after the other.
 * @param {Float32Array[]} parts
 */
export function joined(parts) {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * Index of the class of each example of some bursts.
 * @param {Examples} examples
 * @param {Burst[]} bursts
 */
export function classesOf({ labels }, bursts) {
  return bursts.flatMap((burst) => Array.from({ length: burst.count }, () => labels.indexOf(burst.label)));
}
