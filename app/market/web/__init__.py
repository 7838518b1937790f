"""The node's HTTP API: what the index answers, what the chain would say, and transactions for wallets to sign.

    app = create_app(Settings(origin="http://127.0.0.1:8080"), Parts(market, store, database))     app.market.web.app

It holds no key and no plaintext. Every write to the market is a transaction that the user's wallet signs; what the API
keeps of its own are sign-ins and tokens, as hashes (`access`).
"""
