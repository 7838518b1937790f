// @ts-check
// Buying a license: a wallet and money, a permit for exactly the price, then one transaction.

import { BUY, BUY_WITH_PERMIT } from "./abi.js";
import { clearNotice, data, element, h, Steps, showNotice, showProblem } from "./dom.js";
import { canPay } from "./funds.js";
import { eventOf, follow, pay } from "./transact.js";
import { guard } from "./unfinished.js";

const form = element("#purchase", HTMLFormElement);
const check = guard(form, "License");

async function buy() {
  const place = element("[data-say]", HTMLElement, form);
  const button = element('[type="submit"]', HTMLButtonElement, form);
  const steps = new Steps(form);
  steps.clear();
  clearNotice(place);
  button.disabled = true;
  const offer = data(form, "offer");
  try {
    if (!(await canPay(place, data(form, "price"), buy))) {
      button.disabled = false;
      return;
    }
    const receipt = await pay(steps, {
      action: "buy-license",
      order: { offer: Number(offer) },
      contract: "LicenseMarket",
      amount: data(form, "price"),
      plain: BUY,
      permitted: BUY_WITH_PERMIT,
      args: [offer],
      newest: (account) => `/v1/licenses?buyer=${account}&offer=${offer}&limit=1`,
      goes: "/licenses/",
    });
    const { license } = await eventOf(receipt, "LicenseBought");
    showNotice(place, "good", `License ${license} is yours.`, h("p", {}, "Opening its page."));
    await follow(`/licenses/${license}`);
  } catch (error) {
    showProblem(place, error);
    button.disabled = false;
    await check();
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  buy();
});
