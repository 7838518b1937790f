// @ts-check
// The wallet page: choose a wallet, get test money, make and bring sealing keys, sign in, make tokens.

import { chainHex, config, money } from "./config.js";
import {
  askWhether,
  clearNotice,
  data,
  element,
  elements,
  field,
  fieldError,
  h,
  icon,
  input,
  openDialog,
  pushButton,
  showNotice,
  showProblem,
  status,
} from "./dom.js";
import { GIFT, takeGift } from "./funds.js";
import * as keystore from "./keystore.js";
import { clock, t } from "./language.js";
import { apiJson } from "./problems.js";
import { session, signIn, signOut } from "./session.js";
import * as wallet from "./wallet.js";

const TOKEN_DAYS = 30;

/** @param {string} name */
const part = (name) => element(`[data-${name}]`, HTMLElement);

/** @type {Record<string, string>} what a token may be allowed, and in which words */
const scopes = JSON.parse(data(part("tokens"), "scopes"));

/** @param {number} milliseconds */
const day = (milliseconds) => new Date(milliseconds).toLocaleDateString(clock);

/**
 * Run something that a button asked for; say what went wrong in the part of that name.
 * @param {string} name
 * @param {() => unknown} work
 */
async function attempt(name, work) {
  const place = part(name);
  clearNotice(place);
  try {
    await work();
  } catch (error) {
    showProblem(place, error);
  }
}

async function showWallet() {
  if (!wallet.account()) {
    showChoice();
    return;
  }
  part("wallets").replaceChildren();
  await showConnected(wallet.account());
  const own = part("demo-accounts");
  if (!wallet.isDemo()) {
    own.replaceChildren();
    return;
  }
  const { showAccounts } = await import("./demo-accounts.js");
  await showAccounts(own, (work) => attempt("wallet-say", work));
}

/** The wallets of this browser, to choose one. */
function showChoice() {
  part("demo-accounts").replaceChildren();
  const found = wallet.wallets();
  const words = found.length
    ? t`Choose one. Nothing is signed by connecting.`
    : t`No wallet in this browser. Install one that announces itself (EIP-6963), or use the command line: ` +
      "darkroom account create.";
  part("wallet-state").replaceChildren(h("p", { class: "soft" }, words));
  part("wallets").replaceChildren(...found.map(choice));
}

/** @param {Wallet} found */
function choice({ id, name, icon: picture }) {
  const connect = () => attempt("wallet-say", () => wallet.connect(id));
  const demo = id === "demo.darkroom";
  return h(
    "button",
    { class: "choice", type: "button", click: connect },
    picture ? h("img", { src: picture, alt: "", width: 28, height: 28 }) : icon("key"),
    h(
      "span",
      {},
      h("span", { class: "strong" }, name),
      demo ? h("span", { class: "small soft" }, t` makes a key in this browser, for play money only`) : null,
    ),
  );
}

/** @param {string} account */
async function showConnected(account) {
  const right = (await wallet.walletChain().catch(() => "")) === chainHex;
  /** @type {MoneyView | null} */
  const balance = await apiJson(`/v1/accounts/${account}`).catch(() => null);
  if (account !== wallet.account()) return; // another one was chosen meanwhile
  const state = right ? status("good", "check", t`Connected`) : status("bad", "warn", t`Wrong network`);
  const other = t`This market is on chain ${config.chainId}.`;
  part("wallet-state").replaceChildren(
    h("p", { class: "row" }, state, h("span", {}, wallet.walletName())),
    h("p", { class: "mono small" }, account),
    ...(right
      ? []
      : [
          h("p", {}, other),
          h(
            "p",
            {},
            pushButton(t`Switch network`, () => attempt("wallet-say", switchNetwork), ""),
          ),
        ]),
    balance
      ? h("p", { class: "price" }, money(balance.tokens))
      : h("p", { class: "soft" }, t`The balance is out of reach.`),
    h(
      "p",
      { class: "row" },
      h("a", { class: "button small", href: `/accounts/${account}` }, t`My account`),
      config.testMoney ? pushButton(t`Get test money`, () => attempt("wallet-say", getGift)) : null,
      pushButton(t`Disconnect`, wallet.disconnect),
    ),
  );
}

async function getGift() {
  const place = part("wallet-say");
  showNotice(place, "calm", t`Getting test money. Your wallet asks you to sign.`);
  await takeGift();
  await showWallet();
  showNotice(place, "good", t`${money(GIFT)} of play money arrived.`);
}

async function switchNetwork() {
  await wallet.switchNetwork();
  await showWallet();
}

async function showKeys() {
  const found = await keystore.keys();
  const none = t`No key in this browser yet. One is made when you order your first job, or now.`;
  part("keys").replaceChildren(...(found.length ? found.map(keyRow) : [h("p", { class: "soft" }, none)]));
}

/** @param {SealingKey} key */
function keyRow(key) {
  return h(
    "div",
    { class: "row" },
    icon("key"),
    h("code", {}, `${key.public.slice(0, 12)}…${key.public.slice(-6)}`),
    h("span", { class: "small soft" }, t`since ${day(key.made)}`),
    pushButton(t`Remove`, () => removeKey(key)),
  );
}

