// Putting a dataset on sale: one transaction by its owner.

import { encode } from "./calls.js";
import { Steps, h, hush, say, wrong } from "./dom.js";
import { money, units } from "./config.js";
import { explain } from "./problems.js";
import { eventOf, follow, perform } from "./transact.js";

const DAY = 86_400;
const MONEY = { price_license: 2n ** 80n - 1n, price_job: 2n ** 72n - 1n, price_row: 2n ** 64n - 1n }; // LicenseMarket's
const COUNTS = { max_jobs: 2 ** 24 - 1, max_rows: 2 ** 40 - 1, days: 36_500, licenses: 2 ** 32 - 1 }; // LicenseMarket's, but for the days
const SIGNATURE =
  "createOffer((uint256,uint256,uint256,uint256,uint32,uint64,uint40,bytes32,uint32,uint32,uint64),(address,uint16)[])";
const form = document.querySelector("#new-offer");

const at = (name, message) => wrong(form.elements[name], message);

/** The terms, or null after saying at each field what is wrong. */
function terms() {
  const read = {};
  for (const [name, most] of Object.entries(MONEY)) {
    const value = units(form.elements[name].value);
    const dear = value !== null && value > most;
    read[name] = dear ? null : value;
    at(name, dear ? `Ask for ${money(most)} at most.` : value === null ? "Write an amount such as 25 or 12.50." : "");
  }
  for (const [name, most] of Object.entries(COUNTS)) {
    const text = form.elements[name].value.trim().replace(/[,\s]/g, "");
    const value = /^\d{1,16}$/.test(text) ? Number(text) : 0;
    read[name] = value >= 1 && value <= most ? value : null;
    at(name, read[name] === null ? `Write a whole number from 1 to ${most.toLocaleString("en-US")}.` : "");
  }
  const bad = Object.keys(read).find((name) => read[name] === null);
  if (bad) form.elements[bad].focus();
  return bad ? null : read;
}

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const place = form.querySelector("[data-say]");
  const button = form.querySelector('[type="submit"]');
  const steps = new Steps(form);
  steps.clear();
  hush(place);
  const said = terms();
  if (!said) return say(place, "bad", "Some fields need another look.");
  button.disabled = true;
  const { dataset, owner } = form.dataset;
  const policy = form.elements.policy.value;
  const { microBits, budget } = form.querySelector('[name="policy"]:checked').dataset; // as the page shows them
  const duration = said.days * DAY;
  const order = {
    dataset: Number(dataset),
    price_license: `${said.price_license}`,
    price_job: `${said.price_job}`,
    price_row: `${said.price_row}`,
    max_jobs: said.max_jobs,
    max_rows: said.max_rows,
    duration,
    policy,
    licenses: said.licenses,
    micro_bits: Number(microBits),
    budget,
  };
  // A tuple of whole words stands in place; the list of shares follows at byte 384 and is empty: the seller takes all.
  const data = encode(
    SIGNATURE,
    dataset,
    said.price_license,
    said.price_job,
    said.price_row,
    said.max_jobs,
    said.max_rows,
    duration,
    policy,
    microBits,
    said.licenses,
    budget,
    384,
    0,
  );
  try {
    const receipt = await steps.run("send", () =>
      perform("create-offer", order, () => [["LicenseMarket", data]], owner),
    );
    const { offer } = await eventOf(receipt, "OfferCreated");
    say(place, "good", `Offer ${offer} is open.`, h("p", {}, "Opening its page."));
    await follow(`/offers/${offer}`);
  } catch (error) {
    const { message, next, code } = explain(error);
    say(
      place,
      "bad",
      message,
      h("p", {}, next, code === "no-wallet" ? h("a", { href: "/wallet" }, " Connect a wallet.") : null),
    );
    button.disabled = false;
  }
  return undefined;
});
