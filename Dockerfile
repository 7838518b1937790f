# One file, three images: docker build --target provider|node|full .
# provider and node hold neither torch nor Concrete ML. Packages come from wherever pip and apt are configured to look.

FROM python:3.12-slim AS base
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    DARKROOM_HOME=/data \
    PATH=/opt/darkroom/bin:$PATH
RUN useradd --uid 10001 --create-home darkroom \
    && mkdir /data \
    && chown darkroom:darkroom /data

# The compiler stays in this stage: it puts the native core into the wheel.
FROM base AS wheel
RUN apt-get -q update \
    && apt-get -q install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY locks/build.txt locks/
RUN python -m venv /build && /build/bin/pip install --require-hashes -r locks/build.txt
COPY . .
RUN /build/bin/python -m hatchling build -t wheel -d /wheels

FROM base AS light
COPY locks/provider.txt /locks/
RUN python -m venv /opt/darkroom && pip install --require-hashes -r /locks/provider.txt
COPY --from=wheel /wheels /wheels
RUN pip install --no-deps /wheels/*.whl
USER darkroom
VOLUME /data
WORKDIR /data
# Healthy means that the chain this machine talks to answers.
HEALTHCHECK --interval=60s --timeout=20s --start-period=60s CMD ["darkroom", "provider", "status", "--json"]
ENTRYPOINT ["darkroom"]

# Evaluates circuits on ciphertext; needs no key but its own account's.
FROM light AS provider
CMD ["provider", "serve", "--as", "provider"]

# A marketplace node by its settings (docs/operations.md), and every command that needs no owner's library.
FROM light AS node
EXPOSE 8080
# Healthy means that the web server answers; GET /v1/ready says how chain, database and index are.
HEALTHCHECK --interval=30s --timeout=10s --start-period=90s CMD ["darkroom", "node", "health"]
CMD ["up", "--config", "/data/node.toml"]

# Everything, the owner's and the buyer's side too: about 6 GB of Concrete ML and torch.
FROM base AS full
COPY locks/buyer.txt /locks/
RUN python -m venv /opt/darkroom && pip install --require-hashes -r /locks/buyer.txt
COPY --from=wheel /wheels /wheels
RUN pip install --no-deps /wheels/*.whl
USER darkroom
VOLUME /data
WORKDIR /data
HEALTHCHECK --interval=60s --timeout=20s --start-period=60s CMD ["darkroom", "provider", "status", "--json"]
ENTRYPOINT ["darkroom"]
CMD ["demo"]
