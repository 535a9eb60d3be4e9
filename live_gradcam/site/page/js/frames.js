// Frames of a video element, each as a bitmap of its own.

/**
 * Call back for each frame that the element shows, until it is stopped.
 * @param {HTMLVideoElement} video
 * @param {(seconds: number | null) => void} onFrame Is told the frame's own time where the browser
 *   says it: the element's clock may be anywhere between two frames.
 * @returns {() => void} Stops it.
 */
export function watchFrames(video, onFrame) {
  let on = true;
  const next = (/** @type {number | null} */ seconds) => {
    if (!on) return;
    onFrame(seconds);
    wait();
  };
  const wait = () => {
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback((_, { mediaTime }) => next(mediaTime));
    else setTimeout(() => next(null), 30);
  };
  wait();
  return () => {
    on = false;
  };
}

/**
 * The frame that is shown, no larger than that side; mirrored where that is asked for.
 * @param {HTMLVideoElement} video
 * @param {number} longest
 * @param {boolean} mirror
 * @returns {Promise<ImageBitmap | null>}
 */
export async function grab(video, longest, mirror) {
  const { videoWidth: width, videoHeight: height } = video;
  if (!width || !height) return null;
  if (!mirror && Math.max(width, height) <= longest) return createImageBitmap(video);
  const factor = Math.min(1, longest / Math.max(width, height));
  const canvas = new OffscreenCanvas(Math.round(width * factor), Math.round(height * factor));
  const brush = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
  if (mirror) brush.setTransform(-1, 0, 0, 1, canvas.width, 0);
  brush.imageSmoothingQuality = "high";
  brush.drawImage(video, 0, 0, canvas.width, canvas.height);
  return canvas.transferToImageBitmap();
}
