// @ts-check
// Putting a dataset on sale: one transaction by its owner.

import { CREATE_OFFER, encode } from "./abi.js";
import { money, units } from "./config.js";
import { clearNotice, data, element, fieldError, h, input, Steps, showNotice, showProblem } from "./dom.js";
import { digits, plainNumber, t } from "./language.js";
import { eventOf, follow, perform } from "./transact.js";
import { guard, naming } from "./unfinished.js";

const DAY = 86_400;
// The greatest that LicenseMarket takes of each price, and of each count but the days.
const PRICES = { price_license: 2n ** 80n - 1n, price_job: 2n ** 72n - 1n, price_row: 2n ** 64n - 1n };
const COUNTS = { max_jobs: 2 ** 24 - 1, max_rows: 2 ** 40 - 1, days: 36_500, licenses: 2 ** 32 - 1 };
const SHARES_AT = 384; // byte of the arguments at which the list of shares follows

/** @typedef {Record<keyof typeof PRICES, bigint> & Record<keyof typeof COUNTS, number>} Terms */

const form = element("#new-offer", HTMLFormElement);
const check = guard(form, naming.offer);

/**
 * Token units of a field, or null after saying what is wrong with it.
 * @param {string} name
 * @param {bigint} most
 */
function price(name, most) {
  const value = units(input(form, name).value);
  let message = "";
  if (value === null) message = t`Write an amount such as 25 or 12.50.`;
  else if (value > most) message = t`Ask for ${money(most)} at most.`;
  fieldError(input(form, name), message);
  return message ? null : value;
}

/**
 * The whole number of a field, or null after saying what is wrong with it.
 * @param {string} name
 * @param {number} most
 */
function count(name, most) {
  const text = plainNumber(input(form, name).value);
  const value = /^\d{1,16}$/.test(text) ? Number(text) : 0;
  const good = value >= 1 && value <= most;
  fieldError(input(form, name), good ? "" : t`Write a whole number from 1 to ${digits(most)}.`);
  return good ? value : null;
}

/** The terms, or null after saying at each field what is wrong. */
function terms() {
  const read = [
    ...Object.entries(PRICES).map(([name, most]) => ({ name, value: price(name, most) })),
    ...Object.entries(COUNTS).map(([name, most]) => ({ name, value: count(name, most) })),
  ];
  const bad = read.find(({ value }) => value === null);
  if (bad) input(form, bad.name).focus();
  if (bad) return null;
  return /** @type {Terms} */ (Object.fromEntries(read.map(({ name, value }) => [name, value])));
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const place = element("[data-say]", HTMLElement, form);
  const button = element('[type="submit"]', HTMLButtonElement, form);
  const steps = new Steps(form);
  steps.clear();
  clearNotice(place);
  const said = terms();
  if (!said) {
    showNotice(place, "bad", t`Some fields need another look.`);
    return;
  }
  button.disabled = true;
  try {
    const [dataset, owner] = [data(form, "dataset"), data(form, "owner")];
    const policy = element('[name="policy"]:checked', HTMLInputElement, form);
    const [microBits, budget] = [data(policy, "microBits"), data(policy, "budget")]; // as the page shows them
    const duration = said.days * DAY;
    const order = {
      dataset: Number(dataset),
      price_license: `${said.price_license}`,
      price_job: `${said.price_job}`,
      price_row: `${said.price_row}`,
      max_jobs: said.max_jobs,
      max_rows: said.max_rows,
      duration,
      policy: policy.value,
      licenses: said.licenses,
      micro_bits: Number(microBits),
      budget,
    };
    const call = encode(
      CREATE_OFFER,
      dataset,
      said.price_license,
      said.price_job,
      said.price_row,
      said.max_jobs,
      said.max_rows,
      duration,
      policy.value,
      microBits,
      said.licenses,
      budget,
      SHARES_AT,
      0, // of them: the seller takes all
    );
    const done = await steps.run("send", () =>
      perform("create-offer", order, () => [["LicenseMarket", call]], {
        account: owner,
        look: `/v1/offers?dataset=${dataset}&seller=${owner}&limit=1`,
        goes: "/offers/",
      }),
    );
    const receipt = done?.at(-1);
    if (!receipt) return;
    const { offer } = await eventOf(receipt, "OfferCreated");
    showNotice(place, "good", t`Offer ${offer} is open.`, h("p", {}, t`Opening its page.`));
    await follow(`/offers/${offer}`);
  } catch (error) {
    showProblem(place, error);
    button.disabled = false;
    await check();
  }
});
