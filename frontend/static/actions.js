// @ts-check
// Buttons that each order one thing of the chain: withdraw, close an offer, revoke a license or an agent's mandate,
// approve or refuse a release, draw, end a wait, put down or take back a custodian's bond, settle a license. A button
// with `data-confirm` names a template whose words are agreed to in a dialog first, one with `data-amount-of` a field
// whose amount belongs to its order; what stands in a `data-only` part is shown to the account it names alone.

import { encode } from "./abi.js";
import { addressOfContract, config, money, units } from "./config.js";
import {
  clearNotice,
  data,
  element,
  elements,
  fieldError,
  h,
  openDialog,
  showNotice,
  showProblem,
  target,
} from "./dom.js";
import { apiJson, Problem } from "./problems.js";
import { indexed, perform } from "./transact.js";
import { anyUnderWay, begin, done, end, restore } from "./under-way.js";
import * as wallet from "./wallet.js";

/** @typedef {(account: string, prepared: PreparedTransaction[]) => Call[] | Promise<Call[]>} Expected */

const PAYERS = ["LicenseMarket", "JobMarket"];
const WAITING = "Waiting for your wallet.";
const anotherCall = () => new Problem("This node prepared another call.", "Nothing was signed.", "tampered");

/**
 * What may be withdrawn: for each contract, shares of these offers first, then the account's claim.
 * @param {number[]} offers
 * @returns {Expected}
 */
function withdrawals(offers) {
  return (_, prepared) =>
    prepared.map(({ contract, request }) => {
      if (!PAYERS.includes(contract)) throw anotherCall();
      const shares = offers.map((offer) => encode("collect(uint256)", offer));
      return [contract, shares.find((each) => each === request.data) ?? encode("withdraw()")];
    });
}

/**
 * What the first of a revocation's two transactions lets the contract take; null where it has leave already.
 * @param {PreparedTransaction[]} prepared
 */
function allowance([first, second]) {
  return first && second ? BigInt(`0x${first.request.data.slice(-64)}`) : null;
}

/**
 * Taking a license back: leave to take the refund, never above the license's price, then the call.
 * @param {number} license
 * @param {string} price
 * @returns {Expected}
 */
function revocation(license, price) {
  return async (account, prepared) => {
    /** @type {Call[]} */
    const calls = [["LicenseMarket", encode("revoke(uint256)", license)]];
    const refund = allowance(prepared);
    if (refund === null) return calls;
    if (refund > BigInt(price)) throw anotherCall();
    /** @type {MoneyView} */
    const { tokens } = await apiJson(`/v1/accounts/${account}`);
    if (BigInt(tokens) < refund) {
      const message = `The refund is ${money(refund)}, and the account has ${money(tokens)}.`;
      throw new Problem(message, "Get the difference first. Nothing was signed.", "no-money");
    }
    const approval = encode("approve(address,uint256)", addressOfContract("LicenseMarket"), refund);
    return [[config.coin.contract, approval], ...calls];
  };
}

/**
 * Putting down a custodian's bond: leave to take exactly that where there is none yet, then the call.
 * @param {number} dataset
 * @param {string} amount
 * @returns {Expected}
 */
function bond(dataset, amount) {
  return (_, prepared) => {
    /** @type {Call} */
    const call = ["JobMarket", encode("bondCustodian(uint256,uint256)", dataset, amount)];
    if (prepared.length === 1) return [call];
    const approval = encode("approve(address,uint256)", addressOfContract("JobMarket"), amount);
    return [[config.coin.contract, approval], call];
  };
}

/**
 * What each action's transactions have to be, from its button's order and attributes.
 * @type {Record<string, (order: any, button: HTMLElement) => Expected>}
 */
