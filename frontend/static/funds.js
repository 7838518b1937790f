// @ts-check
// Before something is paid: a wallet, gas and enough money, each to be had in place where that is possible. On a chain
// for tests, money is minted by the visitor's own wallet; nowhere else is it anybody's to give.

import { encode } from "./abi.js";
import { config, money } from "./config.js";
import { h, pushButton, showNotice, showProblem } from "./dom.js";
import { t } from "./language.js";
import { apiJson } from "./problems.js";
import { perform } from "./transact.js";
import * as wallet from "./wallet.js";

let fresh = false; // a wallet was connected a moment ago, for what is being paid

const ENOUGH_GAS = 10n ** 17n; // wei: for more transactions than anybody sends in a visit
export const GIFT = 1_000n * 10n ** BigInt(config.coin.decimals);

/** Mint test money for the connected account, and get it some gas where this node gives any. */
export async function takeGift() {
  const account = await wallet.ready();
  /** @type {MoneyView} */
  const { wei } = await apiJson(`/v1/accounts/${account}`);
  if (config.faucet && BigInt(wei) < ENOUGH_GAS) await apiJson("/v1/faucet", { method: "POST", json: { account } });
  await perform("faucet", { amount: `${GIFT}` }, (from) => [
    [config.coin.contract, encode("faucet(address,uint256)", from, GIFT)],
  ]);
}

/**
 * Whether the connected account can pay `amount`, after saying in `place` what is missing and how to get it there.
 * `again` is what the visitor wanted, for when it is there.
 * @param {HTMLElement} place
 * @param {string | bigint} amount
 * @param {() => unknown} again
 */
export async function canPay(place, amount, again) {
  await wallet.resumed;
  if (!wallet.account()) {
    offerWallets(place, again);
    return false;
  }
  const account = await wallet.ready();
  /** @type {MoneyView} */
  const { tokens } = await apiJson(`/v1/accounts/${account}`);
  if (BigInt(tokens) >= BigInt(amount)) return true;
  const words = t`This costs ${money(amount)}, and your account has ${money(tokens)}.`;
  const get = async () => {
    const worth = h("p", {}, t`Your wallet asks you to sign for test money. It is worth nothing, here only.`);
    showNotice(place, "calm", words, worth);
    try {
      await takeGift();
      await again();
    } catch (error) {
      showProblem(place, error);
    }
  };
  const first = fresh && config.testMoney && BigInt(tokens) === 0n;
  fresh = false;
  if (first) {
    await get(); // a new account on a chain for tests: its wallet shows what it signs, and may refuse
    return false;
  }
  const way = config.testMoney
    ? h(
        "p",
        { class: "row" },
        pushButton(t`Get test money`, get, "small"),
        h("span", { class: "small" }, t`It is worth nothing, here only.`),
      )
    : h("p", {}, t`Send ${config.coin.symbol} to this account, then try again:`, " ", h("code", {}, account));
  showNotice(place, "wait", words, way);
  return false;
}

/**
 * The wallets of this browser, to connect one and go on.
 * @param {HTMLElement} place
 * @param {() => unknown} again
 */
function offerWallets(place, again) {
  const found = wallet.wallets();
  const connect = (/** @type {string} */ id) => async () => {
    try {
      await wallet.connect(id);
      fresh = true;
      place.replaceChildren();
      await again();
    } catch (error) {
      showProblem(place, error);
    }
  };
  const choices = found.map(({ id, name }) => pushButton(name, connect(id), "small"));
  const none = t`Install one that announces itself (EIP-6963), or use the command below.`;
  showNotice(
    place,
    "wait",
    t`No wallet is connected.`,
    choices.length ? h("p", {}, t`Connecting signs nothing. Choose one:`) : h("p", {}, none),
    h("p", { class: "row" }, choices, h("a", { href: "/wallet" }, t`About wallets`)),
  );
}
