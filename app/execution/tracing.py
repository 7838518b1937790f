"""OpenTelemetry traces of jobs, across agents that know nothing of each other.

All spans of a job are one trace: its id and the id of the span that all others hang under follow from public facts
(chain, market, job), so that agents of different parties put theirs into one picture without a word between them. Off
unless `VARIABLE` names a collector that takes Zipkin's JSON. A span says which job, whose, how long and with which
error's code; it never holds a key, a value, a message of an error or a digest of what is secret.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from app.protocol.documents import sha256
from app.protocol.errors import DarkroomError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import TracerProvider

VARIABLE = "DARKROOM_TRACES"  # the URL of a collector, such as http://127.0.0.1:9411/api/v2/spans
SECONDS = 5  # that the collector has for one batch; it is sent beside the work, and dropped where it is not taken
LABEL = "darkroom-trace"

SpanName = Literal[
    "draw", "fetch", "evaluate", "commit", "reveal", "verify", "decrypt", "seal", "release", "refuse", "store result"
]
Spans = Callable[[int, SpanName], AbstractContextManager[None]]


def no_spans(_job: int, _name: SpanName) -> AbstractContextManager[None]:
    """`Spans` of an agent that is not watched."""
    return nullcontext()


def ids_of(chain_id: int, market: str, job: int) -> tuple[int, int]:
    """A job's trace id (128 bits) and the id of the span that all others hang under (64 bits)."""
    digest = bytes.fromhex(sha256(f"{LABEL}:{chain_id}:{market}:{job}".encode()))
    return int.from_bytes(digest[:16]), int.from_bytes(digest[16:24])


def spans_for(kind: Literal["provider", "custodian"], role: str, chain_id: int, market: str) -> Spans:
    """The spans of one agent, sent where `VARIABLE` says; none without it.

    Errors: UsageError for a URL that is none, or where the libraries are not installed.
    """
    url = os.environ.get(VARIABLE, "")
    return traced(_provider(f"darkroom-{kind}", url), role, chain_id, market) if url else no_spans


def traced(provider: TracerProvider, role: str, chain_id: int, market: str) -> Spans:
    """`Spans` into a tracer provider."""
    from opentelemetry.trace import (
        NonRecordingSpan,
        SpanContext,
        StatusCode,
        TraceFlags,
        set_span_in_context,
    )

    tracer = provider.get_tracer("darkroom")

    @contextmanager
    def span(job: int, name: SpanName) -> Iterator[None]:
        trace, parent = ids_of(chain_id, market, job)
        above = SpanContext(trace, parent, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
        facts: dict[str, str | int] = {
            "darkroom.job": job,
            "darkroom.market": market,
            "darkroom.chain": chain_id,
            "darkroom.role": role,
        }
        began = tracer.start_span(name, set_span_in_context(NonRecordingSpan(above)), attributes=facts)
        try:
            yield
        except BaseException as error:
            began.set_status(StatusCode.ERROR)
            began.set_attribute("darkroom.error", error.code if isinstance(error, DarkroomError) else "fault")
            raise
        finally:
            began.end()

    return span


@cache
def _provider(service: str, url: str) -> TracerProvider:
    """One for each process: what waits to be sent leaves when the process ends. Errors: UsageError."""
    try:
        import requests
        from opentelemetry.exporter.zipkin.json import ZipkinExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise UsageError(
            f"{VARIABLE} is set, and the libraries for traces are missing.",
            "Install them: pip install 'darkroom-market[otel]'; or unset it.",
        ) from None
    if not url.startswith(("http://", "https://")):
        raise UsageError(
            f"{VARIABLE} is no http(s) URL.", "Name a collector: http://127.0.0.1:9411/api/v2/spans, for example."
        )
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # a collector that is away is no trouble of an agent
    session: Any = requests.Session()
    session.trust_env = False
    exporter = ZipkinExporter(endpoint=url, timeout=SECONDS, session=session)
    provider = TracerProvider(resource=Resource({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider
