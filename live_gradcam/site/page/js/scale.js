import { ownScale } from "./heat.js";

/**
 * The value that is shown in full colour, steady in time: quickly upwards, slowly downwards, and
 * never below a fraction of the recent peak, so that what is weak looks weak.
 * The rules of live_gradcam.show.scale.
 */
export class HeatScale {
  /** @param {{attack: number, decay: number, floor: number, forget: number}} rates */
  constructor(rates) {
    this.rates = rates;
    this.value = 0;
    this.peak = 0;
  }

  /**
   * Take the next picture's maps and return the scale to draw them with.
   * @param {Float32Array[]} maps
   * @param {boolean} signed
   */
  update(maps, signed) {
    const { attack, decay, floor, forget } = this.rates;
    const target = Math.max(0, ...maps.map((each) => ownScale(each, signed)));
    this.peak = Math.max(target, this.peak * (1 - forget));
    if (this.value === 0) this.value = target;
    else if (target > 0) {
      // A map without evidence says nothing about how large evidence is.
      this.value += (target > this.value ? attack : decay) * (target - this.value);
    }
    this.value = Math.max(this.value, floor * this.peak);
    return this.value;
  }

  /** Forget everything: the pictures, or the question, are others. */
  reset() {
    this.value = this.peak = 0;
  }
}
