/** @typedef {import("./types.js").Figures["maps"]} Figures */
/** @typedef {Map<number, Float32Array>} Maps By the class that each belongs to. */

/**
 * Maps of moving pictures without shimmer, one picture late: three are averaged, and what then
 * still changes by no more than noise does is followed slowly only. A map that has little in
 * common with the ones before is news (a cut, another object): it is shown as it is, at once.
 * The rules of live_gradcam.session.smoothing.
 */
export class SteadyMaps {
  /** @param {Figures} figures */
  constructor(figures) {
    this.figures = figures;
    this.context = "";
    this.reset();
  }

  /** Forget the pictures before. */
  reset() {
    /** @type {Maps[]} Newest first. */
    this.history = [];
    /** @type {Maps} */
    this.calm = new Map();
    /** @type {number | null} */
    this.noise = null;
  }

  /**
   * Take the next picture's maps and return them smoothed.
   * @param {number[]} classes Whose maps these are.
   * @param {Float32Array[]} maps
   * @param {string} context What the maps mean; another one begins anew.
   * @returns {Float32Array[]}
   */
  update(classes, maps, context) {
    if (context !== this.context) this.reset();
    this.context = context;
    /** @type {Maps} */
    const newest = new Map(classes.map((index, place) => [index, maps[place].slice()]));
    const [before] = this.history;
    if (before && this.isNews(newest, before)) {
      this.history = [];
      this.calm = new Map();
    }
    if (this.history.length) this.measureNoise(newest, this.history[0]);
    this.history = [newest, ...this.history].slice(0, this.figures.taps.length);
    this.calm = new Map(classes.map((index) => [index, this.settle(index)]));
    return classes.map((index) => /** @type {Float32Array} */ (this.calm.get(index)));
  }

  /**
   * The change of the maps where nothing happens.
   * @param {Maps} newest
   * @param {Maps} before
   */
  measureNoise(newest, before) {
    const changes = [];
    for (const [index, after] of newest) {
      const past = before.get(index);
      if (past) for (let cell = 0; cell < after.length; cell++) changes.push(Math.abs(after[cell] - past[cell]));
    }
    if (!changes.length) return;
    const { deviations, noise_growth: growth } = this.figures;
    const noise = median(changes) * deviations;
    if (this.noise === null || noise < this.noise) this.noise = noise;
    else this.noise = Math.min(noise, this.noise * growth + 1e-12);
  }

  /** @param {number} index @returns {Float32Array} */
  settle(index) {
    const averaged = this.average(index);
    const before = this.calm.get(index);
    if (!before || this.noise === null) return averaged;
    const { taps, noise_band: wide, largest_band: largest, creep } = this.figures;
    const most = averaged.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    const band = Math.min(wide * this.noise * Math.hypot(...taps), largest * most);
    return averaged.map((value, cell) => {
      const change = Math.min(band, Math.max(-band, value - before[cell]));
      return value - change * (1 - creep);
    });
  }

  /** @param {number} index @returns {Float32Array} */
  average(index) {
    const { taps } = this.figures;
    const total = new Float64Array(/** @type {Float32Array} */ (this.history[0].get(index)).length);
    let weight = 0;
    for (const [place, maps] of this.history.entries()) {
      const map = maps.get(index);
      if (!map) break;
      map.forEach((value, cell) => (total[cell] += taps[place] * value));
      weight += taps[place];
    }
    return Float32Array.from(total, (value) => value / weight);
  }

  /**
   * Whether the maps that both pictures have differ more than noise makes them.
   * @param {Maps} newest
   * @param {Maps} before
   */
  isNews(newest, before) {
    let change = 0;
    let strength = 0;
    for (const [index, after] of newest) {
      const past = before.get(index);
      if (!past) continue;
      if (past.length !== after.length) return true;
      change += sumOf(after, (value, cell) => Math.abs(value - past[cell]));
      strength += Math.max(sumOf(after, Math.abs), sumOf(past, Math.abs));
    }
    return change > this.figures.news * strength;
  }
}

/** @param {Float32Array} values @param {(value: number, cell: number) => number} of */
function sumOf(values, of) {
  let sum = 0;
  for (let cell = 0; cell < values.length; cell++) sum += of(values[cell], cell);
  return sum;
}

/** @param {number[]} values */
function median(values) {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
