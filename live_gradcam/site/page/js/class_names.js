// The class that a typed name means: the rules of live_gradcam.class_names and live_gradcam.spelling.

/** What a name means: a class, several ones, or none, and then those that are spelt like it.
 * @typedef {{index: number} | {many: number[]} | {near: number[]}} Meaning
 */

const MOST_NEAR = 3;

/**
 * A name without what does not matter in it: case, underscores and repeated spaces.
 * @param {string} name
 */
export function foldedName(name) {
  return wordsOf(name.toLowerCase().replaceAll("_", " ")).join(" ");
}

/** @param {string} text */
function wordsOf(text) {
  return text.split(/\s+/u).filter(Boolean);
}

/**
 * The class that a name or an index means: a whole label, else one of a label's synonyms, else a
 * part of exactly one label.
 * @param {readonly string[]} labels Of all classes, in order.
 * @param {string} wanted
 * @returns {Meaning}
 */
export function findClass(labels, wanted) {
  const name = foldedName(wanted);
  const folded = labels.map(foldedName);
  if (!folded.includes(name) && /^\d+$/.test(name)) {
    return Number(name) < labels.length ? { index: Number(name) } : { near: [] };
  }
  const synonyms = folded.map((label) => label.split(",").map((part) => part.trim()));
  const places = [...folded.keys()];
  const rounds = [
    places.filter((place) => folded[place] === name),
    places.filter((place) => synonyms[place].includes(name)),
    places.filter((place) => name && folded[place].includes(name)),
  ];
  const found = rounds.find((each) => each.length) ?? [];
  if (found.length === 1) return { index: found[0] };
  if (found.length) return { many: found };
  return { near: nearInSpelling(name, places.map((place) => [folded[place], ...synonyms[place]])) };
}

/**
 * Count the typing errors between two words: a letter too many, missing, wrong, or two swapped.
 * @param {string} one
 * @param {string} other
 * @param {number} limit The largest number of interest.
 * @returns {number} `limit + 1` where there are more.
 */
function editDistance(one, other, limit) {
  const [letters, wanted] = [[...one], [...other]];
  if (Math.abs(letters.length - wanted.length) > limit) return limit + 1;
  /** @type {number[]} */
  let before = [];
  let row = [...wanted.keys(), wanted.length];
  for (let i = 1; i <= letters.length; i++) {
    const [last, earlier] = [row, before];
    row = [i];
    before = last;
    for (let j = 1; j <= wanted.length; j++) {
      const wrong = letters[i - 1] === wanted[j - 1] ? 0 : 1;
      let least = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + wrong);
      const swapped = i > 1 && j > 1 && letters[i - 1] === wanted[j - 2] && letters[i - 2] === wanted[j - 1];
      if (swapped) least = Math.min(least, earlier[j - 2] + 1);
      row.push(least);
    }
    if (Math.min(...row) > limit) return limit + 1;
  }
  return Math.min(row[row.length - 1], limit + 1);
}

/**
 * What was probably meant by a misspelt name; nearest first, empty where nothing is near.
 * @param {string} typed
 * @param {string[][]} names For each thing its names.
 * @returns {number[]} Places in `names`.
 */
export function nearInSpelling(typed, names) {
  const wanted = wordsOf(typed.toLowerCase()).join(" ");
  if (!wanted) return [];
  const limit = Math.max(1, Math.floor([...wanted].length / 3));
  const parts = wordsOf(wanted).filter((word) => [...word].length > 3 && word !== wanted);
  /** @type {[number, number][]} */
  const found = [];
  names.forEach((several, place) => {
    const forms = several.map((name) => name.toLowerCase());
    const words = forms.flatMap(wordsOf).filter((word) => [...word].length > 2);
    const distances = [
      limit + 1,
      ...forms.map((form) => editDistance(wanted, form, limit)),
      ...words.map((word) => editDistance(wanted, word, limit) + 0.5),
    ];
    for (const part of parts) {
      const few = Math.floor([...part].length / 6);
      for (const form of forms) {
        const distance = editDistance(part, form, few);
        if (distance <= few) distances.push(distance + 1);
      }
    }
    const nearest = Math.min(...distances);
    if (nearest <= limit) found.push([nearest, place]);
  });
  found.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  return found.filter(([nearest]) => nearest <= found[0][0] + 1).map(([, place]) => place).slice(0, MOST_NEAR);
}
