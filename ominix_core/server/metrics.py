"""What the server has done, for Prometheus: https://prometheus.io/docs/concepts/data_model/."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.responses import Response

from ominix_core.events import HubEvent, ModelActivity, ModelStateChanged
from ominix_core.generation import Usage
from ominix_core.hub import Hub
from ominix_core.states import Loaded

router = APIRouter(tags=["operations"])

_SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
_TOKEN_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1)


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Every measure in Prometheus' text format."""
    measures: Metrics = request.app.state.metrics
    return Response(generate_latest(measures.registry), media_type=CONTENT_TYPE_LATEST)


class Metrics:
    """The measures of one server."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        model = ["model"]
        self._http = Histogram(
            "ominix_http_request_seconds",
            "HTTP requests",
            ["method", "route", "status"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._first = Histogram(
            "ominix_time_to_first_token_seconds", "Time to first token", model, buckets=_SECONDS, registry=registry
        )
        self._next = Histogram(
            "ominix_seconds_per_token", "Mean time between tokens", model, buckets=_TOKEN_SECONDS, registry=registry
        )
        self._requests = Counter("ominix_requests", "Ended requests", ["model", "outcome"], registry=registry)
        self._tokens = Counter("ominix_tokens", "Tokens, by kind", ["model", "kind"], registry=registry)
        self._running = Gauge("ominix_requests_running", "Requests in work", model, registry=registry)
        self._waiting = Gauge("ominix_answers_waiting", "Answers that wait for a place", model, registry=registry)
        self._speed = Gauge("ominix_tokens_per_second", "Of all requests together", model, registry=registry)
        self._memory = Gauge("ominix_model_memory_bytes", "What a loaded model holds", model, registry=registry)
        self._load = Gauge("ominix_model_load_seconds", "How long the last load took", model, registry=registry)

    def http(self, method: str, route: str, status: int, seconds: float) -> None:
        self._http.labels(method, route, status).observe(seconds)

    def queue(self, model: str, running: Callable[[], float], waiting: Callable[[], float]) -> None:
        """Ask for a model's requests in work, and its answers that wait, whenever somebody looks."""
        self._running.labels(model).set_function(running)
        self._waiting.labels(model).set_function(waiting)

    def ended(self, model: str, outcome: str, usage: Usage | None) -> None:
        self._requests.labels(model, outcome).inc()
        if usage is None:
            return
        self._tokens.labels(model, "prompt").inc(usage.prompt_tokens)
        self._tokens.labels(model, "cached").inc(usage.cached_tokens)
        self._tokens.labels(model, "completion").inc(usage.completion_tokens)
        if usage.completion_tokens:
            self._first.labels(model).observe(usage.ttft)
        if usage.decode_tps:
            self._next.labels(model).observe(1 / usage.decode_tps)

    def watch(self, hub: Hub) -> Callable[[], None]:
        """Take what the hub tells of its models, from now on; returns the function that ends it."""
        for entry in hub.registry.entries:
            self._on_hub_event(ModelStateChanged(entry.id, hub.state(entry.id)))
        return hub.subscribe(self._on_hub_event)

    def _on_hub_event(self, event: HubEvent) -> None:
        match event:
            case ModelActivity():
                self._memory.labels(event.model_id).set(event.memory_bytes)
                self._speed.labels(event.model_id).set(event.tokens_per_second)
            case ModelStateChanged(state=Loaded() as state):
                self._memory.labels(event.model_id).set(state.memory_bytes)
                self._load.labels(event.model_id).set(state.load_seconds)
            case ModelStateChanged():
                for gauge in (self._memory, self._speed):
                    with contextlib.suppress(KeyError):
                        gauge.remove(event.model_id)
