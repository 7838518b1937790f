// Elements without markup strings, icons, and messages that say what happened and what to do.

const SVG = "http://www.w3.org/2000/svg";
const PATHS = {
  check: "M3.5 8.5l3 3 6-7",
  cross: "M4 4l8 8M12 4l-8 8",
  warn: "M8 2L1.5 13.5h13zM8 6.3v3.4M8 11.6v.3",
  info: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8zM8 7.2v4M8 4.6v.4",
  clock: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8zM8 4.6V8l2.4 1.6",
  key: "M5.500 7.200a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM7.700 8.100L13.500 2.300M11 4.800l2 2",
  down: "M8 2v8.500M4.500 7.500L8 11l3.500-3.500M2.500 14h11",
};

/** An element: attributes (functions are listeners, true is an empty attribute), then children. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child != null));
  return element;
}

export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export function icon(name) {
  const drawn = svg("svg", {
    class: "icon",
    viewBox: "0 0 16 16",
    fill: "none",
    stroke: "currentColor",
    "stroke-width": "1.6",
    "stroke-linecap": "round",
    "stroke-linejoin": "round",
    "aria-hidden": "true",
    focusable: "false",
  });
  drawn.append(svg("path", { d: PATHS[name] }));
  return drawn;
}

export function status(tone, sign, words) {
  return h("span", { class: `status ${tone}` }, icon(sign), words);
}

/** Say something in a place that assistive technology listens to. `tone`: calm, good, wait, bad. */
export function say(place, tone, title, ...rest) {
  const sign = { calm: "clock", good: "check", wait: "info", bad: "warn" }[tone];
  place.replaceChildren(h("div", { class: `notice ${tone}` }, icon(sign), h("p", { class: "strong" }, title), ...rest));
}

export function hush(place) {
  place.replaceChildren();
}

/** A field of a dialog: its label, a hint perhaps, and the place where `wrong` says what is wrong with it. */
export function field(id, label, attributes, hint = "") {
  const described = hint ? `${id}-hint ${id}-wrong` : `${id}-wrong`;
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    hint ? h("p", { class: "hint", id: `${id}-hint` }, hint) : null,
    h("input", { id, name: id, "aria-describedby": described, ...attributes }),
    h("p", { class: "wrong", id: `${id}-wrong`, hidden: true }),
  );
}

/** Say at a field what is wrong with it, in the element that has its id and "-wrong"; without a message take it back. */
export function wrong(input, message = "") {
  const place = document.getElementById(`${input.id}-wrong`);
  if (input.tagName !== "FIELDSET") input.setAttribute("aria-invalid", String(Boolean(message))); // a group is not a value
  place.hidden = !message;
  place.textContent = message;
}

/** A modal dialog; resolves with what `done` is given, or null when it is closed. */
export function ask(title, build) {
  return new Promise((resolve) => {
    let answer = null;
    const id = `dialog-${Math.random().toString(36).slice(2)}`;
    const dialog = h("dialog", { "aria-labelledby": id });
    const done = (value) => {
      answer = value;
      dialog.close();
    };
    dialog.append(h("div", { class: "stack" }, h("h2", { id }, title), ...build(done)));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Hand bytes to the visitor as a file. */
export function download(name, bytes, type) {
  const url = URL.createObjectURL(new Blob([bytes], { type }));
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** The numbered steps of something that is under way. */
export class Steps {
  constructor(root) {
    this.items = new Map(Array.from(root.querySelectorAll("[data-step]"), (item) => [item.dataset.step, item]));
  }

  set(name, now) {
    const item = this.items.get(name);
    if (item) item.dataset.now = now;
  }

  clear() {
    for (const item of this.items.values()) delete item.dataset.now;
  }

  /** Run one step, marked while it runs and by how it ended. */
  async run(name, work) {
    this.set(name, "doing");
    try {
      const value = await work();
      this.set(name, "done");
      return value;
    } catch (error) {
      this.set(name, "failed");
      throw error;
    }
  }
}
