// Pictures: a file, a drop, the clipboard, an example.

import { find } from "./document.js";
import { PageError } from "./failures.js";
import { reduction } from "./pixels.js";
import { text } from "./texts.js";

/** @typedef {import("./types.js").Site} Site */
/** @typedef {import("./session.js").Incoming} Incoming */

/**
 * Whoever takes pictures and says what is wrong.
 * @typedef {object} Taker
 * @property {(incoming: Incoming) => void} offer
 * @property {() => void} settle The pictures move no more.
 * @property {() => boolean} isFree A moving picture that is grabbed now is the next one.
 * @property {(told: () => void) => void} onFree
 * @property {(error: unknown) => void} fail
 * @property {(sentence: string) => void} say
 * @property {(file: File) => void} openVideo
 */

const AS_IN_PYTHON = /** @type {ImageBitmapOptions} */ ({
  imageOrientation: "from-image",
  colorSpaceConversion: "none",
});

// Browsers know the media types of few films, and none of what comes from some file managers.
const FILMS = /\.(mp4|m4v|mov|webm|mkv|avi|mpe?g|ogv|wmv|3gp|flv)$/i;

/** @param {Blob} blob @param {string} name */
function isVideo(blob, name) {
  return blob.type.startsWith("video/") || (!blob.type.startsWith("image/") && FILMS.test(name));
}

/**
 * Decode a picture as the network should see it: upright, with the colours that the file has.
 * @param {Blob} blob
 * @param {string} name
 * @param {number} mostPixels
 * @returns {Promise<ImageBitmap>}
 */
export async function decode(blob, name, mostPixels) {
  if (!blob.size) throw new PageError("failure.picture_empty", { file: name });
  const size = await sizeOf(blob);
  if (!size) throw new PageError("failure.not_a_picture", { file: name });
  const { width, height } = size;
  if (width * height > mostPixels) {
    throw new PageError("failure.picture_large", { file: name, width, height, most: Math.floor(mostPixels / 1e6) });
  }
  try {
    return await createImageBitmap(blob, AS_IN_PYTHON);
  } catch {
    throw new PageError("failure.picture_undecoded", { file: name, width, height });
  }
}

/**
 * Width and height of a picture without the memory of its pixels; null where it is none.
 * @param {Blob} blob
 * @returns {Promise<{width: number, height: number} | null>}
 */
async function sizeOf(blob) {
  const image = new Image();
  const address = URL.createObjectURL(blob);
  try {
    return await new Promise((done) => {
      image.onload = () => done({ width: image.naturalWidth, height: image.naturalHeight });
      image.onerror = () => done(null);
      image.src = address;
    });
  } finally {
    URL.revokeObjectURL(address);
  }
}

export class PictureSource {
  /** @param {Site} site @param {URL} base @param {Taker} taker */
  constructor(site, base, taker) {
    this.site = site;
    this.base = base;
    this.taker = taker;
    this.opened = 0;
    const input = find("picture-file", HTMLInputElement);
    input.addEventListener("change", () => {
      const [file] = input.files ?? [];
      if (file) void this.open(file, file.name);
      input.value = ""; // the same file may be chosen again
    });
    this.takeDrops();
    document.addEventListener("paste", (event) => this.paste(event));
    this.listExamples();
  }

  takeDrops() {
    const area = document.body;
    const over = (/** @type {boolean} */ is) => document.body.classList.toggle("drop", is);
    area.addEventListener("dragover", (event) => {
      event.preventDefault();
      over(true);
    });
    area.addEventListener("dragleave", (event) => event.relatedTarget === null && over(false));
    area.addEventListener("drop", (event) => {
      event.preventDefault();
      over(false);
      const [file] = event.dataTransfer?.files ?? [];
      if (file) this.openFile(file);
      else this.taker.fail(new PageError("failure.nothing_dropped"));
    });
  }

  /** @param {ClipboardEvent} event */
  paste(event) {
    const [file] = event.clipboardData?.files ?? [];
    if (file) this.openFile(file);
  }

  /** @param {File} file */
  openFile(file) {
    if (isVideo(file, file.name)) this.taker.openVideo(file);
    else void this.open(file, file.name);
  }

  /** Forget what is still being opened: another tab is shown. */
  cancel() {
    this.opened += 1;
  }

  /**
   * @param {Blob | Promise<Blob>} coming
   * @param {string} name
   */
  async open(coming, name) {
    const opening = ++this.opened;
    try {
      const blob = await coming;
      if (isVideo(blob, name)) throw new PageError("failure.picture_is_video", { file: name });
      const bitmap = await decode(blob, name, this.site.settings.max_pixels);
      if (opening !== this.opened) {
        bitmap.close(); // another one has been chosen meanwhile
        return;
      }
      const { width, height } = bitmap;
      const factor = reduction(width, height);
      this.taker.offer({ bitmap, name, live: false, seconds: null, original: { width, height } });
      this.taker.say(factor > 1 ? text("note.reduced", { width, height, factor }) : "");
    } catch (error) {
      if (opening === this.opened) this.taker.fail(error);
    }
  }

  listExamples() {
    const list = find("examples", HTMLElement);
    for (const example of this.site.examples) {
      const item = document.createElement("li");
      const button = document.createElement("button");
      const image = document.createElement("img");
      button.type = "button";
      image.src = new URL(example.file, this.base).href;
      image.alt = example.title;
      image.loading = "lazy";
      button.append(image);
      button.addEventListener("click", () => void this.openExample(example));
      item.append(button);
      list.append(item);
    }
    list.hidden = !this.site.examples.length;
  }

  /** @param {{file: string, title: string}} example */
  async openExample(example) {
    const { file } = example;
    const fetched = fetch(new URL(file, this.base)).then(
      (answer) => {
        if (!answer.ok) throw new PageError("failure.example", { file });
        return answer.blob();
      },
      () => {
        throw new PageError("failure.example", { file });
      },
    );
    await this.open(fetched, example.title);
  }
}
