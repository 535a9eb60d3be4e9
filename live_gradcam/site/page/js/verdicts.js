// What a removal test means, in the sentences of live_gradcam.faithfulness.verdicts.

import { fill, percent, strength } from "./wording.js";

/** @typedef {import("./types.js").Figures["verdict"]} Figures */
/** @typedef {import("./types.js").Removal} Removal */
/** @typedef {Record<string, string>} Words */
/** @typedef {"decides" | "counts" | "undecided" | "does not decide" | "untestable"} Verdict */

const NOUN = /^[\p{L}][\p{L}\p{N}_' ,()/-]*$/u;

/** @param {Removal} removal @returns {number[]} */
function controlDrops(removal) {
  return removal.withoutControls.map((each) => removal.before - each);
}

/** @param {number[]} values */
function mean(values) {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

/** @param {number[]} values */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** @param {Removal} removal @param {Figures} figures */
function clearFall(removal, figures) {
  if (removal.ofProbability) return Math.min(figures.clear, figures.clear_share * removal.before);
  const all = [removal.before, removal.withoutHot, ...removal.withoutControls];
  return figures.clear * Math.max(...all.map(Math.abs));
}

/**
 * @param {Removal} removal
 * @param {Figures} figures
 * @returns {Verdict}
 */
export function judge(removal, figures) {
  const { ofProbability, named, before } = removal;
  if (ofProbability && before < figures.hardly && !named) return "untestable";
  const drops = controlDrops(removal);
  const drop = before - removal.withoutHot;
  if (drop < clearFall(removal, figures) || drop <= mean(drops)) return "does not decide";
  let lost = named && !removal.namedWithoutHot;
  const kept = 2 * removal.namedWithoutControls > drops.length;
  const beyond = drop > Math.max(...drops) && drop >= figures.times * Math.max(median(drops), 0);
  if (!beyond || (lost && !kept)) return "undecided";
  // What cannot be lost can be halved.
  if (!(ofProbability && named)) lost = drop >= figures.most * Math.abs(before);
  return lost ? "decides" : "counts";
}

/**
 * What a removal test means, in one sentence.
 * @param {Removal | null} removal Null where there was no evidence to test.
 * @param {Figures} figures
 * @param {Words} words
 */
export function removalSentence(removal, figures, words) {
  if (!removal) return words["removal.nothing"];
  const verdict = judge(removal, figures);
  const found = fill(words[`removal.${finding(removal, verdict, figures)}`], {
    area: words["removal.marked_area"],
    ...wordsFor(removal, figures, words),
  });
  const judgement = fill(words[`judgement.${verdict.replaceAll(" ", "_")}`], {
    area: words["removal.this_area"],
  });
  return fill(words["removal.sentence"], { found, judgement });
}

/** @param {Removal} removal @param {Verdict} verdict @param {Figures} figures */
function finding(removal, verdict, figures) {
  if (verdict !== "does not decide") return verdict;
  const clear = clearFall(removal, figures);
  if (removal.before - removal.withoutHot <= -clear) return "rises";
  return mean(controlDrops(removal)) >= clear ? "elsewhere_too" : "hardly";
}

/**
 * Words for what becomes of a class, in the middle of a sentence.
 * @param {Removal} removal
 * @param {Figures} figures
 * @param {Words} words
 */
function wordsFor(removal, figures, words) {
  const { label } = removal;
  const quoted = fill(words["removal.quoted"], { label });
  const ending = removal.ofProbability ? "" : "_number";
  const changed = (/** @type {string} */ word) => fill(words[`removal.${word}${ending}`], { quoted });
  let lost = changed("less");
  let kept = words["removal.less_so"];
  const kind = removal.exclusive && isNoun(label, figures.no_nouns) ? "noun" : "quoted";
  if (removal.ofProbability && removal.named) {
    if (!removal.namedWithoutHot) lost = fill(words[`removal.lost_${kind}`], { label, quoted });
    const always = removal.namedWithoutControls === removal.withoutControls.length;
    kept = words[`removal.${always ? "kept" : "mostly"}_${kind}`];
  }
  return { label, quoted, less: changed("less"), more: changed("more"), same: changed("same"), lost, kept };
}

/** @param {string} label @param {string[]} noNouns */
function isNoun(label, noNouns) {
  return NOUN.test(label) && !noNouns.includes(label.trim().split(/\s+/)[0].toLowerCase());
}

/**
 * The measured figures, as a sentence for everybody.
 * @param {Removal} removal
 * @param {Words} words
 */
export function removalNumbers(removal, words) {
  const figure = (/** @type {number} */ value) => strength(value, removal.ofProbability, words);
  const lowest = figure(Math.min(...removal.withoutControls));
  const highest = figure(Math.max(...removal.withoutControls));
  return fill(words["removal.numbers"], {
    share: percent(removal.share, words),
    before: figure(removal.before),
    without: figure(removal.withoutHot),
    count: removal.withoutControls.length,
    between: lowest === highest ? lowest : fill(words["removal.range"], { lowest, highest }),
  });
}
