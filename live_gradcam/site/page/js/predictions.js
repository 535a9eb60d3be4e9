// Predictions from a network's numbers: the rules of live_gradcam.values.OutputKind.

/** @typedef {import("./types.js").Model} Model */
/** @typedef {import("./types.js").Prediction} Prediction */

/** @param {Model} model */
export function hasProbabilities(model) {
  return model.output !== "raw";
}

/**
 * Probabilities of all classes; null where the output is plain numbers.
 * @param {ArrayLike<number>} scores
 * @param {Model} model
 * @returns {Float64Array | null}
 */
export function probabilities(scores, model) {
  if (model.output === "raw") return null;
  const found = Float64Array.from(scores);
  if (model.output === "softmax") {
    const most = found.reduce((a, b) => Math.max(a, b), -Infinity);
    let sum = 0;
    for (let each = 0; each < found.length; each++) sum += found[each] = Math.exp(found[each] - most);
    return found.map((each) => each / sum);
  }
  return found.map((each) => {
    const small = Math.exp(-Math.abs(each)); // never overflows
    return (each >= 0 ? 1 : small) / (1 + small);
  });
}

/**
 * Class indices, best first; equal ones in their order.
 * @param {ArrayLike<number>} scores
 * @param {Model} model
 * @returns {number[]}
 */
export function ranking(scores, model) {
  if (model.output === "binary") {
    const shares = /** @type {Float64Array} */ (probabilities(scores, model));
    return shares[1] > model.threshold ? [1, 0] : [0, 1];
  }
  return Array.from(scores, (_, index) => index).sort((a, b) => scores[b] - scores[a] || a - b);
}

/**
 * The best classes, and those that are wanted in any case.
 * @param {ArrayLike<number>} scores
 * @param {Model} model
 * @param {number} count
 * @param {number[]} [wanted]
 * @returns {Prediction[]}
 */
export function predict(scores, model, count, wanted = []) {
  const shares = probabilities(scores, model);
  return ranking(scores, model)
    .filter((index, rank) => rank < count || wanted.includes(index))
    .map((index) => ({
      index,
      label: model.labels[index],
      score: scores[index],
      probability: shares ? shares[index] : null,
    }));
}

/**
 * How strongly a class is predicted: its probability, or its number.
 * @param {Prediction} prediction
 */
export function strengthOf(prediction) {
  return prediction.probability ?? prediction.score;
}

/**
 * True if the network says that the class is there: the best one, or one that is true.
 * @param {ArrayLike<number>} scores
 * @param {Model} model
 * @param {number} index
 */
export function isNamed(scores, model, index) {
  const shares = probabilities(scores, model);
  if (model.output === "sigmoid" && shares) return shares[index] > model.threshold;
  return ranking(scores, model)[0] === index;
}
