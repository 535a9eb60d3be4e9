// The camera: its picture never leaves this page.

import { find } from "./document.js";
import { PageError } from "./failures.js";
import { grab, watchFrames } from "./frames.js";
import { text } from "./texts.js";

/** @typedef {import("./picture.js").Taker} Taker */
/** @typedef {import("./state.js").State} State */

const LONGEST_SIDE = 1280;
const WANTED = { width: { ideal: 640 }, height: { ideal: 480 } };

/** @type {Record<string, string>} */
const REFUSALS = {
  NotAllowedError: "failure.camera_refused",
  SecurityError: "failure.camera_refused",
  NotFoundError: "failure.camera_absent",
  OverconstrainedError: "failure.camera_absent",
  NotReadableError: "failure.camera_taken",
  AbortError: "failure.camera_taken",
};

export class CameraSource {
  /**
   * @param {State} state
   * @param {Taker} taker
   * @param {() => void} onLive Live pictures begin.
   * @param {string} [place] What the names of its buttons begin with.
   */
  constructor(state, taker, onLive, place = "camera") {
    this.state = state;
    this.taker = taker;
    this.onLive = onLive;
    this.button = find(`${place}-start`, HTMLButtonElement);
    this.freezer = find(`${place}-freeze`, HTMLButtonElement);
    this.turner = find(`${place}-turn`, HTMLButtonElement);
    this.facing = "user";
    /** @type {MediaStream | null} */
    this.stream = null;
    this.frozen = false;
    this.run = 0;
    this.grabbing = false;
    this.stopWatching = () => {};
    this.video = document.createElement("video");
    this.video.muted = true;
    this.video.playsInline = true;
    this.button.addEventListener("click", () => (this.stream ? this.stop() : void this.start()));
    this.freezer.addEventListener("click", () => this.freeze());
    this.turner.addEventListener("click", () => this.turn());
    this.showButtons();
  }

  async start() {
    const run = ++this.run;
    this.taker.say(text("camera.waiting"));
    try {
      if (!navigator.mediaDevices?.getUserMedia) throw new PageError("failure.camera_insecure");
      const stream = await navigator.mediaDevices.getUserMedia({
        video: { ...WANTED, facingMode: { ideal: this.facing } },
        audio: false,
      });
      if (run !== this.run) {
        stream.getTracks().forEach((track) => track.stop()); // stopped again meanwhile
        return;
      }
      this.stream = stream;
      const [track] = stream.getVideoTracks();
      track.addEventListener("ended", () => {
        if (this.stream !== stream) return;
        this.stop();
        this.taker.fail(new PageError("failure.camera_gone"));
      });
      this.video.srcObject = stream;
      await this.video.play();
      this.taker.say("");
      this.stopWatching = watchFrames(this.video, () => void this.send(run));
      this.onLive();
    } catch (error) {
      if (run !== this.run) return;
      this.stop();
      this.taker.fail(refusal(error));
    }
    this.showButtons();
  }

  /** @param {number} run */
  async send(run) {
    if (this.frozen || this.grabbing || run !== this.run) return;
    this.grabbing = true;
    try {
      const bitmap = await grab(this.video, LONGEST_SIDE, this.state.choices.mirror);
      if (!bitmap) return;
      if (run === this.run && !this.frozen) this.taker.offer({ bitmap, name: "camera", live: true, seconds: null });
      else bitmap.close();
    } catch (error) {
      if (run === this.run) this.taker.fail(error);
    } finally {
      this.grabbing = false;
    }
  }

  freeze() {
    if (!this.stream) return;
    this.frozen = !this.frozen;
    this.showButtons();
  }

  turn() {
    this.facing = this.facing === "user" ? "environment" : "user";
    if (!this.stream) return;
    this.stop();
    void this.start();
  }

  stop() {
    this.run += 1;
    this.stopWatching();
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.frozen = false;
    this.video.srcObject = null;
    this.showButtons();
  }

  showButtons() {
    this.button.textContent = text(this.stream ? "camera.stop" : "camera.start");
    this.freezer.textContent = text(this.frozen ? "camera.go_on" : "camera.freeze");
    this.freezer.disabled = !this.stream;
  }
}

/** @param {unknown} error */
function refusal(error) {
  const key = error instanceof DOMException ? REFUSALS[error.name] : undefined;
  if (key) return new PageError(key);
  return error instanceof PageError ? error : new PageError("failure.camera", { cause: String(error) });
}
