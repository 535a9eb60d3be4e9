// The engines that can run the graph: onnxruntime-web in WebAssembly, or on the graphics card.

import { PageError, shortened } from "./failures.js";

/** @typedef {import("./types.js").Engine} Engine */

/**
 * A graph that is ready to run.
 * @typedef {object} Session
 * @property {string} name "wasm" or "webgpu".
 * @property {number} threads
 * @property {boolean} teachable It puts out the explained layer, too.
 * @property {(pixels: Uint8Array, height: number, width: number, wanted?: Wanted) => Promise<Answer>} run
 * @property {() => Promise<void>} close
 *
 * What is computed out and copied: scores and maps, the explained layer, or both.
 * @typedef {"explained" | "layer" | "both"} Wanted
 *
 * @typedef {object} Answer
 * @property {Float32Array} scores
 * @property {Float32Array} evidence
 * @property {number} maps
 * @property {number[] | null} classes Whose maps these are, where the graph says it.
 * @property {number} rows
 * @property {number} columns
 * @property {import("./teaching/features.js").Layer | null} layer Where it is wanted.
 */

const MOST_THREADS = 4;
const RUNS = 3;
const TOLERANCE = 0.02; // of the largest score: half precision on graphics cards
const LAYER = "features"; // name of the output with the explained layer
const MODULES = { wasm: "ort.wasm.min.mjs", webgpu: "ort.jspi.min.mjs" };

/** Threads need memory that they share, which browsers give only to isolated pages. */
export function possibleThreads() {
  if (!globalThis.crossOriginIsolated || typeof SharedArrayBuffer === "undefined") return 1;
  return Math.max(1, Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1));
}

/** True if there is a graphics card that the browser lets pages use. */
export async function hasWebGpu() {
  const gpu = /** @type {{requestAdapter(): Promise<unknown>} | undefined} */ (Reflect.get(navigator, "gpu"));
  try {
    return Boolean(gpu && (await gpu.requestAdapter()));
  } catch {
    return false;
  }
}

/**
 * @param {"wasm" | "webgpu"} name
 * @param {URL} folder Of the runtime's files.
 * @param {Uint8Array} graph
 * @param {string} file Name of the graph, for errors.
 * @returns {Promise<Session>}
 */
export async function openSession(name, folder, graph, file) {
  const threads = possibleThreads();
  /** @type {any} */
  let ort;
  try {
    ort = await import(new URL(MODULES[name], folder).href);
  } catch (error) {
    throw new PageError("failure.runtime", { cause: cause(error) });
  }
  ort.env.wasm.wasmPaths = folder.href;
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = "error";
  /** @type {any} */
  let session;
  try {
    session = await ort.InferenceSession.create(graph, {
      executionProviders: [name],
      graphOptimizationLevel: "all",
      logSeverityLevel: 3, // warnings are for whoever made the graph
    });
  } catch (error) {
    throw openingError(error, name, file);
  }
  /** @type {string[]} */
  const names = session.outputNames;
  /** @type {Session["run"]} */
  const run = async (pixels, height, width, wanted = "explained") => {
    const feeds = { pixels: new ort.Tensor("uint8", pixels, [1, height, width, 3]) };
    const asked = names.filter((output) => (output === LAYER ? wanted !== "explained" : wanted !== "layer"));
    const { scores, evidence, classes, [LAYER]: features } = await session.run(feeds, asked);
    const [, maps, rows, columns] = (evidence ?? features).dims;
    return {
      scores: scores ? await taken(scores) : new Float32Array(0),
      evidence: evidence ? await taken(evidence) : new Float32Array(0),
      maps,
      classes: classes ? Array.from(await classes.getData(), Number) : null,
      rows,
      columns,
      layer: features ? await layerOf(features) : null,
    };
  };
  return { name, threads, teachable: names.includes(LAYER), run, close: () => session.release() };
}

/** @param {any} tensor */
async function layerOf(tensor) {
  const [, channels, rows, columns] = tensor.dims;
  return { data: await taken(tensor), channels, rows, columns };
}

/** @param {any} tensor */
async function taken(tensor) {
  const data = await tensor.getData();
  const copy = Float32Array.from(data);
  tensor.dispose();
  return copy;
}

/**
 * @param {unknown} error
 * @param {string} name
 * @param {string} file
 */
function openingError(error, name, file) {
  const words = cause(error);
  if (/out of memory|allocat|RangeError/i.test(words)) return new PageError("failure.memory", { file });
  if (name === "webgpu") return new PageError("engine.webgpu_failed", { cause: words });
  if (/protobuf|load model|parse|INVALID_GRAPH|ERROR_CODE: [2-9]/i.test(words)) {
    return new PageError("failure.graph_corrupt", { file, cause: words });
  }
  return new PageError("failure.runtime", { cause: words });
}

/** @param {unknown} error */
function cause(error) {
  return shortened(error instanceof Error ? error.message : String(error));
}

/** @param {number} height @param {number} width */
export function somePixels(height, width) {
  return new Uint8Array(height * width * 3).map((_, place) => (place * 37) % 251);
}

/**
 * True if two engines say the same: a fast engine that is wrong is of no use.
 * @param {Session} first
 * @param {Session} second
 * @param {number} height
 * @param {number} width
 */
export async function agree(first, second, height, width) {
  const pixels = somePixels(height, width);
  const wanted = first.teachable ? "both" : "explained";
  const ours = await first.run(pixels, height, width, wanted);
  const theirs = await second.run(pixels, height, width, wanted);
  const close = (/** @type {Float32Array} */ one, /** @type {Float32Array} */ other) => {
    const most = one.reduce((found, value) => Math.max(found, Math.abs(value)), 1);
    return one.every((value, place) => Math.abs(value - other[place]) <= TOLERANCE * most);
  };
  const layers = !ours.layer || (theirs.layer !== null && close(ours.layer.data, theirs.layer.data));
  return layers && close(ours.scores, theirs.scores) && close(ours.evidence, theirs.evidence);
}

/**
 * The median time of one picture, by an engine that has run before: the first run prepares it.
 * @param {Session} session
 * @param {number} height
 * @param {number} width
 * @returns {Promise<Engine>}
 */
export async function measure(session, height, width) {
  const pixels = somePixels(height, width);
  const times = [];
  for (let run = 0; run < RUNS; run++) {
    const began = performance.now();
    await session.run(pixels, height, width);
    times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  return { name: session.name, threads: session.threads, milliseconds: times[times.length >> 1] };
}
