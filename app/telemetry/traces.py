"""Traces and metrics over OTLP, if ``LATCHKEY_OTLP_ENDPOINT`` says where to.

The only module that knows OpenTelemetry, whose SDK is an extra and imported only when it is on.
FastAPI makes the spans and the metrics of HTTP itself. A span has the method, the template of the
route, the path, the status and how long it took: no header, no body, and no query, which may hold a
key or a code.
"""

import asyncio
import os
import re
from collections.abc import MutableMapping
from typing import Any

from fastapi.telemetry import TelemetryConfig
from starlette.types import Scope

from app import NAME, VERSION

OFF = TelemetryConfig(tracing=False, metrics=False, logs=False)

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""What is asked all the time, by machines."""

TIMEOUT = 2
"""Seconds that a collector has for what it is sent. What it does not take is lost."""

_TRACEPARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class MissingExtraError(Exception):
    """The SDK is not installed."""


def trace_id_of(scope: Scope) -> str | None:
    """The trace that a request belongs to: its span's, or that of who sent it (``traceparent``)."""
    telemetry = scope.get("fastapi.telemetry")
    if telemetry is not None and telemetry.span is not None:
        return f"{telemetry.span.get_span_context().trace_id:032x}"
    for name, value in scope["headers"]:
        if name == b"traceparent":
            parent = _TRACEPARENT.fullmatch(value)
            return parent[1].decode() if parent else None
    return None


class Telemetry:
    """What one worker sends to a collector. Close it when done."""

    def __init__(self, endpoint: str) -> None:
        """``endpoint`` is the base URL of the collector. Raises :class:`MissingExtraError`."""
        try:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.metrics import MeterProvider
            from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError:
            raise MissingExtraError from None

        class WithoutQuery(SpanProcessor):
            def on_start(self, span: Span, parent_context: object = None) -> None:
                if "url.query" in (span.attributes or {}):
                    span.set_attribute("url.query", "REDACTED")

        base = endpoint.rstrip("/")
        named = {} if "OTEL_SERVICE_NAME" in os.environ else {"service.name": NAME}
        resource = Resource.create({**named, "service.version": VERSION})
        self._traces = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._traces.add_span_processor(WithoutQuery())
        spans = OTLPSpanExporter(f"{base}/v1/traces", timeout=TIMEOUT)
        self._traces.add_span_processor(BatchSpanProcessor(spans))
        numbers = OTLPMetricExporter(f"{base}/v1/metrics", timeout=TIMEOUT)
        reader = PeriodicExportingMetricReader(numbers)
        self._metrics = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        self.config = TelemetryConfig(
            tracer_provider=self._traces,
            meter_provider=self._metrics,
            tracing=True,
            metrics=True,
            logs=False,  # a message or traceback of another's exception may hold anything
            operation_spans=False,
            auto_configure=False,
            exclude=_is_probe,
        )

    async def close(self) -> None:
        """Send what is left, if the collector takes it."""
        await asyncio.to_thread(self._traces.shutdown)
        await asyncio.to_thread(self._metrics.shutdown, TIMEOUT * 1000)


def _is_probe(scope: MutableMapping[str, Any]) -> bool:
    return scope.get("path") in PROBES
