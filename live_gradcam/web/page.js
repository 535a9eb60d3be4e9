// The page: pictures are drawn as wide as they are shown, results come into view, spots answer,
// and the timeline seeks.
(() => {
  "use strict";

  const STEP = 64; // widths are asked for in steps, so that a dragged window asks seldom
  const MOST = 3840;
  const small = matchMedia("(max-width: 700px)");
  const find = (selector) => document.querySelector(selector);
  let waiting = null; // what the explained picture showed when the visitor gave another one

  // At once, because a gentle scroll ends half-way where the page grows meanwhile; and again while
  // what lies above settles, unless the visitor moves.
  const AGAIN_MS = [100, 300, 700, 1500];
  let moved = 0;
  for (const kind of ["wheel", "touchmove", "keydown", "pointerdown"]) {
    addEventListener(kind, () => (moved += 1), { capture: true, passive: true });
  }
  function bringUp(element) {
    const before = moved;
    const go = () => {
      if (moved === before) element?.scrollIntoView({ behavior: "instant", block: "start" });
    };
    go();
    for (const wait of AGAIN_MS) setTimeout(go, wait);
  }

  const shown = () => find("#picture-overlay img[data-live]")?.dataset.live.replace("&mark=1", "");
  const expectResult = () => (waiting = { before: shown() });

  // Pictures

  function shownWidth(image) {
    const ratio = Number(image.getAttribute("width")) / Number(image.getAttribute("height"));
    const box = image.getBoundingClientRect();
    return Math.min(box.width, box.height * ratio || box.width);
  }

  function refresh(image) {
    const width = shownWidth(image);
    if (!(width > 0)) return; // in a tab that is not shown
    const exact = Math.ceil((width * devicePixelRatio) / STEP) * STEP;
    const address = image.dataset.live;
    const sign = address.includes("?") ? "&" : "?";
    const asked = `${address}${sign}width=${Math.min(MOST, exact)}`;
    if (image.dataset.asked === asked) return;
    image.dataset.asked = asked;
    const loader = new Image();
    loader.onload = () => {
      if (image.dataset.asked !== asked) return;
      image.src = asked;
      arrived(image);
    };
    loader.onerror = () => image.toggleAttribute("data-gone", true);
    loader.src = asked;
  }

  function arrived(image) {
    if (!waiting || !image.closest("#picture-overlay") || shown() === waiting.before) return;
    waiting = null;
    const result = find("#picture-result");
    const { top } = result.getBoundingClientRect();
    if (small.matches || top < 0 || top > innerHeight * 0.6) bringUp(result);
  }

  const resized = new ResizeObserver((entries) => entries.forEach(({ target }) => refresh(target)));

  function adopt(root) {
    for (const image of root.querySelectorAll("img[data-live]")) {
      if (image.dataset.adopted === image.dataset.live) continue;
      image.dataset.adopted = image.dataset.live;
      resized.observe(image);
      refresh(image);
    }
    for (const element of root.querySelectorAll('div[aria-label="Empty value"]:not([role])')) {
      element.setAttribute("role", "img");
    }
    for (const [selector, name] of NAMES) {
      for (const element of root.querySelectorAll(selector)) {
        if (!element.getAttribute("aria-label")) element.setAttribute("aria-label", name);
      }
    }
  }

  // What the toolkit leaves without a name.
  const NAMES = [
    ["#picture-input button.upload-button, #picture-input .wrap button", "Choose your picture"],
    ["#picture-input input[type=file]", "Your picture"],
    ["#video-input input[type=file]", "Your video"],
    ["#video-input button.upload-button, #video-input .wrap button", "Choose your video"],
    ["#video-result video", "The explained video"],
    ["#video-input video", "Your video"],
  ];

  // Spots of the explained picture

  let spot = null; // the newest question

  async function ask(image, x, y) {
    const figure = image.closest("figure");
    const line = figure.querySelector(".spot");
    const mine = {};
    spot = mine;
    const address = image.dataset.live.replace("/overlay.jpg?", "/spot.json?");
    try {
      const answer = await fetch(`${address}&x=${x.toFixed(4)}&y=${y.toFixed(4)}`);
      const found = await answer.json();
      if (spot !== mine) return;
      line.textContent = found.text ?? found.detail;
      mark(figure, image, found.cell);
    } catch {
      line.textContent = "The page's server does not answer.";
    }
  }

  function mark(figure, image, cell) {
    let frame = figure.querySelector(".cell");
    if (!frame) {
      frame = document.createElement("i");
      frame.className = "cell";
      figure.append(frame);
    }
    frame.hidden = !cell;
    if (!cell) return;
    place(frame, image, Number(image.getAttribute("width")) / Number(image.getAttribute("height")), cell);
  }

  // Puts a frame over a part (0..1) of a picture that is fitted into its element.
  function place(frame, element, ratio, [x, y, across, down]) {
    const width = Math.min(element.clientWidth, element.clientHeight * ratio);
    const height = width / ratio;
    const left = element.offsetLeft + (element.clientWidth - width) / 2;
    const top = element.offsetTop + (element.clientHeight - height) / 2;
    frame.style.left = `${left + x * width}px`;
    frame.style.top = `${top + y * height}px`;
    frame.style.width = `${across * width}px`;
    frame.style.height = `${down * height}px`;
  }

  // The part (0..1) of a fitted picture under the mouse; null beside it.
  function under(event, element, ratio) {
    const box = element.getBoundingClientRect();
    const width = Math.min(box.width, box.height * ratio);
    const height = width / ratio;
    const x = (event.clientX - box.left - (box.width - width) / 2) / width;
    const y = (event.clientY - box.top - (box.height - height) / 2) / height;
    return x >= 0 && x <= 1 && y >= 0 && y <= 1 ? [x, y] : null;
  }

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  // Where the arrow keys lead, from the last place or the middle.
  function walk(event, element) {
    const way = ARROWS[event.key];
    if (!way) return null;
    event.preventDefault();
    const [x, y] = (element.dataset.spot ?? "0.5,0.5").split(",").map(Number);
    const clamp = (value) => Math.min(0.99, Math.max(0.01, value));
    const next = [clamp(x + way[0] / 14), clamp(y + way[1] / 14)];
    element.dataset.spot = next.join(",");
    return next;
  }

  document.addEventListener("click", (event) => {
    const image = event.target.closest("#picture-overlay img[data-live]");
    if (image) {
      const ratio = Number(image.getAttribute("width")) / Number(image.getAttribute("height"));
      const found = under(event, image, ratio);
      if (found) {
        image.dataset.spot = found.join(",");
        ask(image, ...found);
      }
    }
    if (event.target.closest("[data-example]")) expectResult();
    const stretch = event.target.closest("[data-seconds]");
    if (stretch) seek(stretch);
  });

  document.addEventListener("keydown", (event) => {
    const image = event.target.closest?.("#picture-overlay img[data-live]");
    const found = image && walk(event, image);
    if (found) ask(image, ...found);
  });

  // On the way down: on the way up, the toolkit may have taken the control away already.
  document.addEventListener("change", (event) => {
    if (event.target.closest("#picture-input")) expectResult();
  }, true);
  document.addEventListener("drop", (event) => {
    if (event.target.closest("#picture-input")) expectResult();
  }, true);
  document.addEventListener("paste", expectResult, true);
  document.addEventListener("click", (event) => {
    if (event.target.closest('#picture-input [aria-label="Paste from clipboard"]')) expectResult();
  }, true);

  // The timeline

  function seek(button) {
    const video = find("#video-result video");
    if (!video) return;
    video.currentTime = Number(button.dataset.seconds) + 0.001;
    const { top, bottom } = video.getBoundingClientRect();
    if (top < 0 || bottom > innerHeight) bringUp(find("#video-result"));
  }

  function follow(event) {
    if (!event.target.closest?.("#video-result")) return;
    const now = event.target.currentTime;
    for (const button of document.querySelectorAll(".timeline button")) {
      const { seconds, end } = button.dataset;
      const here = now >= Number(seconds) - 0.001 && now < Number(end);
      if (here) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  }
  for (const kind of ["timeupdate", "seeked", "loadeddata"]) {
    document.addEventListener(kind, follow, true);
  }
  let timelines = 0;
  function announceTimeline() {
    const heading = find("#timeline-heading");
    const fresh = heading && !heading.dataset.seen;
    if (!fresh) return;
    heading.dataset.seen = String(++timelines);
    if (small.matches) bringUp(find("#video-result"));
  }

  // Light and dark

  const DARK = "live-gradcam-dark";
  function toggleDark() {
    const dark = document.body.classList.toggle("dark");
    try {
      localStorage.setItem(DARK, String(dark));
    } catch {
      // a browser that keeps nothing
    }
  }
  let restored = false;
  function restoreDark() {
    if (restored || !find("#headline")) return; // the toolkit would choose afterwards
    restored = true;
    try {
      const kept = localStorage.getItem(DARK);
      if (kept !== null) document.body.classList.toggle("dark", kept === "true");
    } catch {
      // a browser that keeps nothing
    }
  }

  new MutationObserver(() => {
    adopt(document);
    announceTimeline();
    restoreDark();
  }).observe(document.documentElement, {
    childList: true,
    subtree: true,
    attributes: true,
    attributeFilter: ["data-live"],
  });
  addEventListener("load", () => {
    document.documentElement.lang ||= "en";
    restoreDark();
    adopt(document);
  });
  window.livePage = { toggleDark, under, place, walk };
})();
