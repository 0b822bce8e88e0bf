#!/usr/bin/env bash
# Pushes what make release-snapshot has left in DIST to a registry, as OCI.
# Arguments: "image" (an index for both architectures, at REGISTRY/bosgc:VERSION) or "chart" (at REGISTRY/charts/bosgc).
# Variables: DIST, and REGISTRY, such as registry.example.com/csm. On loopback it is asked without TLS.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
: "${DIST:?}"
: "${REGISTRY:?set REGISTRY, such as REGISTRY=registry.example.com/csm}"

charts=("$DIST"/bosgc-*.tgz)
[[ ${#charts[@]} == 1 && -e ${charts[0]} ]] || { echo "push: $DIST has no release; make release-snapshot builds one" >&2; exit 1; }
version=${charts[0]##*/bosgc-}
version=${version%.tgz}

case $1 in
	image)
		work=$(mktemp -d)
		trap 'rm -rf "$work"' EXIT
		image=$REGISTRY/bosgc
		manifests=()
		for arch in amd64 arm64; do
			mkdir "$work/$arch"
			tar --extract --directory="$work/$arch" --file="$DIST/bosgc_${version}_image_linux_$arch.tar"
			manifests+=(--manifest "$(bin/crane push "$work/$arch" "$image:$version-$arch")")
		done
		bin/crane index append --tag "$image:$version" "${manifests[@]}"
		;;
	chart)
		plain=()
		[[ $REGISTRY != 127.0.0.1:* ]] || plain=(--plain-http)
		bin/helm push "${plain[@]}" "${charts[0]}" "oci://$REGISTRY/charts"
		;;
	*)
		echo "push: $1 is neither image nor chart" >&2
		exit 2
		;;
esac
