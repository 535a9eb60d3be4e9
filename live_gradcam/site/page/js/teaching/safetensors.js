// Files of taught heads, as live_gradcam.explain.taught writes and reads them: `.safetensors` with
// `head.weight`, `head.bias`, and in the metadata what they are of.

import { PageError } from "../failures.js";

/** @typedef {import("../types.js").Teaching} Teaching */
/** @typedef {{weight: Float32Array, bias: Float32Array, labels: string[]}} SavedHead */

const MOST_HEADER = 8 << 20;
const FLOATS = "F32";

/**
 * The content of a file of a head without its trunk.
 * @param {SavedHead} head
 * @param {Record<string, string>} facts What the file says about itself, but for the labels.
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function writeHead({ weight, bias, labels }, facts) {
  const channels = weight.length / bias.length;
  const header = JSON.stringify({
    __metadata__: { ...facts, labels: JSON.stringify(labels) },
    "head.weight": { dtype: FLOATS, shape: [bias.length, channels], data_offsets: [0, weight.byteLength] },
    "head.bias": {
      dtype: FLOATS,
      shape: [bias.length],
      data_offsets: [weight.byteLength, weight.byteLength + bias.byteLength],
    },
  });
  const text = new TextEncoder().encode(header);
  const padded = Math.ceil(text.length / 8) * 8; // numbers begin where processors read them best
  const file = new Uint8Array(8 + padded + weight.byteLength + bias.byteLength).fill(32, 8, 8 + padded);
  const view = new DataView(file.buffer);
  view.setBigUint64(0, BigInt(padded), true);
  file.set(text, 8);
  [...weight, ...bias].forEach((value, place) => view.setFloat32(8 + padded + 4 * place, value, true));
  return file;
}

/**
 * Read a head that was taught on this page's trunk, saved here or by Python, with its trunk or without.
 * @param {ArrayBuffer} file
 * @param {string} name Of the file, for errors.
 * @param {Teaching} teaching
 * @returns {SavedHead & {facts: Record<string, string>}}
 */
export function readHead(file, name, teaching) {
  const damaged = () => new PageError("failure.taught_damaged", { file: name });
  /** @type {any} */
  let header;
  let start = 0;
  try {
    const length = Number(new DataView(file).getBigUint64(0, true));
    if (length > Math.min(MOST_HEADER, file.byteLength - 8)) throw damaged();
    start = 8 + length;
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(file, 8, length)));
  } catch {
    throw damaged();
  }
  const facts = header?.__metadata__;
  if (facts?.format !== teaching.facts.format) throw damaged();
  if (facts.version !== teaching.facts.version) throw new PageError("failure.taught_version", { file: name });
  const text = (/** @type {string} */ key) => {
    try {
      return JSON.parse(facts[key]);
    } catch {
      throw damaged();
    }
  };
  if (text("trunk") !== teaching.trunk) {
    throw new PageError("failure.taught_trunk", { file: name, network: text("network") });
  }
  const labels = text("labels");
  text("view");
  const weight = numbers(file, start, header["head.weight"]);
  const bias = numbers(file, start, header["head.bias"]);
  const fits = weight && bias && Array.isArray(labels) && labels.length > 1 && labels.every((each) => typeof each === "string");
  if (!fits || bias.length !== labels.length || weight.length !== labels.length * teaching.features) throw damaged();
  return { weight, bias, labels, facts };
}

/** @param {ArrayBuffer} file @param {number} start @param {any} entry @returns {Float32Array | null} Null where it is damaged. */
function numbers(file, start, entry) {
  const [from, to] = entry?.data_offsets ?? [];
  const inside = entry?.dtype === FLOATS && Number.isInteger(from) && Number.isInteger(to) && from >= 0 && to >= from;
  if (!inside || (to - from) % 4 || start + to > file.byteLength) return null;
  const view = new DataView(file, start + from, to - from);
  const found = Float32Array.from({ length: (to - from) / 4 }, (_, place) => view.getFloat32(4 * place, true));
  return found.every(Number.isFinite) ? found : null;
}
