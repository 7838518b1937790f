// @ts-check
// The catalogue's form beside htmx: addresses without empty fields, and fields that say that they are wrong.

import { element, elements } from "./dom.js";

const form = element("#search", HTMLFormElement);

form.addEventListener("htmx:configRequest", (event) => {
  const { formData } = event.detail;
  for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
});

document.body.addEventListener("htmx:afterSettle", () => {
  for (const field of elements("[aria-describedby]", HTMLElement, form)) {
    const described = document.getElementById(field.getAttribute("aria-describedby") ?? "");
    if (described && described.childElementCount > 0) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
});
