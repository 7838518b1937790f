// The catalogue's form beside htmx: addresses without empty fields, and fields that say that they are wrong.

const form = document.querySelector("#search");

form.addEventListener("htmx:configRequest", (event) => {
  const { formData } = event.detail;
  for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
});

document.body.addEventListener("htmx:afterSettle", () => {
  for (const field of form.querySelectorAll("[aria-describedby]")) {
    const wrong = document.getElementById(field.getAttribute("aria-describedby")).childElementCount > 0;
    if (wrong) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
});
