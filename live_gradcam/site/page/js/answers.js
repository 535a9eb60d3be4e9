// What the network sees, and what a spot says: the sentences of live_gradcam.show.words and
// live_gradcam.web.messages.

import { hasProbabilities, strengthOf } from "./predictions.js";
import { fill, listed, percent, signed, strength } from "./wording.js";

/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./types.js").Model} Model */
/** @typedef {import("./types.js").Prediction} Prediction */
/** @typedef {import("./types.js").Site} Site */
/** @typedef {import("./evidence.js").Spot} Spot */
/** @typedef {import("./evidence.js").Vote} Vote */
/** @typedef {Record<string, string>} Words */

/**
 * What the network sees, and what the colours say. How likely the classes are stands beside the
 * sentence.
 * @param {Explanation} explanation
 * @param {number} asked Index of the class whose map is shown.
 * @param {string} colours Key of the text about the colours; empty where there are none to speak of.
 * @param {Model} model
 * @param {Site} site
 */
export function describeAnswer(explanation, asked, colours, model, { texts, figures }) {
  if (!explanation.finite) return texts["answer.overflow"];
  const [best] = explanation.predictions;
  const answer =
    asked === best.index
      ? bestAnswer(explanation, model, figures.answer.low_confidence, texts)
      : askedAnswer(explanation, model, asked, texts);
  return colours ? `${answer} ${texts[colours]}` : answer;
}

/** @param {Explanation} explanation @param {Model} model @param {number} asked @param {Words} words */
function askedAnswer({ predictions }, model, asked, words) {
  const listedToo = predictions.some((each) => each.index === asked);
  let key = hasProbabilities(model) ? "asked" : "number_asked";
  if (!listedToo && key === "asked") key = "asked_far";
  return fill(words[`answer.${key}`], { best: predictions[0].label, label: model.labels[asked] });
}

/** @param {Explanation} explanation @param {Model} model @param {number} low @param {Words} words */
function bestAnswer({ predictions }, model, low, words) {
  const [best, ...others] = predictions;
  const say = (/** @type {string} */ key, values = {}) =>
    fill(words[`answer.${key}`], { label: best.label, figure: figure(best, words), ...values });
  const likely = best.probability;
  if (likely === null) return say("number");
  if (model.output === "sigmoid") {
    if (likely <= model.threshold) return say("none");
    const also = others.filter((each) => strengthOf(each) > model.threshold).map((each) => each.label);
    return also.length ? `${say("sees")} ${say("also", { others: listed(also, words) })}` : say("sees");
  }
  if (model.output === "binary" && likely < 0.5) {
    return say(best.index === 1 ? "above" : "below", { threshold: percent(model.threshold, words) });
  }
  return say(model.output === "softmax" && likely < low ? "unsure" : "sees");
}

/** @param {Prediction} prediction @param {Words} words */
function figure(prediction, words) {
  return strength(strengthOf(prediction), prediction.probability !== null, words);
}

/**
 * What a spot of the picture says about the classes.
 * @param {Spot | null} spot
 * @param {Model} model
 * @param {Site} site
 */
export function describeSpot(spot, model, { texts }) {
  if (!spot) return texts["spot.unseen"];
  const points = (/** @type {Vote} */ vote) =>
    fill(texts["spot.vote"], { label: vote.label, points: signed(vote.value) });
  const { shown, votesFor, votesAgainst } = spot;
  const others = [];
  if (votesFor.length) {
    others.push(fill(texts["spot.others_for"], { votes: listed(votesFor.map(points), texts) }));
  }
  if (votesAgainst.length) {
    others.push(fill(texts["spot.others_against"], { votes: listed(votesAgainst.map(points), texts) }));
  }
  const kind = shown.value > 0 ? "for" : shown.value < 0 ? "against" : "neither";
  const label = shown.value ? points(shown) : shown.label;
  let said = fill(texts[`spot.${kind}`], { label });
  if (others.length) said = fill(texts["spot.others"], { said, others: others.join(", ") });
  const unit = unitOf(model, texts);
  if (unit && (shown.value || others.length)) said = fill(texts["spot.unit"], { said, unit });
  return fill(texts["spot.end"], { said });
}

/**
 * The unit of the maps for people; empty where their numbers have none.
 * @param {Model} model
 * @param {Words} words
 */
export function unitOf(model, words) {
  if (model.unit !== "logits") return "";
  return words[hasProbabilities(model) ? "unit.points" : "unit.number"];
}
