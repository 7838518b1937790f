// @ts-check
// Buying a license: a permit for exactly the price, then one transaction.

import { BUY, BUY_WITH_PERMIT } from "./abi.js";
import { clearNotice, data, element, h, Steps, showNotice, showProblem } from "./dom.js";
import { eventOf, follow, pay } from "./transact.js";

const form = element("#purchase", HTMLFormElement);

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const place = element("[data-say]", HTMLElement, form);
  const button = element("button", HTMLButtonElement, form);
  const steps = new Steps(form);
  steps.clear();
  clearNotice(place);
  button.disabled = true;
  const offer = data(form, "offer");
  try {
    const receipt = await pay(steps, {
      action: "buy-license",
      order: { offer: Number(offer) },
      contract: "LicenseMarket",
      amount: data(form, "price"),
      plain: BUY,
      permitted: BUY_WITH_PERMIT,
      args: [offer],
    });
    const { license } = await eventOf(receipt, "LicenseBought");
    showNotice(place, "good", `License ${license} is yours.`, h("p", {}, "Opening its page."));
    await follow(`/licenses/${license}`);
  } catch (error) {
    showProblem(place, error);
    button.disabled = false;
  }
});
