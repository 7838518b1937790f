// @ts-check
// Before the first paint: the theme that was chosen, and the one Trusted Types policy. It lets htmx parse this node's
// own HTML; it has no way to make scripts or script addresses, so those stay refused. The part that an address names is
// waited for. And a page that Back brings out of the browser's memory is loaded again: it shows what was true when it
// was left.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("scripted");
  try {
    const theme = localStorage.getItem("darkroom.theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch {
    /* storage is off: the system's theme stays */
  }
  // Which tab a page's address names is known when the page is read to its end: none is shown that would go again.
  if (location.hash) {
    root.classList.add("aimed");
    addEventListener("DOMContentLoaded", () => requestAnimationFrame(() => root.classList.remove("aimed")));
  }
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
  window.trustedTypes?.createPolicy("default", { createHTML: (text) => text });
})();
