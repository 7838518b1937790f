// The wallet page: choose a wallet, get test money, make and bring sealing keys, sign in, make tokens.

import { encode } from "./calls.js";
import { ask, field, h, hush, icon, say, status, wrong } from "./dom.js";
import { chainHex, config, money } from "./config.js";
import * as keystore from "./keystore.js";
import { apiJson, explain } from "./problems.js";
import { session, signIn, signOut } from "./session.js";
import { perform } from "./transact.js";
import * as wallet from "./wallet.js";

const GIFT = 1_000n * 10n ** BigInt(config.coin.decimals);
const find = (name) => document.querySelector(`[data-${name}]`);
const scopes = JSON.parse(find("tokens").dataset.scopes); // what a token may be allowed, and in which words
const button = (words, click, kind = "quiet small") =>
  h("button", { class: `button ${kind}`, type: "button", click }, words);

/** Run something that a button asked for; say what went wrong in `place`. */
async function attempt(place, work) {
  hush(place);
  try {
    await work();
  } catch (error) {
    const { message, next } = explain(error);
    say(place, "bad", message, h("p", {}, next));
  }
}

async function showWallet() {
  const place = find("wallet-state");
  const list = find("wallets");
  const account = wallet.account();
  if (!account) {
    find("demo-accounts").replaceChildren();
    const found = wallet.wallets();
    place.replaceChildren(
      h(
        "p",
        { class: "soft" },
        found.length
          ? "Choose one. Nothing is signed by connecting."
          : "No wallet in this browser. Install one that announces itself (EIP-6963), or use the command line: darkroom account create.",
      ),
    );
    list.replaceChildren(
      ...found.map((each) =>
        h(
          "button",
          { class: "choice", type: "button", click: () => attempt(find("wallet-say"), () => wallet.connect(each.id)) },
          each.icon ? h("img", { src: each.icon, alt: "", width: 28, height: 28 }) : icon("key"),
          h(
            "span",
            {},
            h("span", { class: "strong" }, each.name),
            each.id === "demo.darkroom"
              ? h("span", { class: "small soft" }, " makes a key in this browser, for play money only")
              : null,
          ),
        ),
      ),
    );
    return undefined;
  }
  list.replaceChildren();
  const right = (await wallet.walletChain().catch(() => "")) === chainHex;
  const balance = await apiJson(`/v1/accounts/${account}`).catch(() => null);
  if (account !== wallet.account()) return undefined; // another one was chosen meanwhile
  place.replaceChildren(
    h(
      "p",
      { class: "row" },
      status(right ? "good" : "bad", right ? "check" : "warn", right ? "Connected" : "Wrong network"),
      h("span", {}, wallet.walletName()),
    ),
    h("p", { class: "mono small" }, account),
    ...(right ? [] : [h("p", {}, `This market is on chain ${config.chainId}. Switch the network in the wallet.`)]),
    balance
      ? h("p", { class: "price" }, money(balance.tokens))
      : h("p", { class: "soft" }, "The balance is out of reach."),
    h(
      "p",
      { class: "row" },
      h("a", { class: "button small", href: `/accounts/${account}` }, "My account"),
      config.demo ? button("Get test money", gift) : null,
      button("Disconnect", wallet.disconnect),
    ),
  );
  const own = find("demo-accounts");
  if (!wallet.isDemo()) return own.replaceChildren();
  const { showAccounts } = await import("./demo-accounts.js");
  return showAccounts(own, (work) => attempt(find("wallet-say"), work));
}

const gift = () =>
  attempt(find("wallet-say"), async () => {
    const place = find("wallet-say");
    say(place, "calm", "Getting test money.");
    await wallet.ready();
    if (config.faucet) await apiJson("/v1/faucet", { method: "POST", json: { account: wallet.account() } });
    await perform("faucet", { amount: `${GIFT}` }, (account) => [
      [config.coin.contract, encode("faucet(address,uint256)", account, GIFT)],
    ]);
    await showWallet();
    say(place, "good", `${money(GIFT)} of play money arrived.`);
  });

async function showKeys() {
  const found = await keystore.keys();
  find("keys").replaceChildren(
    ...(found.length
      ? found.map((each) =>
          h(
            "div",
            { class: "row" },
            icon("key"),
            h("code", {}, `${each.public.slice(0, 12)}…${each.public.slice(-6)}`),
            h("span", { class: "small soft" }, `since ${new Date(each.made).toLocaleDateString("en-GB")}`),
            button("Remove", () => removeKey(each)),
          ),
        )
      : [h("p", { class: "soft" }, "No key in this browser yet. One is made when you order your first job, or now.")]),
  );
}

