// @ts-check
// Buttons that each order one thing of the chain: withdraw, close an offer, revoke a license or an agent's mandate,
// approve or refuse a release, draw, end a wait, put down or take back a custodian's bond, settle a license. A button
// with `data-confirm` names a template whose words are agreed to in a dialog first, one with `data-amount-of` a field
// whose amount belongs to its order; what stands in a `data-only` part is shown to the account it names alone, in a
// `data-except` part to all others.

import { encode, WITHDRAW_MANDATE } from "./abi.js";
import { addressOfContract, config, money, units } from "./config.js";
import {
  askWhether,
  clearNotice,
  data,
  element,
  elements,
  fieldError,
  h,
  showNotice,
  showProblem,
  target,
} from "./dom.js";
import { t } from "./language.js";
import { apiJson, Problem } from "./problems.js";
import { keepReceipts, showReceipts, TransactionList } from "./receipts.js";
import * as sent from "./sent.js";
import { indexed, mined, perform } from "./transact.js";
import { anyUnderWay, begin, buttons, done, end, orderOf, restore } from "./under-way.js";
import * as wallet from "./wallet.js";

/** @typedef {(account: string, prepared: PreparedTransaction[]) => Call[] | Promise<Call[]>} Expected */

const PAYERS = ["LicenseMarket", "JobMarket"];
const WAITING = t`Waiting for your wallet.`;
const anotherCall = () => new Problem(t`This node prepared another call.`, t`Nothing was signed.`, "tampered");

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
      const message = t`The refund is ${money(refund)}, and the account has ${money(tokens)}.`;
      throw new Problem(message, t`Get the difference first. Nothing was signed.`, "no-money");
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
  // Whatever terms the node names, the contract pays their payer and nobody else: the function is all that counts.
  "withdraw-mandate":
    () =>
    (_, [first]) => [["Mandates", `${encode(WITHDRAW_MANDATE)}${first?.request.data.slice(10)}`]],
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
  fieldError(field, amount ? "" : t`Write an amount such as 25 or 12.50.`);
  if (!amount) field.focus();
  return amount ? { ...order, amount: `${amount}` } : null;
}

/**
 * The words of a template, with the amount that is to be signed in their `data-amount`.
 * @param {HTMLTemplateElement} words
 * @param {PreparedTransaction[]} prepared
 */
function filled(words, prepared) {
  const text = words.content.cloneNode(true);
  const amount = text instanceof DocumentFragment ? text.querySelector("[data-amount]") : null;
  const signed = allowance(prepared);
  if (amount && signed !== null) amount.textContent = money(signed);
  return text;
}

/**
 * Asks whether the visitor agrees to the words that a selector names, if any, and to several transactions, which are
 * listed before the first is signed; a `data-amount` in the words is what will be signed.
 * @param {string | undefined} selector
 * @param {HTMLElement} place
 * @param {(list: TransactionList) => unknown} show the list, once it is agreed to
 */
function agreement(selector, place, show) {
  const words = selector ? element(selector, HTMLTemplateElement) : null;
  return async (/** @type {PreparedTransaction[]} */ prepared) => {
    const several = prepared.length > 1;
    if (!words && !several) return true;
    clearNotice(place);
    const count = t`${prepared.length} transactions, one after the other. Your wallet asks for each:`;
    const title = words ? data(words, "title") : t`Sign these?`;
    const listed = several ? [h("p", {}, count), new TransactionList(prepared).place] : [];
    const body = [h("div", { class: "stack" }, words && filled(words, prepared)), ...listed];
    const agreed = await askWhether(title, body, words ? data(words, "yes") : t`Sign them`, t`Go back`);
    if (!agreed) return agreed;
    const list = new TransactionList(prepared);
    showNotice(place, "calm", WAITING, several ? list.place : null);
    show(list);
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
  showNotice(place, "calm", confirm ? t`Preparing it.` : WAITING);
  /** @type {TransactionList[]} */
  const lists = []; // one, once several transactions are agreed to
  try {
    const expected = ACTIONS[act]?.(order, button);
    if (!expected) throw new Error(`this page knows no action ${act}`);
    const receipts = await perform(act, order, expected, {
      account: by,
      what: orderOf(button),
      agree: agreement(confirm, place, (list) => lists.push(list)),
      watch: (at, now, tx) => lists[0]?.set(at, now, tx),
    });
    if (!receipts) {
      clearNotice(place);
      end(button);
      return;
    }
    showNotice(place, "good", t`Done. The page follows.`);
    keepReceipts(receipts);
    done(button);
    if (anyUnderWay()) showNotice(place, "good", t`Done. Load the page again when the other actions have ended.`);
    else if (!leaving) location.reload();
  } catch (error) {
    const [list] = lists;
    showProblem(place, error, ...(list?.went ? list.summary() : []));
    end(button);
  }
});

/** What was sent before this page was loaded again: its button stays off until a block has it. */
async function takeUp() {
  for (const { id, what, tx } of sent.open()) {
    const [button] = buttons(what);
    if (!button) continue;
    const place = begin(button);
    if (!tx) {
      sent.end(id);
      const words = t`Your wallet was asked before this page loaded again. If you signed, it takes effect by itself.`;
      showNotice(place, "wait", t`Look again before you sign a second time`, h("p", {}, words));
      end(button);
      continue;
    }
    showNotice(place, "wait", t`It is under way`, h("p", {}, t`It was sent and waits for a block. The page follows.`));
    try {
      await indexed(await mined(tx));
      sent.end(id);
      if (!leaving) location.reload();
    } catch (error) {
      sent.end(id);
      showProblem(place, error);
      end(button);
    }
  }
}

showReceipts();
takeUp();

function showOwn() {
  const account = wallet.account().toLowerCase();
  for (const each of elements("[data-only]", HTMLElement)) each.hidden = data(each, "only").toLowerCase() !== account;
  for (const each of elements("[data-except]", HTMLElement)) {
    each.classList.toggle("unseen", data(each, "except").toLowerCase() === account); // its place is kept
  }
}
wallet.onChange(showOwn);
document.body.addEventListener("htmx:afterSwap", () => {
  showOwn(); // first: what is hidden takes no focus
  restore();
});
