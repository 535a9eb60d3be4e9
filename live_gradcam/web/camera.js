// The camera tab: posts frames to the page's own server and shows the explained ones.
// At most two frames are on their way at any time, so that lag cannot build up.
(() => {
  "use strict";

  const MOST_ON_THE_WAY = 2;
  const LONGEST_SIDE = 640;
  const settings = { mirror: false }; // the server has the defaults of all others
  let running = null; // the run that is shown; every start makes a new one

  const find = (id) => document.getElementById(id);
  const say = (text) => {
    const line = find("camera-message");
    if (line) line.textContent = text;
  };

  class Run {
    constructor(stream, name) {
      this.stream = stream;
      this.name = name;
      this.onTheWay = 0;
      this.next = 0;
      this.shown = -1;
      this.times = [];
      this.encoding = false;
      this.aborter = new AbortController();
      this.video = document.createElement("video");
      this.video.muted = true;
      this.video.playsInline = true;
      this.canvas = document.createElement("canvas");
    }

    get alive() {
      return running === this;
    }

    async play() {
      this.video.srcObject = this.stream;
      await this.video.play();
      for (const track of this.stream.getVideoTracks()) {
        track.addEventListener("ended", () => this.alive && stop("The camera is gone."));
      }
      this.wait();
    }

    wait() {
      if (!this.alive) return;
      const again = () => {
        this.send();
        this.wait();
      };
      if (this.video.requestVideoFrameCallback) this.video.requestVideoFrameCallback(again);
      else setTimeout(again, 30);
    }

    capture() {
      const { videoWidth: width, videoHeight: height } = this.video;
      const factor = Math.min(1, LONGEST_SIDE / Math.max(width, height));
      this.canvas.width = Math.round(width * factor);
      this.canvas.height = Math.round(height * factor);
      const brush = this.canvas.getContext("2d", { alpha: false, willReadFrequently: true });
      if (settings.mirror) brush.setTransform(-1, 0, 0, 1, this.canvas.width, 0);
      brush.drawImage(this.video, 0, 0, this.canvas.width, this.canvas.height);
      return new Promise((done) => this.canvas.toBlob(done, "image/jpeg", 0.85));
    }

    async send() {
      if (!this.alive || this.encoding || this.onTheWay >= MOST_ON_THE_WAY) return;
      if (!this.video.videoWidth) return;
      this.encoding = true;
      const began = performance.now();
      const number = this.next++;
      const frame = await this.capture();
      this.encoding = false;
      if (!this.alive || !frame) return;
      this.onTheWay += 1;
      try {
        const { mirror, ...asked } = settings;
        const query = new URLSearchParams({ n: String(number), ...asked });
        const answer = await fetch(`live/camera/${this.name}?${query}`, {
          method: "POST",
          body: frame,
          headers: { "content-type": "image/jpeg" },
          signal: this.aborter.signal,
        });
        await this.receive(answer, number, began);
      } catch (error) {
        if (this.alive) stop("The page's server does not answer any more.");
      } finally {
        this.onTheWay -= 1;
      }
    }

    async receive(answer, number, began) {
      if (answer.status === 204 || !this.alive) return;
      if (!answer.ok) {
        const text = await sentence(answer);
        if (answer.status === 422) say(text);
        else if (this.alive) stop(text);
        return;
      }
      const explanation = JSON.parse(decodeURIComponent(answer.headers.get("x-explanation")));
      const image = await createImageBitmap(await answer.blob());
      if (this.alive && number > this.shown) {
        this.shown = number;
        this.show(image, explanation, performance.now() - began);
      }
      image.close();
    }

    show(image, explanation, latency) {
      const canvas = find("camera-picture");
      if (!canvas) return;
      if (canvas.width !== image.width) canvas.width = image.width;
      if (canvas.height !== image.height) canvas.height = image.height;
      canvas.getContext("2d", { alpha: false }).drawImage(image, 0, 0);
      find("camera-stage").dataset.state = "live";
      const now = performance.now();
      this.times.push(now);
      while (this.times.length > 2 && now - this.times[0] > 1000) this.times.shift();
      const span = now - this.times[0];
      const rate = span > 0 ? ((this.times.length - 1) * 1000) / span : 0;
      find("camera-rate").textContent = `${rate.toFixed(1)} FPS · ${Math.round(latency)} ms`;
      showLabels(explanation);
      say("");
    }
  }

  function showLabels(explanation) {
    const list = find("camera-labels");
    explanation.predictions.forEach((each, place) => {
      let row = list.children[place];
      if (!row) {
        row = document.createElement("li");
        row.innerHTML = "<span></span><meter min='0' max='1'></meter><b></b>";
        list.append(row);
      }
      const [name, bar, share] = row.children;
      name.textContent = each.label;
      bar.hidden = each.probability === null;
      bar.value = each.probability ?? 0;
      bar.setAttribute("aria-label", each.label);
      share.textContent = each.strength;
      row.toggleAttribute("data-explained", each.label === explanation.explained);
    });
    while (list.children.length > explanation.predictions.length) list.lastChild.remove();
  }

  async function sentence(answer) {
    try {
      return (await answer.json()).detail;
    } catch {
      return `The page's server answers ${answer.status}.`;
    }
  }

  function why(error) {
    if (error.name === "NotAllowedError") return "The browser does not allow this page to use the camera.";
    if (error.name === "NotFoundError") return "The browser finds no camera.";
    if (error.name === "NotReadableError") return "Another program uses the camera.";
    return "The camera cannot be opened.";
  }

  async function start() {
    if (!navigator.mediaDevices) {
      say("Browsers give cameras only to pages from this machine or over https.");
      return;
    }
    const mine = {}; // whoever presses the button again meanwhile ends this start
    running = mine;
    showButton();
    say("Waiting for the camera …");
    let stream = null;
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        video: { width: { ideal: 640 }, height: { ideal: 480 } },
        audio: false,
      });
    } catch (error) {
      if (running === mine) stop(why(error));
      return;
    }
    let text = "The page's server does not answer.";
    try {
      const answer = await fetch("live/camera", { method: "POST" });
      if (answer.ok && running === mine) {
        running = new Run(stream, (await answer.json()).camera);
        await running.play();
        return;
      }
      if (!answer.ok) text = await sentence(answer);
    } catch (error) {
      console.warn(error);
    }
    stream.getTracks().forEach((track) => track.stop());
    if (running === mine) stop(text);
  }

  function stop(text = "") {
    const run = running;
    running = null;
    if (run instanceof Run) {
      run.stream.getTracks().forEach((track) => track.stop());
      run.aborter.abort(); // nobody waits for what is on its way
      navigator.sendBeacon(`live/camera/${run.name}/stop`);
    }
    const stage = find("camera-stage");
    if (stage) stage.dataset.state = "idle";
    const rate = find("camera-rate");
    if (rate) rate.textContent = "";
    say(text);
    showButton();
  }

  function showButton() {
    const button = find("camera-button");
    if (!button) return;
    const inner = button.matches("button") ? button : button.querySelector("button");
    inner.textContent = running ? "Stop the camera" : "Start the camera";
  }

  window.liveCamera = {
    toggle: () => (running ? stop() : start()),
    set: (name, value) => {
      settings[name] = value;
    },
  };
  window.addEventListener("pagehide", () => running && stop());
})();
