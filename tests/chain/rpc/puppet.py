"""A JSON-RPC server that answers as it is told."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

TOKEN = "secret-access-token"


class Puppet:
    """A server that answers each method with a prepared result, error or raw body."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {"eth_chainId": "0x1", "web3_clientVersion": "Geth/v1"}
        self.body: bytes | None = None
        self.redirect = ""
        self.batches, self.requests = True, 0
        self.status = 200
        self.asked: list[dict[str, Any]] = []
        puppet = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                puppet.asked.append(request)
                puppet.requests += 1
                data = puppet.body if puppet.body is not None else puppet.answer_all(request)
                self.send_response(307 if puppet.redirect else puppet.status)
                if puppet.redirect:
                    self.send_header("Location", puppet.redirect)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: object) -> None:
                """Quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/{TOKEN}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def stop(self) -> None:
        """End the server."""
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def answer_all(self, request: Any) -> bytes:
        """To one question, or to each of a batch."""
        if isinstance(request, list):
            if not self.batches:
                return b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no batches"}}'
            return b"[" + b",".join(self.answer(each) for each in request) + b"]"
        return self.answer(request)

    def answer(self, request: dict[str, Any]) -> bytes:
        known = self.answers.get(request["method"], {"error": {"code": -32601, "message": "method not found"}})
        known = known(*request["params"]) if callable(known) else known
        part = known if isinstance(known, dict) and "error" in known else {"result": known}
        return json.dumps({"jsonrpc": "2.0", "id": request["id"]} | part).encode()


def refusal(message: str, code: int = -32000, **more: Any) -> dict[str, Any]:
    """An error answer."""
    return {"error": {"code": code, "message": message} | more}
