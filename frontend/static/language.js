// @ts-check
// The page's language, and its words for what scripts say. English is written where it is said, in template literals
// tagged t; a page in another language brings the words of its scripts along, by the English ones with their values
// numbered.

const { lang } = document.documentElement;
const brought = document.querySelector('meta[name="messages"]');
/** @type {Readonly<Record<string, string>>} */
const WORDS = brought instanceof HTMLMetaElement ? JSON.parse(brought.content) : {};

/** The language, by its tag; the API says errors in it to requests that name it. */
export const language = lang;

/** The language, as browsers format numbers and times by it. */
export const locale = lang === "en" ? "en-US" : lang;

/** The same for dates, which people outside of America write day first. */
export const clock = lang === "en" ? "en-GB" : lang;

/** The sign before the fraction of a number. */
export const decimal = (1.5).toLocaleString(locale).charAt(1);

/**
 * What somebody typed as a number, in digits with at most a point; what is none as it is. A sign that can stand between
 * thousands does so where it stands right for that, else it is the fraction's: "12,50" is no "1250".
 * @param {string} text
 */
export function plainNumber(text) {
  const group = decimal === "." ? "," : ".";
  const typed = text.replace(/\s/g, "");
  const grouped = new RegExp(`^[1-9][0-9]{0,2}(?:[${group}][0-9]{3})+(?:[${decimal}][0-9]+)?$`).test(typed);
  return (grouped ? typed.replaceAll(group, "") : typed).replace(",", ".");
}

/**
 * A sentence in the page's language.
 * @param {TemplateStringsArray} parts
 * @param {...unknown} values
 */
export function t(parts, ...values) {
  const english = parts.reduce((text, part, at) => `${text}{${at - 1}}${part}`);
  return (WORDS[english] ?? english).replace(/\{(\d+)\}/g, (_, at) => String(values[at]));
}

/**
 * A whole number with the language's separators.
 * @param {bigint | number} value
 */
export const digits = (value) => value.toLocaleString(locale);
