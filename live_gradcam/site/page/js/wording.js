// Figures as people read them: the rules of live_gradcam.wording.

import { roundEven } from "./rounding.js";

const MINUS = "\u2212";
const SPACE = "\u00a0"; // no line breaks at it
const ROUNDING = 1e-6; // sums of shares in float32 miss 0 and 1 by no more

/**
 * A share in percent; never 100 % or 0 % for what is neither.
 * @param {number} share
 * @param {Record<string, string>} [words] The table of texts, for running text.
 */
export function percent(share, words) {
  if (!(share >= -ROUNDING && share <= 1 + ROUNDING)) return "?";
  const rounded = roundEven(Math.abs(share) * 100);
  const below = share > 0 && share < 1 && rounded === 0;
  const above = share > 0 && share < 1 && rounded === 100;
  const figure = below ? "1 %" : above ? "99 %" : `${rounded} %`;
  if (!words) return below ? `<${figure}` : above ? `>${figure}` : figure;
  const written = below || above ? fill(words[below ? "figure.under" : "figure.over"], { figure }) : figure;
  return written.replace(" %", `${SPACE}%`);
}

/**
 * A number that is no share, in about four digits.
 * @param {number} value
 */
export function number(value) {
  const size = Math.abs(value);
  const text = size >= 1000 && size < 1e6 ? String(roundEven(size)) : general(size, 4);
  return value < 0 ? MINUS + text : text;
}

/**
 * @param {number} value Not negative.
 * @param {number} digits
 */
function general(value, digits) {
  if (value === 0 || !Number.isFinite(value)) return Number.isFinite(value) ? "0" : String(value);
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  const power = Number(exponent);
  const strip = (/** @type {string} */ text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (power >= -4 && power < digits) return strip(value.toFixed(Math.max(0, digits - 1 - power)));
  const size = String(Math.abs(power)).padStart(2, "0");
  return `${strip(mantissa)}e${power < 0 ? "-" : "+"}${size}`;
}

/**
 * How strongly a class is predicted: a probability in percent, or a plain number.
 * @param {number} value
 * @param {boolean} isShare
 * @param {Record<string, string>} [words]
 */
export function strength(value, isShare, words) {
  return isShare ? percent(value, words) : number(value);
}

/**
 * A contribution to a score with its sign, in two digits.
 * @param {number} value
 */
export function signed(value) {
  return `${value > 0 ? "+" : ""}${number(Number(value.toPrecision(2)))}`;
}

/**
 * Names as they are said: "a, b and c".
 * @param {string[]} parts
 * @param {Record<string, string>} words
 */
export function listed(parts, words) {
  if (parts.length < 2) return parts.join("");
  const some = parts.slice(0, -1).join(words["figure.between"]);
  return fill(words["figure.last"], { some, last: parts[parts.length - 1] });
}

/**
 * Put values into the places of a sentence: `{label}`.
 * @param {string} sentence
 * @param {Record<string, string | number>} values
 */
export function fill(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (place, name) => (name in values ? String(values[name]) : place));
}
