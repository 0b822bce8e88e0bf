#!/usr/bin/env bash
# Builds the image with the first engine that works: docker, podman or buildah. ENGINE sets another order.
# Variables: IMAGE, VERSION, COMMIT, and optional PLATFORM (such as linux/arm64; empty for this machine's) and GO_IMAGE, the
# image with Go, by digest if it has to be one and no other.
# Arguments are passed to the engine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
: "${IMAGE:?}" "${VERSION:?}" "${COMMIT:?}"

case $(uname -m) in
	x86_64) here=linux/amd64 ;;
	aarch64) here=linux/arm64 ;;
	*) here=linux/$(uname -m) ;;
esac
for engine in ${ENGINE:-docker podman buildah}; do
	# A client without its daemon exists but is of no use.
	if ! problem=$({ command -v "$engine" && timeout 30 "$engine" info; } 2>&1 >/dev/null); then
		echo "image: not with $engine: ${problem:-it is not here}" >&2
		continue
	fi
	echo "image: $IMAGE, with $engine" >&2
	args=(--platform "${PLATFORM:-$here}" --tag "$IMAGE" --build-arg "VERSION=$VERSION" --build-arg "COMMIT=$COMMIT")
	[[ $engine == docker ]] || args+=(--build-arg "BUILDPLATFORM=$here") # older ones do not set it by themselves
	[[ -z ${GO_IMAGE:-} ]] || args+=(--build-arg "GO_IMAGE=$GO_IMAGE")
	DOCKER_BUILDKIT=1 "$engine" build "${args[@]}" "$@" .
	exit
done
echo "image: no engine works here; install docker, podman or buildah" >&2
exit 1