const ACTIONS = {
  withdraw: ({ offers = [] }) => withdrawals(offers),
  "deactivate-offer":
    ({ offer }) =>
    () => [["LicenseMarket", encode("deactivate(uint256)", offer)]],
  "revoke-license": ({ license }, button) => revocation(license, data(button, "price")),
  "revoke-mandate":
    ({ mandate }) =>
    () => [["Mandates", encode("revoke(bytes32)", mandate)]],
  "approve-job":
    ({ job }) =>
    () => [["JobMarket", encode("approve(uint256)", job)]],
  "deny-job":
    ({ job }) =>
    () => [["JobMarket", encode("deny(uint256)", job)]],
  "draw-job":
    ({ job }) =>
    () => [["JobMarket", encode("draw(uint256)", job)]],
  "expire-job":
    ({ job }) =>
    () => [["JobMarket", encode("expire(uint256)", job)]],
  "bond-custodian": ({ dataset, amount }) => bond(dataset, amount),
  "unbond-custodian":
    ({ dataset, amount }) =>
    () => [["JobMarket", encode("unbondCustodian(uint256,uint256)", dataset, amount)]],
  "settle-license":
    ({ license, used_micro_bits: used }) =>
    () => [["LicenseMarket", encode("settleLicense(uint256,uint256)", license, used)]],
};

/**
 * The order of a button, with the amount of its field; null after saying at the field what is wrong.
 * @param {HTMLButtonElement} button
 * @returns {any}
 */
function ordered(button) {
  const order = JSON.parse(data(button, "body"));
  const { amountOf } = button.dataset;
  if (!amountOf) return order;
  const field = element(amountOf, HTMLInputElement);
  const amount = units(field.value);
  fieldError(field, amount ? "" : "Write an amount such as 25 or 12.50.");
  if (!amount) field.focus();
  return amount ? { ...order, amount: `${amount}` } : null;
}

/**
 * Asks whether the visitor agrees to the words that a selector names; a `data-amount` in them is what will be signed.
 * @param {string} selector
 * @param {HTMLElement} place
 */
function agreement(selector, place) {
  const words = element(selector, HTMLTemplateElement);
  return async (/** @type {PreparedTransaction[]} */ prepared) => {
    clearNotice(place);
    const agreed = await openDialog(data(words, "title"), (/** @type {Done<true>} */ close) => {
      const text = words.content.cloneNode(true);
      const amount = text instanceof DocumentFragment ? text.querySelector("[data-amount]") : null;
      const signed = allowance(prepared);
      if (amount && signed !== null) amount.textContent = money(signed);
      const yes = h("button", { class: "button", type: "button", click: () => close(true) }, data(words, "yes"));
      const no = h("button", { class: "button quiet", type: "button", click: () => close(null) }, "Go back");
      return [h("div", { class: "stack" }, text), h("div", { class: "row" }, yes, no)];
    });
    if (agreed) showNotice(place, "calm", WAITING);
    return agreed;
  };
}

let leaving = false; // the visitor goes elsewhere; loading this page again would call them back
addEventListener("beforeunload", () => {
  leaving = true;
});
addEventListener("pageshow", () => {
  leaving = false;
});

document.addEventListener("click", async (event) => {
  const button = target(event, "[data-act]");
  if (!(button instanceof HTMLButtonElement) || button.disabled) return;
  const { confirm, by = "" } = button.dataset;
  const [act, order] = [data(button, "act"), ordered(button)];
  if (order === null) return;
  const place = begin(button);
  showNotice(place, "calm", confirm ? "Preparing it." : WAITING);
  try {
    const expected = ACTIONS[act]?.(order, button);
    if (!expected) throw new Error(`this page knows no action ${act}`);
    const receipt = await perform(act, order, expected, by, confirm ? agreement(confirm, place) : null);
    if (!receipt) {
      clearNotice(place);
      end(button);
      return;
    }
    showNotice(place, "good", "Done. The page follows.");
    await indexed(receipt);
    done(button);
    if (anyUnderWay()) showNotice(place, "good", "Done. Load the page again when the other actions have ended.");
    else if (!leaving) location.reload();
  } catch (error) {
    showProblem(place, error);
    end(button);
  }
});

function showOwn() {
  const account = wallet.account().toLowerCase();
  for (const each of elements("[data-only]", HTMLElement)) each.hidden = data(each, "only").toLowerCase() !== account;
}
wallet.onChange(showOwn);
document.body.addEventListener("htmx:afterSwap", () => {
  showOwn(); // first: what is hidden takes no focus
  restore();
});
