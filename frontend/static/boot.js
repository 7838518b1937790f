// @ts-check
// Before the first paint: the theme that was chosen, and the one Trusted Types policy. It lets htmx parse this node's
// own HTML; it has no way to make scripts or script addresses, so those stay refused.
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
  window.trustedTypes?.createPolicy("default", { createHTML: (text) => text });
})();
