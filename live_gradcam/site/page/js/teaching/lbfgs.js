// L-BFGS (Liu and Nocedal 1989, doi:10.1007/BF01589116) with a line search for the strong Wolfe
// conditions (Nocedal and Wright, Numerical Optimization, algorithms 3.5 and 3.6), with the
// constants of torch.optim.LBFGS.

/**
 * Writes the derivative, and returns the value.
 * @typedef {(theta: Float64Array, gradient: Float64Array) => number} Objective
 */

const HISTORY = 20;
const LEAST_CHANGE = 1e-12;
const ENOUGH = 1e-4;
const FLAT = 0.9;
const MOST_TRIES = 25;

/**
 * @param {Objective} objective
 * @param {Float64Array} theta Where it begins; overwritten.
 * @param {number} steps At most; twice as many evaluations.
 * @param {number} exactness Largest derivative that is taken for none.
 * @returns {Float64Array}
 */
export function minimise(objective, theta, steps, exactness) {
  /** @type {Float64Array} */
  let gradient = new Float64Array(theta.length);
  let value = objective(theta, gradient);
  /** @type {{moved: Float64Array, turned: Float64Array, inverse: number}[]} */
  const history = [];
  let evaluations = 1;
  let direction = gradient.map((each) => -each);
  let scale = 1;
  for (let step = 0; step < steps && evaluations < 2 * steps; step++) {
    if (largest(gradient) <= exactness) break;
    if (step > 0) direction = directionOf(gradient, history, scale);
    const slope = inner(gradient, direction);
    if (slope > -LEAST_CHANGE) break;
    const sum = gradient.reduce((total, each) => total + Math.abs(each), 0);
    const length = step === 0 ? Math.min(1, 1 / sum) : 1;
    const found = search(objective, theta, direction, length, value, gradient, slope);
    evaluations += found.evaluations;
    const turned = found.gradient.map((each, place) => each - gradient[place]);
    const moved = direction.map((each) => each * found.length);
    const before = value;
    moved.forEach((each, place) => (theta[place] += each));
    ({ value, gradient } = found);
    const curved = inner(turned, moved);
    if (curved > 1e-10) {
      if (history.length === HISTORY) history.shift();
      history.push({ moved, turned, inverse: 1 / curved });
      scale = curved / inner(turned, turned);
    }
    if (largest(moved) <= LEAST_CHANGE || Math.abs(value - before) < LEAST_CHANGE) break;
  }
  return theta;
}

/**
 * @param {Float64Array} gradient
 * @param {{moved: Float64Array, turned: Float64Array, inverse: number}[]} history
 * @param {number} scale
 */
function directionOf(gradient, history, scale) {
  const found = gradient.map((each) => -each);
  const parts = new Float64Array(history.length);
  for (let place = history.length - 1; place >= 0; place--) {
    const { moved, turned, inverse } = history[place];
    parts[place] = inner(moved, found) * inverse;
    add(found, turned, -parts[place]);
  }
  for (let place = 0; place < found.length; place++) found[place] *= scale;
  history.forEach(({ moved, turned, inverse }, place) =>
    add(found, moved, parts[place] - inner(turned, found) * inverse),
  );
  return found;
}

/**
 * @typedef {{length: number, value: number, gradient: Float64Array, slope: number}} Place
 */

/**
 * A step that goes down enough, to where it is flat enough.
 * @param {Objective} objective
 * @param {Float64Array} theta
 * @param {Float64Array} direction
 * @param {number} length To begin with.
 * @param {number} value
 * @param {Float64Array} gradient
 * @param {number} slope
 * @returns {Place & {evaluations: number}}
 */
function search(objective, theta, direction, length, value, gradient, slope) {
  let evaluations = 0;
  const at = (/** @type {number} */ along) => {
    evaluations += 1;
    const there = theta.map((each, place) => each + along * direction[place]);
    const derivative = new Float64Array(theta.length);
    const found = objective(there, derivative);
    return { length: along, value: found, gradient: derivative, slope: inner(derivative, direction) };
  };
  const start = { length: 0, value, gradient, slope };
  const widest = largest(direction);
  /** @type {Place} */
  let before = start;
  let now = at(length);
  /** @type {[Place, Place] | null} */
  let bracket = null;
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    if (now.value > value + ENOUGH * now.length * slope || (tries > 0 && now.value >= before.value)) {
      bracket = [before, now];
      break;
    }
    if (Math.abs(now.slope) <= -FLAT * slope) return { ...now, evaluations };
    if (now.slope >= 0) {
      bracket = [before, now];
      break;
    }
    const least = now.length + 0.01 * (now.length - before.length);
    const next = between(before, now, least, now.length * 10);
    before = now;
    now = at(next);
  }
  bracket ??= [start, now];
  let [low, high] = bracket[0].value <= bracket[1].value ? bracket : [bracket[1], bracket[0]];
  let stuck = false;
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const [from, to] = low.length < high.length ? [low, high] : [high, low];
    if ((to.length - from.length) * widest < LEAST_CHANGE) break;
    let next = between(from, to, from.length, to.length);
    const margin = 0.1 * (to.length - from.length);
    if (Math.min(to.length - next, next - from.length) < margin) {
      if (stuck || next >= to.length || next <= from.length) {
        next = Math.abs(next - to.length) < Math.abs(next - from.length) ? to.length - margin : from.length + margin;
        stuck = false;
      } else stuck = true;
    } else stuck = false;
    const found = at(next);
    if (found.value > value + ENOUGH * next * slope || found.value >= low.value) {
      high = found;
      continue;
    }
    if (Math.abs(found.slope) <= -FLAT * slope) return { ...found, evaluations };
    if (found.slope * (high.length - low.length) >= 0) high = low;
    low = found;
  }
  return { ...low, evaluations };
}

/**
 * The minimum of the cubic through two places, within bounds.
 * @param {Place} one
 * @param {Place} other
 * @param {number} least
 * @param {number} most
 */
function between(one, other, least, most) {
  const first = one.slope + other.slope - (3 * (one.value - other.value)) / (one.length - other.length);
  const square = first * first - one.slope * other.slope;
  if (!(square >= 0)) return (least + most) / 2;
  const second = Math.sqrt(square);
  const [low, high] = one.length <= other.length ? [one, other] : [other, one];
  const found =
    high.length - (high.length - low.length) * ((high.slope + second - first) / (high.slope - low.slope + 2 * second));
  return Math.min(Math.max(found, least), most);
}

/** @param {Float64Array} values */
function largest(values) {
  return values.reduce((most, each) => Math.max(most, Math.abs(each)), 0);
}

/** @param {Float64Array} one @param {Float64Array} other */
function inner(one, other) {
  let sum = 0;
  for (let place = 0; place < one.length; place++) sum += one[place] * other[place];
  return sum;
}

/** @param {Float64Array} to @param {Float64Array} what @param {number} times */
function add(to, what, times) {
  for (let place = 0; place < to.length; place++) to[place] += times * what[place];
}
