// @ts-check
// Licenses that the connected account holds for a dataset, as choices beside its offers: nobody buys what they have.

import { h } from "./dom.js";
import { t } from "./language.js";
import { apiJson } from "./problems.js";
import { onChange, account as whose } from "./wallet.js";

/**
 * Add to `terms`, a choice of offers, the active licenses of the connected account under these offers; `left` says how
 * much one still gives, such as "2 jobs". A license of the offer that is chosen takes its place, unless `chooses` is
 * false.
 * @param {HTMLSelectElement} terms
 * @param {string} dataset
 * @param {(count: number) => string} left
 * @param {boolean} [chooses]
 */
export function offerHeld(terms, dataset, left, chooses = false) {
  onChange(async () => {
    const account = whose();
    if (!account) return;
    /** @type {{ items: LicenseView[] } | null} */
    const held = await apiJson(`/v1/licenses?buyer=${account}&dataset=${dataset}`).catch(() => null);
    for (const license of held?.items ?? []) {
      const { state, jobs_left: jobs } = license;
      if (state === "active") addLicense(terms, license, t`which you hold: ${left(jobs)} left`, chooses);
    }
  });
}

/**
 * Add one license to the choices; where it takes its offer's place, whoever listens to changes is told.
 * @param {HTMLSelectElement} terms
 * @param {{ id: number | string, offer: number | string, rows_left?: number }} license
 * @param {string} words
 * @param {boolean} chooses
 */
export function addLicense(terms, { id, offer, rows_left: rows = Number.POSITIVE_INFINITY }, words, chooses) {
  const [value, sold] = [`license-${id}`, `offer-${offer}`];
  const options = Array.from(terms.options);
  const of = options.find((option) => option.value === sold);
  if (!of || options.some((option) => option.value === value)) return;
  const most = of.dataset.most ? Math.min(Number(of.dataset.most), rows) : null;
  terms.add(h("option", { value, "data-most": most }, t`License ${id}, ${words}`));
  if (!chooses || terms.value !== sold) return;
  terms.value = value;
  terms.dispatchEvent(new Event("change", { bubbles: true }));
}
