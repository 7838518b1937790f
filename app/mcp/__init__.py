"""The market as tools of a software agent (Model Context Protocol): found, priced, paid under a mandate, audited.

`toolbox` has the tools as functions of a `Desk`, with no word of the protocol; `server` speaks it over stdio or HTTP.
Whatever a stranger wrote stands under `untrusted_data` in an answer, and nowhere else.
"""
