"""The market's contracts as typed Python: one method per action, entities out, errors by name.

Planned signatures (stable names; arguments may gain defaults):

    account = Account.load(path, passphrase)          app.chain.account; Account.create(path, passphrase, light=False)
    account.address, account.sign_text(text) -> str    EIP-191
    node = open_node("embedded:/path/chain.sqlite")    app.chain.node; or "http://127.0.0.1:8545"
    node.chain_id, node.now(), node.head(), node.finalized()
    node.fund(address, wei), node.advance(seconds)     embedded only: EmbeddedChain
    deployment = deploy(node, account, path)           app.chain.deployment; resumable; JSON at `path`
    market = Market.open(node, path)                   checks chain id and code; BadDocument / VerificationFailed

    Sent(tx, block, gas, value, events)                what every action returns; value is e.g. the new id

    market.faucet(account, amount)                     test token only
    market.approve(account, spender, amount)
    market.publish_dataset(account, manifest, data_root, profile, rows, custodian=None) -> Sent[int]
    market.new_version(account, dataset, manifest, data_root, rows)
    market.new_epoch(account, dataset, profile), market.set_custodian(account, dataset, custodian)
    market.tombstone(account, dataset, ...)
    market.create_offer(account, dataset, *, price_license, price_job, price_row, max_jobs, max_rows, duration, policy,
                        beneficiaries=()) -> Sent[int]
    market.deactivate_offer(account, offer)
    market.buy_license(account, offer) -> Sent[int]    one transaction, by permit
    market.revoke_license(account, license)
    market.register_provider(account, *, bond, price, capacity), market.heartbeat(account)
    market.set_terms(account, price, capacity), market.unbond(account), market.withdraw_bond(account)
    market.open_job(account, license, *, circuit, first_row, rows, sealing_key, units, replicas, max_fee) -> Sent[int]
    market.draw(account, job) -> Sent[tuple[str, ...]]  waits for the block whose randomness it needs
    market.commit(account, job, receipt, salt), market.reveal(account, job, receipt, salt)
    market.release(account, job, sealed, decision), market.refuse(account, job, reason, decision)
    market.settle(account, job), market.expire(account, job)
    market.withdraw(account) -> Sent[int]              every claim of the account, paid out

    market.dataset(id) -> DatasetRecord                NotFound when there is none
    market.offer(id) -> Offer, market.license(id) -> License, market.job(id) -> Job
    market.provider(address) -> ProviderRecord
    market.datasets(), market.offers(dataset=None), market.licenses(buyer=None), market.jobs(dataset=, buyer=, state=)
    market.providers()                                 iterators over entities, by id
    market.balance(address), market.claim(address)     token units
    market.quote_fee(...), market.now(), market.block_number, market.finalized_block
    market.events(from_block, to_block) -> list[Event] Event(name, contract, args, block, block_hash, tx, index)
    commitment(chain_id, market_address, job, provider, receipt, salt) -> str
    Cursor                                             app.chain.cursor

Digests, salts and sealing keys are 64 hex digits; amounts are token units; addresses are EIP-55 text.
"""
