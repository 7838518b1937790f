// Buying a license: a permit for exactly the price, then one transaction.

import { Steps, h, hush, say } from "./dom.js";
import { explain } from "./problems.js";
import { eventOf, follow, pay } from "./transact.js";

const form = document.querySelector("#purchase");

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const place = form.querySelector("[data-say]");
  const button = form.querySelector("button");
  const steps = new Steps(form);
  steps.clear();
  hush(place);
  button.disabled = true;
  const { offer, price } = form.dataset;
  try {
    const receipt = await pay(steps, {
      action: "buy-license",
      order: { offer: Number(offer) },
      contract: "LicenseMarket",
      amount: price,
      plain: "buy(uint256)",
      permitted: "buyWithPermit(uint256,uint256,uint8,bytes32,bytes32)",
      words: [offer],
    });
    const { license } = await eventOf(receipt, "LicenseBought");
    say(place, "good", `License ${license} is yours.`, h("p", {}, "Opening its page."));
    await follow(`/licenses/${license}`);
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
});
