# Two images of one code: `serve`, the default, answers requests; `train` loads, trains and judges,
# and has MLflow in it. How to build and run them: docs/container.md.

FROM python:3.13-slim-trixie AS base
# The only places that are written to. They are owned before they are declared: a volume that is
# mounted there, as on Fargate, begins with the owner and the rights that the image gave.
RUN useradd --uid 10001 --user-group --home-dir /app/var --no-log-init app \
    && mkdir --parents /app/var \
    && chown app:app /app/var /tmp
VOLUME ["/app/var", "/tmp"]
# Else ONNX Runtime and MLflow report their use to their makers.
ENV ORT_DISABLE_TELEMETRY=1 MLFLOW_DISABLE_TELEMETRY=true
WORKDIR /app

# As `make setup` installs: by a pip that is pinned as well, and a lock is complete, so nothing is
# resolved. What it fetches it says.
FROM python:3.13-slim-trixie AS pip
COPY requirements/pip.txt /
RUN pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: --no-compile \
    --root-user-action ignore -r /pip.txt

FROM pip AS serve-packages
COPY requirements/serve.txt /
RUN pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: --no-compile \
    --root-user-action ignore --prefix=/packages -r /serve.txt

FROM pip AS train-packages
COPY requirements/train.txt /
RUN pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: --no-compile \
    --root-user-action ignore --prefix=/packages -r /train.txt \
    && python -m compileall -q -j 0 /packages

FROM base AS train
COPY --from=train-packages /packages /usr/local
COPY database_loader.py train.py monitor.py params.yaml ./
COPY sales_forecast ./sales_forecast
USER 10001:10001
CMD ["python", "train.py"]
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Sales Forecasting: training" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="$REVISION"

FROM base AS serve
COPY --from=serve-packages /packages /usr/local
COPY main.py ./
COPY sales_forecast ./sales_forecast
# What a start may import is compiled now, for later nothing can be written; the rest is ballast.
RUN ["python", "-c", "import main, onnxruntime, psycopg, pymysql"]
USER 10001:10001
ENV HOST=0.0.0.0 PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", \
         "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/health', timeout=4)"]
CMD ["python", "main.py"]
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Sales Forecasting" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="$REVISION"
