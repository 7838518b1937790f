// @ts-check
// Buying a license: a wallet and money, a permit for exactly the price, then one transaction.

import { clearNotice, data, element, h, Steps, showNotice, showProblem } from "./dom.js";
import { canPay } from "./funds.js";
import { t } from "./language.js";
import { buyLicense } from "./orders.js";
import { follow } from "./transact.js";
import { guard, naming } from "./unfinished.js";

const form = element("#purchase", HTMLFormElement);
const check = guard(form, naming.license);

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
    const license = await buyLicense(steps, offer, data(form, "price"));
    showNotice(place, "good", t`License ${license} is yours.`, h("p", {}, t`Opening its page.`));
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
