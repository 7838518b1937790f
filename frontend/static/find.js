// @ts-check
// A field that leaves of a list what has the words in it: columns, models.

import { data, element, elements } from "./dom.js";
import { t } from "./language.js";

for (const field of elements("[data-find]", HTMLInputElement)) {
  const list = element(data(field, "find"), HTMLElement);
  const said = element("[data-found]", HTMLElement, field.parentElement ?? document);
  const items = elements("[data-word]", HTMLElement, list);
  field.addEventListener("input", () => {
    const words = field.value.trim().toLowerCase();
    let left = 0;
    for (const item of items) {
      item.hidden = !data(item, "word").toLowerCase().includes(words);
      left += Number(!item.hidden);
    }
    said.textContent = words ? t`${left} of ${items.length}` : "";
  });
}
