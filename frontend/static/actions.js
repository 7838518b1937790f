// Buttons that each send one kind of transaction: withdraw, close an offer, revoke a license, end a wait.

import { encode } from "./calls.js";
import { h, say } from "./dom.js";
import { Problem, explain } from "./problems.js";
import { perform, reloadAt } from "./transact.js";

const PAYERS = ["LicenseMarket", "JobMarket"];

/** What may be withdrawn: for each contract, shares of these offers first, then the account's claim. */
function withdrawals(offers) {
  return (_, prepared) => prepared.map((each) => {
    if (!PAYERS.includes(each.contract)) throw new Problem("This node prepared another call.", "Nothing was signed.", "tampered");
    const shared = offers.map((offer) => encode("collect(uint256)", offer)).find((data) => data === each.request.data);
    return [each.contract, shared ?? encode("withdraw()")];
  });
}

const ACTIONS = {
  withdraw: ({ offers = [] }) => withdrawals(offers),
  "deactivate-offer": ({ offer }) => () => [["LicenseMarket", encode("deactivate(uint256)", offer)]],
  "expire-job": ({ job }) => () => [["JobMarket", encode("expire(uint256)", job)]],
};

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-act]");
  if (!button || button.disabled) return;
  const { act, body, by = "" } = button.dataset;
  const order = JSON.parse(body);
  const place = document.querySelector(button.dataset.sayIn) ?? button.parentElement.querySelector("[data-say]");
  button.disabled = true;
  say(place, "calm", "Waiting for your wallet.");
  try {
    const receipt = await perform(act, order, ACTIONS[act](order), by);
    say(place, "good", "Done. The page follows.");
    await reloadAt(receipt);
  } catch (error) {
    const { message, next, code } = explain(error);
    say(place, "bad", message, h("p", {}, next, code === "no-wallet" ? h("a", { href: "/wallet" }, " Connect a wallet.") : null));
    button.disabled = false;
  }
});
