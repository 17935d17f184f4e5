"""What others see of the server: metrics for Prometheus, and traces over OTLP."""
