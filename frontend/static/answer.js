// @ts-check
// From a question's sums to its answer: app/client/ask/answer.py says where the intervals come from and does the same.

const SPREAD = Math.log(20) / Math.SQRT2; // deviations in which the truth lies with 95 %

/** @param {number[]} values */
const sum = (values) => values.reduce((all, each) => all + each, 0);

/** @param {number} value @param {number} low @param {number} high */
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/**
 * The weighted sum of counts.
 * @param {number[]} values
 * @param {number[]} weights
 * @param {number[]} noisy 1 for counts that carry noise, 0 for known ones
 * @param {number} scale
 * @returns {Figure}
 */
function total(values, weights, noisy, scale) {
  const value = sum(values.map((each, at) => each * (weights[at] ?? 0)));
  const width = SPREAD * Math.sqrt(2 * sum(noisy.map((each, at) => (each * (weights[at] ?? 0)) ** 2))) * scale;
  return { value, low: value - width, high: value + width };
}

/** @type {typeof total} */
function average(values, weights, noisy, scale) {
  const [low, high] = [Math.min(...weights), Math.max(...weights)];
  const [count, whole] = [sum(values), sum(values.map((each, at) => each * (weights[at] ?? 0)))];
  const k = 2 * (SPREAD * scale) ** 2;
  const first = sum(noisy.map((each, at) => each * (weights[at] ?? 0)));
  const second = sum(noisy.map((each, at) => each * (weights[at] ?? 0) ** 2));
  const [a, b, c] = [count ** 2 - k * sum(noisy), 2 * (k * first - whole * count), whole ** 2 - k * second];
  if (count <= 0) return { value: null, low, high };
  const value = clamp(whole / count, low, high);
  if (a <= 0) return { value, low, high };
  if (!scale) return { value, low: value, high: value };
  const root = Math.sqrt(Math.max(0, b * b - 4 * a * c));
  return { value, low: clamp((-b - root) / (2 * a), low, high), high: clamp((-b + root) / (2 * a), low, high) };
}

/**
 * @param {number[]} values
 * @param {number[]} middles
 * @param {number[]} noisy
 * @param {number} scale
 * @param {number} part
 * @returns {Figure}
 */
function quantile(values, middles, noisy, scale, part) {
  const [count, last] = [sum(values), middles.length - 1];
  const middle = (/** @type {number} */ at) => middles[at] ?? null;
  if (count <= 0) return { value: null, low: middle(0), high: middle(last) };
  let [found, low, high] = [-1, 0, last];
  for (let place = 0; place <= last; place += 1) {
    const upTo = sum(values.slice(0, place + 1)) - part * count;
    const square = sum(noisy.map((each, at) => (((at <= place ? 1 : 0) - part) * each) ** 2));
    const width = SPREAD * Math.sqrt(2 * square) * scale;
    if (upTo >= 0 && found < 0) found = place;
    if (upTo < -width) low = Math.max(low, place + 1);
    if (upTo >= width) high = Math.min(high, place);
  }
  if (found < 0) found = last;
  low = Math.min(low, last, found);
  return { value: middle(found), low: middle(low), high: middle(Math.max(high, found)) };
}

/**
 * @param {FormView} form
 * @param {number[]} sums
 * @param {number} scale
 * @returns {Figure}
 */
function figure({ kind, outputs, known, weights, at }, sums, scale) {
  const values = outputs.map((output, place) => (output < 0 ? known[place] : sums[output]) ?? 0);
  const noisy = outputs.map((output) => (output < 0 ? 0 : 1));
  if (kind === "total") return total(values, weights, noisy, scale);
  return kind === "average" ? average(values, weights, noisy, scale) : quantile(values, weights, noisy, scale, at);
}

/**
 * The answer from the outputs' sums, with discrete Laplace noise of this scale in them.
 * @param {ReadingView} reading
 * @param {number[]} sums
 * @param {number} scale
 * @returns {{ groups: string[], figures: Figure[] }[]}
 */
export function answer(reading, sums, scale) {
  return reading.rows.map(({ groups, figures }) => ({
    groups,
    figures: figures.map((form) => figure(form, sums, scale)),
  }));
}