async function removeKey(entry) {
  const sure = await ask("Remove this key?", (done) => [
    h("p", {}, "Results sealed to it will not open here any more. Only its recovery file brings it back."),
    h(
      "div",
      { class: "row" },
      button("Remove it", () => done(true), ""),
      button("Keep it", () => done(null)),
    ),
  ]);
  if (sure) await keystore.forget(entry.public);
  await showKeys();
}

async function showSession() {
  const place = find("session");
  const card = await session().catch(() => ({ signed_in: false }));
  place.replaceChildren(
    ...(card.signed_in
      ? [
          h(
            "p",
            { class: "row" },
            status("good", "check", "Signed in"),
            h("span", { class: "mono small" }, card.address),
          ),
          button("Sign out", () =>
            attempt(find("session-say"), async () => {
              await signOut();
              await showSession();
            }),
          ),
        ]
      : [
          button(
            "Sign in with the wallet",
            () =>
              attempt(find("session-say"), async () => {
                await signIn();
                await showSession();
              }),
            "",
          ),
        ]),
  );
  await showTokens(card.signed_in);
}

async function showTokens(signedIn) {
  const place = find("tokens");
  if (!signedIn) return place.replaceChildren(h("p", { class: "soft" }, "Sign in to see them."));
  const { items } = await apiJson("/v1/tokens");
  const now = Date.now() / 1000;
  const live = items.filter((each) => !each.revoked_at && each.expires_at > now);
  return place.replaceChildren(
    ...(live.length
      ? live.map((each) =>
          h(
            "div",
            { class: "spread" },
            h(
              "div",
              {},
              h("p", { class: "strong" }, each.name),
              h(
                "p",
                { class: "small soft" },
                `${each.scopes.join(", ")}; until ${new Date(each.expires_at * 1000).toLocaleDateString("en-GB")}`,
              ),
            ),
            button("Revoke", () =>
              attempt(find("tokens-say"), async () => {
                await apiJson(`/v1/tokens/${each.id}`, { method: "DELETE" });
                await showTokens(true);
              }),
            ),
          ),
        )
      : [h("p", { class: "soft" }, "None yet.")]),
    button("New token", newToken),
  );
}

const newToken = () =>
  ask("New API token", (done) => {
    const place = h("div", { role: "status" });
    const form = h(
      "form",
      { class: "stack", novalidate: true },
      field("token-name", "What it is for", { type: "text", maxlength: 100, autofocus: true }),
      h(
        "fieldset",
        { id: "scopes", class: "field", "aria-describedby": "scopes-wrong" },
        h("legend", {}, "It may"),
        Object.entries(scopes).map(([scope, words], at) =>
          h(
            "label",
            { class: "check" },
            h("input", { type: "checkbox", name: "scope", value: scope, checked: at === 0 }),
            words,
          ),
        ),
        h("p", { class: "wrong", id: "scopes-wrong", hidden: true }),
      ),
      place,
      h(
        "div",
        { class: "row" },
        h("button", { class: "button", type: "submit" }, "Make it"),
        button("Cancel", () => done(null), "quiet"),
      ),
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const chosen = [...form.querySelectorAll("[name=scope]:checked")].map((box) => box.value);
      const name = form.elements["token-name"];
      wrong(name, name.value.trim() ? "" : "Say what it is for, so that you know it again.");
      wrong(form.querySelector("#scopes"), chosen.length ? "" : "Let it do one thing at least.");
      if (!name.value.trim() || !chosen.length)
        return (name.value.trim() ? form.querySelector("[name=scope]") : name).focus();
      return attempt(place, async () => {
        const { token } = await apiJson("/v1/tokens", {
          method: "POST",
          json: { name: name.value.trim(), scopes: chosen, days: 30 },
        });
        form.replaceChildren(
          h("p", {}, "Copy it now; it is not shown again."),
          h("p", { class: "command" }, h("code", {}, token)),
          h(
            "div",
            { class: "row" },
            h("button", { class: "button", type: "button", "data-copy": token }, "Copy"),
            button("Done", () => done(true), "quiet"),
          ),
        );
      });
    });
    return [form];
  }).then((made) => made && showTokens(true));

find("make-key").addEventListener("click", () =>
  attempt(find("keys-say"), async () => {
    await keystore.makeInDialog();
    await showKeys();
  }),
);
find("import-key").addEventListener("click", () =>
  attempt(find("keys-say"), async () => {
    await keystore.bringInDialog();
    await showKeys();
  }),
);

await wallet.resumed;
wallet.onChange(showWallet);
await Promise.all([showKeys(), showSession()]);
