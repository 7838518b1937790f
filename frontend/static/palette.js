// @ts-check
// The search over everything in a dialog: what is typed goes to the search page, and its list comes here.

import { element, elements, h, openDialog } from "./dom.js";
import { t } from "./language.js";
import { api } from "./problems.js";

const WAIT = 150; // milliseconds of not typing

let open = false;

/** Open the dialog, once. */
export async function openPalette() {
  if (open) return;
  open = true;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let asked = 0;
  await openDialog(t`Search`, () => {
    const list = h("div", { class: "stack", "aria-live": "polite" });
    const look = async () => {
      asked += 1;
      const mine = asked;
      const answer = await api(`/search?${new URLSearchParams({ q: field.value.slice(0, 100) })}`).catch(() => null);
      if (!answer || mine !== asked) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      list.replaceChildren(...Array.from(document.importNode(element("#found", HTMLElement, page), true).children));
    };
    const field = h("input", {
      type: "search",
      "aria-label": t`Search everything`,
      placeholder: t`A dataset, job 7, an address, a digest`,
      autocomplete: "off",
      autofocus: true,
      input: () => {
        clearTimeout(timer);
        timer = setTimeout(look, WAIT);
      },
    });
    const move = (/** @type {Event} */ event) => {
      if (!(event instanceof KeyboardEvent)) return;
      const links = elements("a", HTMLElement, list);
      const { activeElement: focused } = document;
      const at = focused instanceof HTMLElement ? links.indexOf(focused) : -1;
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) {
        (links[at + step] ?? field).focus();
        event.preventDefault();
      } else if (event.key === "Enter" && focused === field) links[0]?.click();
    };
    return [h("div", { class: "stack palette", keydown: move }, field, list)];
  });
  open = false;
}
