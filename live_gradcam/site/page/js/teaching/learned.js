// What a head has learned: how often it is right about bursts that it was not taught, and by what.
// The rules and sentences of live_gradcam.teaching.learned.

import { logits, shares } from "./fit.js";
import { isSameWall } from "./motion.js";
import { fill, percent } from "../wording.js";

/** @typedef {import("./examples.js").Burst} Burst */
/** @typedef {import("./examples.js").Examples} Examples */
/** @typedef {import("./fit.js").Head} Head */
/** @typedef {import("./validation.js").Validation} Validation */

// Mean probability of a class from which it is still named with its object covered, and how much
// less it must be before the backgrounds of the others.
const NAMED = 0.6;
const LEAD = 0.4;
const MOST_NAMES = 3;

/**
 * What is known of one class; null where it cannot be known.
 * @typedef {object} ClassLearned
 * @property {string} label
 * @property {number} examples
 * @property {number} bursts
 * @property {number | null} accuracy Share of its held-out examples that were rightly named.
 * @property {number | null} movingShare Share of its evidence on what moves.
 * @property {number | null} covered Mean probability of its own pictures with all that moves covered.
 * @property {number | null} coveredOthers The same for pictures of the other classes.
 * @property {boolean} byBackground It is told by its background.
 * @property {boolean} oneBackground It was always shown before one background that no other has.
 *
 * @typedef {object} Learned
 * @property {ClassLearned[]} classes
 * @property {number} strength
 * @property {number[][]} confusion Held-out examples of each class (rows) by what was said of them.
 * @property {[string, string][]} samePictures Pairs of classes that share examples.
 */

/**
 * @param {Examples} examples
 * @param {Head} head Fitted on all of them.
 * @param {Validation} validation
 * @param {string} anythingElse Name of the class that is a background itself.
 * @returns {Learned}
 */
export function describeLearned(examples, head, validation, anythingElse) {
  const { labels, bursts } = examples;
  const confusion = labels.map(() => labels.map(() => 0));
  bursts.forEach((burst, index) => {
    const truth = labels.indexOf(burst.label);
    for (const said of validation.answers[index] ?? []) confusion[truth][said] += 1;
  });
  const covered = bursts.map((burst, index) => {
    const held = validation.covered[index];
    if (held) return held;
    return burst.moving ? shares(logits(head, burst.moving.covered), labels.length) : new Float64Array(0);
  });
  const classes = labels.map((label, index) => {
    const own = bursts.filter((burst) => burst.label === label);
    const asked = sumOf(confusion[index]);
    const [hidden, others] = [true, false].map((isOwn) =>
      meanOf(covered, bursts, (burst) => (burst.label === label) === isOwn, index, labels.length),
    );
    const background = ownBackground(bursts, label);
    return {
      label,
      examples: own.reduce((sum, burst) => sum + burst.count, 0),
      bursts: own.length,
      accuracy: asked ? confusion[index][index] / asked : null,
      movingShare: movingShare(own, head.weight.subarray(index * examples.channels, (index + 1) * examples.channels)),
      covered: hidden,
      coveredOthers: others,
      byBackground: label !== anythingElse && background !== false && isTold(hidden, others),
      oneBackground: label !== anythingElse && background === true,
    };
  });
  return { classes, strength: head.strength, confusion, samePictures: samePictures(examples) };
}

/**
 * @param {Float64Array[]} covered
 * @param {Burst[]} bursts
 * @param {(burst: Burst) => boolean} chosen
 * @param {number} index
 * @param {number} classCount
 */
function meanOf(covered, bursts, chosen, index, classCount) {
  const means = covered.flatMap((each, place) => {
    if (!each.length || !chosen(bursts[place])) return [];
    const own = each.filter((_, at) => at % classCount === index);
    return [own.reduce((a, b) => a + b, 0) / own.length];
  });
  return means.length ? means.reduce((a, b) => a + b) / means.length : null;
}

/**
 * True if a class is named with its object covered, and not before other backgrounds.
 * @param {number | null} covered
 * @param {number | null} others
 */
function isTold(covered, others) {
  return covered !== null && others !== null && covered >= NAMED && covered - others >= LEAD;
}

/** @param {Burst[]} bursts @param {Float32Array} weight */
function movingShare(bursts, weight) {
  let [on, all] = [0, 0];
  for (const { moving } of bursts) {
    if (!moving?.count) continue;
    const size = moving.share.length / moving.count;
    for (let each = 0; each < moving.count; each++) {
      for (let place = 0; place < size; place++) {
        let sum = 0;
        for (let channel = 0; channel < weight.length; channel++) {
          sum += weight[channel] * moving.maps[(each * weight.length + channel) * size + place];
        }
        all += Math.max(0, sum);
        on += Math.max(0, sum) * moving.share[each * size + place];
      }
    }
  }
  return all > 0 ? on / all : null;
}

