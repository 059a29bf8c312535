"""One view in bare Flask, with the kit, and wired by hand in Flask and FastAPI.

The programs that are wired by hand use what their own documentation recommends:
OpenTelemetry's instrumentation, its Zipkin exporter, and the most popular exporter of
metrics.
"""

__all__ = ["ASYNC", "BARE", "HAND_WIRED", "KIT", "SYNC"]

VIEW = """
@app.get("/orders/<int:number>")
def order(number):
    return {"order": number}
"""
BARE = (
    """
from flask import Flask
app = Flask("shop")
"""
    + VIEW
)
KIT = (
    """
from modern_flask import Container, create_app
app = create_app("shop", Container())
"""
    + VIEW
)
HAND_WIRED = (
    """
from flask import Flask
from opentelemetry import trace
from opentelemetry.exporter.zipkin.json import ZipkinExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_flask_exporter import PrometheusMetrics

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(ZipkinExporter()))
trace.set_tracer_provider(provider)
app = Flask("shop")
FlaskInstrumentor().instrument_app(app)
PrometheusMetrics(app, group_by="url_rule")
"""
    + VIEW
)
FASTAPI = """
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.exporter.zipkin.json import ZipkinExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_fastapi_instrumentator import Instrumentator

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(ZipkinExporter()))
trace.set_tracer_provider(provider)
app = FastAPI()
FastAPIInstrumentor.instrument_app(app)
Instrumentator().instrument(app).expose(app)

@app.get("/orders/{number}")
"""
SYNC = (
    FASTAPI
    + """
def order(number: int):
    return {"order": number}
"""
)
ASYNC = (
    FASTAPI
    + """
async def order(number: int):
    return {"order": number}
"""
)
