# The control plane with its console, and the module that Envoys fetch from it. Built by `docker build .`; compose.yaml runs it.

FROM docker.io/library/node:24.19-bookworm-slim AS console
WORKDIR /src/ui
COPY ui/package.json ui/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY control-plane/api/openapi.json /src/control-plane/api/openapi.json
COPY ui ./
RUN npm run build

FROM docker.io/library/rust:1.95-bookworm AS programs
# The image's own compiler, not the newest one.
ENV RUSTUP_TOOLCHAIN=1.95
RUN rustup target add wasm32-wasip1
WORKDIR /src
COPY . .
RUN cargo build --locked --release --package weir && cargo xtask wasm

FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="weir" \
      org.opencontainers.image.description="LLM gateway inside a stock Envoy: control plane and console" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=programs /src/target/release/weir /usr/local/bin/weir
COPY --from=programs /src/target/weir.wasm /usr/share/weir/weir.wasm
COPY --from=console /src/ui/dist /usr/share/weir/console
COPY LICENSE /usr/share/weir/LICENSE
ENV WEIR_MODULE_FILE=/usr/share/weir/weir.wasm \
    WEIR_CONSOLE_DIR=/usr/share/weir/console
# By number, so that Kubernetes sees that it is not root. Nothing is written.
USER 65532:65532
EXPOSE 18081 18082
ENTRYPOINT ["weir"]
CMD ["serve"]
