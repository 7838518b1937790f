// @ts-check
// The demo wallet shows what it is about to sign, in words and as it is, and asks. It is as careful as a real one.

import { config, money } from "./config.js";
import { askWhether, h } from "./dom.js";
import { clock, digits, t } from "./language.js";
import { describeCall, nameOf } from "./words.js";

const DECLINED = 4001; // EIP-1193
const GWEI = 10n ** 9n;

/**
 * @param {string} title
 * @param {[string, Child][]} facts
 * @param {string} raw
 */
async function ask(title, facts, raw) {
  const body = [
    h(
      "dl",
      { class: "list" },
      facts.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
    ),
    h("details", {}, h("summary", {}, t`As it is signed`), h("pre", { class: "raw small", tabindex: "0" }, raw)),
  ];
  const agreed = await askWhether(title, body, t`Sign`, t`Decline`);
  if (!agreed) throw Object.assign(new Error("The visitor declined to sign."), { code: DECLINED });
}

/** @param {string} address */
const short = (address) => h("code", { title: address }, `${address.slice(0, 8)}…${address.slice(-4)}`);

/**
 * @param {string} account
 * @param {string} text
 */
export const askText = (account, text) => ask(t`Demo wallet: sign this text?`, [[t`Account`, short(account)]], text);

/**
 * @param {string} account
 * @param {TypedData} typed
 */
export function askTyped(account, typed) {
  const { message, primaryType } = typed;
  /** @type {[string, Child][]} */
  const facts = [[t`Account`, short(account)]];
  if (primaryType === "Permit") {
    const until = new Date(Number(message.deadline) * 1000).toLocaleString(clock);
    facts.push(
      [t`What`, t`A permit. Signing it costs nothing.`],
      [t`May take`, money(String(message.value))],
      [t`Who`, nameOf(String(message.spender))],
      [t`Until`, until],
    );
  } else facts.push([t`What`, String(primaryType)]);
  return ask(t`Demo wallet: sign this permit?`, facts, JSON.stringify(typed, null, 2));
}

/**
 * @param {TransactionRequest} wanted
 * @param {bigint} most wei that its gas may cost
 */
export function askTransaction(wanted, most) {
  /** @type {[string, Child][]} */
  const facts = [
    [t`Account`, short(wanted.from)],
    [t`What`, describeCall(wanted.data) ?? t`A call that this wallet does not know`],
    [t`At`, nameOf(wanted.to)],
    [t`Gas, at most`, t`${digits(most / GWEI)} gwei of play ether`],
    [t`Chain`, `${config.chainId}`],
  ];
  return ask(t`Demo wallet: send this transaction?`, facts, JSON.stringify(wanted, null, 2));
}
