// Buttons that each order one thing of the chain: withdraw, close an offer, revoke a license, approve or refuse a
// release, draw, end a wait. A button with `data-confirm` names a template whose words are agreed to in a dialog first;
// what stands in a `data-only` part is shown to the account it names alone.

import { encode } from "./calls.js";
import { ask, h, hush, say } from "./dom.js";
import { config, money } from "./config.js";
import { Problem, apiJson, explain } from "./problems.js";
import { indexed, perform } from "./transact.js";
import { anyUnderWay, begin, done, end, restore } from "./under-way.js";
import * as wallet from "./wallet.js";

const PAYERS = ["LicenseMarket", "JobMarket"];
const WAITING = "Waiting for your wallet.";
const OTHER = () => new Problem("This node prepared another call.", "Nothing was signed.", "tampered");

/** What may be withdrawn: for each contract, shares of these offers first, then the account's claim. */
function withdrawals(offers) {
  return (_, prepared) =>
    prepared.map((each) => {
      if (!PAYERS.includes(each.contract)) throw OTHER();
      const shared = offers
        .map((offer) => encode("collect(uint256)", offer))
        .find((data) => data === each.request.data);
      return [each.contract, shared ?? encode("withdraw()")];
    });
}

/** What the first of a revocation's two transactions lets the contract take; null where it has leave already. */
function leave(prepared) {
  return prepared.length > 1 ? BigInt(`0x${prepared[0].request.data.slice(-64)}`) : null;
}

/** Taking a license back: leave to take the refund, never above the license's price, then the call. */
function revocation(license, price) {
  return async (account, prepared) => {
    const calls = [["LicenseMarket", encode("revoke(uint256)", license)]];
    const refund = leave(prepared);
    if (refund === null) return calls;
    if (refund > BigInt(price)) throw OTHER();
    const { tokens } = await apiJson(`/v1/accounts/${account}`);
    if (BigInt(tokens) < refund)
      throw new Problem(
        `The refund is ${money(refund)}, and the account has ${money(tokens)}.`,
        "Get the difference first. Nothing was signed.",
        "no-money",
      );
    return [
      [config.coin.contract, encode("approve(address,uint256)", config.contracts.LicenseMarket, refund)],
      ...calls,
    ];
  };
}

const ACTIONS = {
  withdraw: ({ offers = [] }) => withdrawals(offers),
  "deactivate-offer":
    ({ offer }) =>
    () => [["LicenseMarket", encode("deactivate(uint256)", offer)]],
  "revoke-license": ({ license }, { price }) => revocation(license, price),
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
};

/** Whether the visitor agrees to a button's words; a `data-amount` in them is what the wallet will sign. */
function agreement(button, place) {
  const words = document.querySelector(button.dataset.confirm);
  return async (prepared) => {
    hush(place);
    const agreed = await ask(words.dataset.title, (done) => {
      const text = words.content.cloneNode(true);
      const amount = text.querySelector("[data-amount]");
      const signed = leave(prepared);
      if (amount && signed !== null) amount.textContent = money(signed);
      const choice = (said, value, kind) =>
        h("button", { class: `button ${kind}`, type: "button", click: () => done(value) }, said);
      return [
        h("div", { class: "stack" }, text),
        h("div", { class: "row" }, choice(words.dataset.yes, true, ""), choice("Go back", null, "quiet")),
      ];
    });
    if (agreed) say(place, "calm", WAITING);
    return agreed;
  };
}

let leaving = false; // the visitor goes elsewhere; loading this page again would call them back
addEventListener("beforeunload", () => (leaving = true));
addEventListener("pageshow", () => (leaving = false));

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-act]");
  if (!button || button.disabled) return;
  const { act, body, by = "" } = button.dataset;
  const order = JSON.parse(body);
  const place = begin(button);
  say(place, "calm", button.dataset.confirm ? "Preparing it." : WAITING);
  try {
    const agree = button.dataset.confirm ? agreement(button, place) : null;
    const receipt = await perform(act, order, ACTIONS[act](order, button.dataset), by, agree);
    if (!receipt) {
      hush(place);
      end(button);
      return;
    }
    say(place, "good", "Done. The page follows.");
    await indexed(receipt);
    done(button);
    if (anyUnderWay()) say(place, "good", "Done. Load the page again when the other actions have ended.");
    else if (!leaving) location.reload();
  } catch (error) {
    const { message, next, code } = explain(error);
    say(
      place,
      "bad",
      message,
      h("p", {}, next, code === "no-wallet" ? h("a", { href: "/wallet" }, " Connect a wallet.") : null),
    );
    end(button);
  }
});

function showOwn() {
  const account = wallet.account().toLowerCase();
  for (const each of document.querySelectorAll("[data-only]"))
    each.hidden = each.dataset.only.toLowerCase() !== account;
}
wallet.onChange(showOwn);
document.body.addEventListener("htmx:afterSwap", () => {
  showOwn(); // first: what is hidden takes no focus
  restore();
});
