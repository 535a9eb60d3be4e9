// A video file: played, explained while it plays, and exactly where it is paused.

import { find } from "./document.js";
import { PageError } from "./failures.js";
import { grab, watchFrames } from "./frames.js";

/** @typedef {import("./picture.js").Taker} Taker */

const LONGEST_SIDE = 1280;

export class VideoSource {
  /** @param {Taker} taker @param {() => void} onLive Live pictures begin. */
  constructor(taker, onLive) {
    this.taker = taker;
    this.onLive = onLive;
    this.video = find("film", HTMLVideoElement);
    this.address = "";
    this.name = "";
    this.grabbing = false;
    this.missed = false;
    const input = find("video-file", HTMLInputElement);
    input.addEventListener("change", () => {
      const [file] = input.files ?? [];
      if (file) this.open(file);
      input.value = "";
    });
    this.video.addEventListener("error", () => {
      if (this.address) this.refuse();
    });
    this.video.addEventListener("loadeddata", () => {
      if (!this.video.videoWidth) this.refuse();
      else void this.send(false);
    });
    // What stands still is explained as it stands.
    for (const name of ["seeked", "pause", "ended"]) this.video.addEventListener(name, () => void this.send(false));
    this.video.addEventListener("play", () => this.onLive());
    watchFrames(this.video, () => void this.send(!this.video.paused));
  }

  refuse() {
    const { name } = this;
    this.close();
    this.taker.fail(new PageError("failure.video", { file: name }));
  }

  /** @param {File} file */
  open(file) {
    this.close();
    this.name = file.name;
    this.address = URL.createObjectURL(file);
    this.video.src = this.address;
    this.video.hidden = false;
    this.video.load();
    this.taker.say("");
  }

  /** @param {boolean} live */
  async send(live) {
    const { address } = this;
    if (!address || this.video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return;
    if (this.grabbing) {
      this.missed ||= !live;
      return;
    }
    this.grabbing = true;
    try {
      const seconds = this.video.currentTime;
      const bitmap = await grab(this.video, LONGEST_SIDE, false);
      if (bitmap && address === this.address) this.taker.offer({ bitmap, name: this.name, live, seconds });
      else bitmap?.close();
    } catch (error) {
      if (address === this.address) this.taker.fail(error);
    } finally {
      this.grabbing = false;
    }
    if (this.missed) {
      this.missed = false;
      await this.send(false);
    }
  }

  pause() {
    this.video.pause();
  }

  close() {
    if (!this.address) return;
    URL.revokeObjectURL(this.address);
    this.address = "";
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.load();
    this.video.hidden = true;
  }
}