/**
 * True if a class was always shown before one background that no other one has; null where that
 * cannot be told.
 * @param {Burst[]} bursts
 * @param {string} label
 */
function ownBackground(bursts, label) {
  const walls = bursts.flatMap(({ moving, label: name }) =>
    moving && (moving.count || name !== label) ? [{ name, wall: moving.wall }] : [],
  );
  const own = walls.filter((each) => each.name === label).map((each) => each.wall);
  const others = walls.filter((each) => each.name !== label).map((each) => each.wall);
  if (!own.length || !others.length) return null;
  const within = own.slice(1).map((each) => isSameWall(own[0], each));
  const across = own.flatMap((one) => others.map((other) => isSameWall(one, other)));
  if (within.includes(false) || across.includes(true)) return false;
  return within.includes(null) || across.includes(null) ? null : true;
}

/** Pairs of classes of which examples are the same, bit for bit. @param {Examples} examples */
function samePictures({ labels, bursts, channels }) {
  /** @type {Map<string, Set<number>>} */
  const owners = new Map();
  for (const burst of bursts) {
    for (let row = 0; row < burst.count; row++) {
      const key = burst.features.subarray(row * channels, (row + 1) * channels).join();
      const names = owners.get(key) ?? new Set();
      owners.set(key, names.add(labels.indexOf(burst.label)));
    }
  }
  const pairs = new Set([...owners.values()].flatMap((names) => {
    const sorted = [...names].sort((a, b) => a - b);
    return sorted.flatMap((one, place) => sorted.slice(place + 1).map((other) => `${one} ${other}`));
  }));
  return [...pairs].map((pair) => /** @type {[string, string]} */ (pair.split(" ").map((index) => labels[Number(index)])));
}

/** @param {number[]} values */
function sumOf(values) {
  return values.reduce((a, b) => a + b, 0);
}

/**
 * How often it was right about what was held out; empty if nothing was.
 * @param {Learned} learned
 * @param {Record<string, string>} texts
 */
export function headlineOf({ confusion }, texts) {
  const count = sumOf(confusion.flat());
  const right = confusion.reduce((sum, row, index) => sum + row[index], 0);
  return count ? fill(texts["learned.accuracy"], { share: percent(right / count), count }) : "";
}

/**
 * Which class was taken for which other one, of how many, most often first.
 * @param {Learned} learned
 */
export function confused({ classes, confusion }) {
  return confusion
    .flatMap((row, truth) =>
      row.flatMap((count, said) =>
        count && said !== truth ? [{ truth: classes[truth].label, said: classes[said].label, count, asked: sumOf(row) }] : [],
      ),
    )
    .sort((a, b) => b.count - a.count);
}

/**
 * What people should know, one sentence each; what is worst first.
 * @param {Learned} learned
 * @param {Record<string, string>} texts
 */
export function sentencesOf({ classes, samePictures: same }, texts) {
  const say = (/** @type {string} */ key, /** @type {Record<string, string | number>} */ values) =>
    fill(texts[`learned.${key}`], values);
  const found = same.map(([one, other]) => say("same_pictures", { one, other }));
  for (const { label, covered, byBackground, oneBackground } of classes) {
    if (byBackground && covered !== null) found.push(say("by_background", { label, share: percent(covered) }));
    else if (oneBackground) found.push(say("one_background", { label }));
  }
  const alone = classes.filter((each) => each.bursts === 1).map((each) => each.label);
  if (alone.length) {
    const named = alone.slice(0, MOST_NAMES).join(", ");
    const more = alone.length - MOST_NAMES;
    found.push(say("one_burst", { labels: more > 0 ? say("more", { labels: named, count: more }) : named }));
  }
  return found;
}

/**
 * The figures and sentences, as they stand in the head's file.
 * @param {Learned} learned
 * @param {Record<string, string>} texts
 */
export function recordOf(learned, texts) {
  const { classes, confusion, strength } = learned;
  const count = sumOf(confusion.flat());
  const right = confusion.reduce((sum, row, index) => sum + row[index], 0);
  return {
    accuracy: count ? right / count : null,
    held_out: count,
    strength,
    classes: classes.map((each) => ({
      label: each.label,
      examples: each.examples,
      bursts: each.bursts,
      accuracy: each.accuracy,
      moving_share: each.movingShare,
      by_background: each.byBackground,
      one_background: each.oneBackground,
    })),
    sentences: [headlineOf(learned, texts), ...sentencesOf(learned, texts)].filter(Boolean),
  };
}
