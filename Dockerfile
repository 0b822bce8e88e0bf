# From a mirror, or by digest: make image GO_IMAGE=registry.example.com/golang@sha256:...
ARG GO_IMAGE=docker.io/library/golang:1.26.8-bookworm

# Go compiles for the target on whatever builds, so nothing is emulated.
FROM --platform=$BUILDPLATFORM $GO_IMAGE AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=dev
ARG COMMIT=unknown
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -tags grpcnotrace -trimpath -buildvcs=false \
    -ldflags "-s -w -X bosgc/internal/cli.Version=$VERSION -X bosgc/internal/cli.Commit=$COMMIT" -o /bosgc .

# Nothing that a later day could bring in another version: the program, and whom it trusts.
FROM scratch
ARG VERSION=dev
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="bosgc" \
      org.opencontainers.image.description="Garbage collector for what BOS v1 leaves behind on HPE Cray CSM systems" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /bosgc /usr/local/bin/bosgc
# A number, so that Kubernetes can check runAsNonRoot.
USER 65534:65534
ENTRYPOINT ["/usr/local/bin/bosgc"]
