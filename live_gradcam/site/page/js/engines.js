// The engines that can run the graph: onnxruntime-web in WebAssembly, or on the graphics card.

import { PageError, shortened } from "./failures.js";

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
const MEMORY = /out of memory|allocat|RangeError/i;
const LAYER = "features"; // name of the output with the explained layer
const MODULES = { wasm: "ort.wasm.min.mjs", webgpu: "ort.jspi.min.mjs" };
const BINARIES = { wasm: "ort-wasm-simd-threaded", webgpu: "ort-wasm-simd-threaded.jspi" };

/** Threads need memory that they share, which browsers give only to isolated pages. */
export function possibleThreads() {
  if (!globalThis.crossOriginIsolated || typeof SharedArrayBuffer === "undefined") return 1;
  return Math.max(1, Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1));
}

/**
 * Key of the sentence that says why there is no engine for graphics cards here; empty where there is.
 * The engine needs WebAssembly that can wait for a graphics card, which not every browser with
 * WebGPU has.
 */
export async function webGpuLacks() {
  const gpu = /** @type {{requestAdapter(): Promise<unknown>} | undefined} */ (Reflect.get(navigator, "gpu"));
  const adapter = await gpu?.requestAdapter().catch(() => null);
  if (!adapter) return "engine.webgpu_absent";
  return Reflect.has(WebAssembly, "Suspending") ? "" : "engine.webgpu_waits";
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
    throw (await missing(name, folder)) ?? new PageError("failure.runtime", { cause: cause(error) });
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
    throw (await missing(name, folder)) ?? openingError(error, name, file);
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

/**
 * Why an engine cannot start, where the host is the cause: it has not all files, or sends scripts as
 * something that browsers do not run.
 * @param {"wasm" | "webgpu"} name
 * @param {URL} folder
 * @returns {Promise<PageError | null>}
 */
async function missing(name, folder) {
  for (const part of [MODULES[name], `${BINARIES[name]}.mjs`, `${BINARIES[name]}.wasm`]) {
    const file = `runtime/${part}`;
    const answer = await fetch(new URL(part, folder)).catch(() => null);
    void answer?.body?.cancel();
    if (!answer) return null; // without a network nobody knows
    if (!answer.ok) return new PageError("failure.site_missing", { file });
    const type = answer.headers.get("content-type") ?? "";
    if (part.endsWith(".mjs") && !/javascript/i.test(type)) {
      return new PageError("failure.script_type", { file, type: type || "\u2013" });
    }
  }
  return null;
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
  const few = MEMORY.test(words);
  if (few) return name === "webgpu" ? new PageError("engine.webgpu_memory") : new PageError("failure.memory", { file });
  if (name === "webgpu") return new PageError("engine.webgpu_failed", { cause: words });
  if (/protobuf|load model|parse|INVALID_GRAPH|ERROR_CODE: [2-9]/i.test(words)) {
    return new PageError("failure.graph_corrupt", { file, cause: words });
  }
  return new PageError("failure.runtime", { cause: words });
}

/** @param {unknown} error */
function cause(error) {
  const words = error instanceof Error ? error.message : String(error);
  // What onnxruntime says before is where in its own code it happened.
  return shortened(words.split("Status Message:").pop() || words);
}

/**
 * What went wrong while a graph ran.
 * @param {unknown} error
 * @param {string} file Name of the graph.
 */
export function runningError(error, file) {
  const words = cause(error);
  return MEMORY.test(words) ? new PageError("failure.memory", { file }) : new PageError("failure.run", { cause: words });
}

/** @param {number} height @param {number} width */
export function somePixels(height, width) {
  return new Uint8Array(height * width * 3).map((_, place) => (place * 37) % 251);
}
