// What a linear head says of the explained layer: scores of its pooled features, and exact maps.

/** @typedef {import("../types.js").Maps} Maps */

/**
 * The explained layer of one picture.
 * @typedef {object} Layer
 * @property {Float32Array} data `channels` maps of h rows of w.
 * @property {number} channels
 * @property {number} rows
 * @property {number} columns
 */

/**
 * The mean of each channel.
 * @param {Layer} layer
 */
export function pooled({ data, channels, rows, columns }) {
  const size = rows * columns;
  const means = new Float32Array(channels);
  for (let channel = 0; channel < channels; channel++) {
    let sum = 0;
    for (let place = channel * size; place < (channel + 1) * size; place++) sum += data[place];
    means[channel] = sum / size;
  }
  return means;
}

/**
 * Scores of all classes and their maps, whose sums and the biases are the scores.
 * @param {Layer} layer
 * @param {{weight: Float32Array, bias: Float32Array}} head
 * @returns {{scores: Float32Array, evidence: Maps}}
 */
export function explainedBy({ data, channels, rows, columns }, { weight, bias }) {
  const size = rows * columns;
  const maps = new Float32Array(bias.length * size);
  const sums = new Float64Array(size);
  const scores = new Float32Array(bias.length);
  for (let index = 0; index < bias.length; index++) {
    sums.fill(0);
    for (let channel = 0; channel < channels; channel++) {
      const factor = weight[index * channels + channel];
      if (!factor) continue;
      const from = channel * size;
      for (let place = 0; place < size; place++) sums[place] += factor * data[from + place];
    }
    let score = bias[index];
    for (let place = 0; place < size; place++) {
      maps[index * size + place] = sums[place] / size;
      score += sums[place] / size;
    }
    scores[index] = score;
  }
  const classes = Array.from(bias, (_, index) => index);
  return { scores, evidence: { data: maps, classes, rows, columns } };
}