/** @param {SealingKey} key */
async function removeKey(key) {
  const words = t`Results sealed to it will not open here any more. Only its recovery file brings it back.`;
  const sure = await askWhether(t`Remove this key?`, [h("p", {}, words)], t`Remove it`, t`Keep it`);
  if (sure) await keystore.remove(key.public);
  await showKeys();
}

async function showSession() {
  const place = part("session");
  const card = await session().catch(() => null);
  const enter = async () => {
    await signIn();
    await showSession();
  };
  const leave = async () => {
    await signOut();
    await showSession();
  };
  if (card?.signed_in) {
    const who = h("span", { class: "mono small" }, card.address);
    place.replaceChildren(
      h("p", { class: "row" }, status("good", "check", t`Signed in`), who),
      pushButton(t`Sign out`, () => attempt("session-say", leave)),
    );
    await showTokens();
  } else {
    place.replaceChildren(pushButton(t`Sign in with the wallet`, () => attempt("session-say", enter), ""));
    part("tokens").replaceChildren(h("p", { class: "soft" }, t`Sign in to see them.`));
  }
}

async function showTokens() {
  /** @type {TokenList} */
  const { items } = await apiJson("/v1/tokens");
  const now = Date.now() / 1000;
  const live = items.filter((each) => !each.revoked_at && each.expires_at > now);
  part("tokens").replaceChildren(
    ...(live.length ? live.map(tokenRow) : [h("p", { class: "soft" }, t`None yet.`)]),
    pushButton(t`New token`, makeToken),
  );
}

/** @param {TokenView} token */
function tokenRow(token) {
  const revoke = async () => {
    await apiJson(`/v1/tokens/${token.id}`, { method: "DELETE" });
    await showTokens();
  };
  const terms = t`${token.scopes.join(", ")}; until ${day(token.expires_at * 1000)}`;
  return h(
    "div",
    { class: "spread" },
    h("div", {}, h("p", { class: "strong" }, token.name), h("p", { class: "small soft" }, terms)),
    pushButton(t`Revoke`, () => attempt("tokens-say", revoke)),
  );
}

async function makeToken() {
  let made = false; // also when the dialog is closed by its Escape key
  await openDialog(t`New API token`, (/** @type {Done<true>} */ done) => {
    const place = h("div", { role: "status" });
    const choices = h(
      "fieldset",
      { id: "scopes", class: "field", "aria-describedby": "scopes-wrong" },
      h("legend", {}, t`It may`),
      Object.entries(scopes).map(([scope, words], at) =>
        h(
          "label",
          { class: "check" },
          h("input", { type: "checkbox", name: "scope", value: scope, checked: at === 0 }),
          words,
        ),
      ),
      h("p", { class: "wrong", id: "scopes-wrong", hidden: true }),
    );
    const form = h(
      "form",
      { class: "stack", novalidate: true },
      field("token-name", t`What it is for`, { type: "text", maxlength: 100, autofocus: true }),
      choices,
      place,
      h(
        "div",
        { class: "row" },
        h("button", { class: "button", type: "submit" }, t`Make it`),
        pushButton(t`Cancel`, () => done(null), "quiet"),
      ),
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const wanted = wantedToken(form, choices);
      if (!wanted) return;
      clearNotice(place);
      try {
        /** @type {MadeToken} */
        const { token } = await apiJson("/v1/tokens", { method: "POST", json: { ...wanted, days: TOKEN_DAYS } });
        made = true;
        form.replaceChildren(
          h("p", {}, t`Copy it now; it is not shown again.`),
          h("p", { class: "command" }, h("code", {}, token)),
          h(
            "div",
            { class: "row" },
            h("button", { class: "button", type: "button", "data-copy": token }, t`Copy`),
            pushButton(t`Done`, () => done(true), "quiet"),
          ),
        );
      } catch (error) {
        showProblem(place, error);
      }
    });
    return [form];
  });
  if (made) await showTokens();
}

/**
 * Name and scopes of a new token, or null after saying what is missing.
 * @param {HTMLFormElement} form
 * @param {HTMLFieldSetElement} choices
 */
function wantedToken(form, choices) {
  const boxes = elements("[name=scope]", HTMLInputElement, choices);
  const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
  const at = input(form, "token-name");
  const name = at.value.trim();
  fieldError(at, name ? "" : t`Say what it is for, so that you know it again.`);
  fieldError(choices, chosen.length ? "" : t`Let it do one thing at least.`);
  if (name && chosen.length) return { name, scopes: chosen };
  (name ? boxes[0] : at)?.focus();
  return null;
}

part("make-key").addEventListener("click", () =>
  attempt("keys-say", async () => {
    await keystore.createInDialog();
    await showKeys();
  }),
);
part("import-key").addEventListener("click", () =>
  attempt("keys-say", async () => {
    await keystore.recoverInDialog();
    await showKeys();
  }),
);

await wallet.resumed;
wallet.onChange(showWallet);
await Promise.allSettled([showKeys(), showSession()]);
element("#wallet-page", HTMLElement).dataset.ready = "";
