// The worker: everything that takes time, so that the page never stutters.

import { Explaining } from "./explaining.js";
import { failureOf } from "./failures.js";

/** @type {Explaining | null} */
let explaining = null;
/** @type {{postMessage(message: unknown, transfer?: Transferable[]): void}} */
const page = /** @type {any} */ (self);

/** @type {Record<string, (asked: any) => Promise<{result: unknown, transfer?: Transferable[]}>>} */
const HANDLERS = {
  async open({ site, base }) {
    explaining = new Explaining(site, new URL(base));
    return { result: await explaining.open((loaded) => page.postMessage({ loaded })) };
  },
  async compare() {
    return { result: await opened().compareEngines() };
  },
  async pixels({ pixels, width, height }) {
    return { result: await opened().explainPixels(pixels, width, height) };
  },
  // The bitmap goes back with its explanation: they are shown together.
  async explain({ number, bitmap, view, keep }) {
    try {
      const { explanation, reduced } = await opened().explain(number, bitmap, view, keep);
      if (reduced) bitmap.close();
      const { kept } = explanation;
      const given = kept ? [kept.layer.data.buffer, kept.pooled.buffer, kept.pixels.buffer] : [];
      return { result: { bitmap: reduced ?? bitmap, explanation }, transfer: [reduced ?? bitmap, ...given] };
    } catch (error) {
      return { result: { bitmap, failure: failureOf(error) }, transfer: [bitmap] };
    }
  },
  async head({ head, model }) {
    return { result: await opened().useHead(head, model) };
  },
  async features({ pixels, width, height }) {
    return { result: await opened().features(pixels, width, height) };
  },
  async test({ number, index, shown }) {
    return { result: await opened().test(number, index, shown) };
  },
};

function opened() {
  if (!explaining) throw new Error("the worker has not been opened");
  return explaining;
}

self.addEventListener("message", async ({ data: { id, name, asked } }) => {
  try {
    const { result, transfer } = await HANDLERS[name](asked);
    page.postMessage({ id, result }, transfer ?? []);
  } catch (error) {
    page.postMessage({ id, failure: failureOf(error) });
  }
});
