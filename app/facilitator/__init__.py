"""The facilitator: it carries payments of single asks (x402) to the chain from a gas account of its own.

It can delay a payment, and nothing else: an order's payment names all its terms (`app.protocol.market.prepaid`).
"""
