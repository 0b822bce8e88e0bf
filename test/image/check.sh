#!/usr/bin/env bash
# Builds the Dockerfile with buildah, for ARCHS (amd64 and arm64), and checks the result. The base image may be
# out of reach, so a local image takes its name: busybox as the shell, and this machine's certificates, Go and
# Go's caches.
# Argument (optional): a file for the image of this machine's architecture, as an OCI archive.
# Variables: ARCHIVES is a folder for one such archive of each architecture, and SOURCE_DATE_EPOCH the time of
# the files in the image.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
: "${VERSION:?}" "${COMMIT:?}"
archive=${1:+$(realpath "$1")}

fail() { echo "image: $*" >&2; exit 1; }

for command in buildah busybox; do
	command -v "$command" >/dev/null && continue
	echo "SKIPPED, NOTHING WAS TESTED: the image needs $command (Debian: buildah busybox-static)" >&2
	[[ -z ${CI:-} ]]
	exit
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/storage.conf" <<-END
	[storage]
	driver = "vfs"
	graphroot = "$work/root"
	runroot = "$work/run"
END
export CONTAINERS_STORAGE_CONF=$work/storage.conf BUILDAH_ISOLATION=chroot TMPDIR=$work

mkdir -p "$work/base/bin" "$work/base/tmp" "$work/base/root" "$work/base/etc/ssl/certs"
cp "$(command -v busybox)" "$work/base/bin/busybox"
ln -s busybox "$work/base/bin/sh"
cp /etc/ssl/certs/ca-certificates.crt "$work/base/etc/ssl/certs/"
base=$(buildah from scratch)
buildah copy --quiet "$base" "$work/base" / >/dev/null
buildah config --env PATH=/usr/local/go/bin:/bin --env GOTOOLCHAIN=local --env GOPROXY="$(go env GOPROXY)" \
	--env GOCACHE=/caches/build --env GOMODCACHE=/caches/mod "$base"
buildah commit --quiet "$base" "$(sed -n 's/^ARG GO_IMAGE=//p' Dockerfile)" >/dev/null
buildah rm "$base" >/dev/null
mkdir -p "$(go env GOCACHE)" "$(go env GOMODCACHE)"
mounts=(--volume "$(go env GOROOT):/usr/local/go:ro" --volume "$(go env GOCACHE):/caches/build" --volume "$(go env GOMODCACHE):/caches/mod")

stamp=(${SOURCE_DATE_EPOCH:+--timestamp "$SOURCE_DATE_EPOCH"})
for arch in ${ARCHS:-amd64 arm64}; do
	image=localhost/bosgc:test-$arch
	IMAGE=$image PLATFORM=linux/$arch ENGINE=buildah test/image/build.sh --pull=never "${stamp[@]}" "${mounts[@]}" >"$work/log" 2>&1 ||
		{ cat "$work/log" >&2; fail "the Dockerfile does not build for $arch"; }

	facts=$(buildah inspect --type image --format \
		'{{.OCIv1.Architecture}} {{.OCIv1.Config.User}} {{.OCIv1.Config.Entrypoint}} {{index .OCIv1.Config.Labels "org.opencontainers.image.version"}} {{index .OCIv1.Config.Labels "org.opencontainers.image.revision"}} {{index .OCIv1.Config.Labels "org.opencontainers.image.licenses"}}' "$image")
	[[ $facts == "$arch 65534:65534 [/usr/local/bin/bosgc] $VERSION $COMMIT Apache-2.0" ]] || fail "$arch: it says: $facts"

	container=$(buildah from --platform "linux/$arch" "$image")
	root=$(buildah mount "$container")
	files=$(cd "$root" && find . ! -type d | sort | tr '\n' ' ')
	[[ $files == "./etc/ssl/certs/ca-certificates.crt ./usr/local/bin/bosgc " ]] || fail "$arch: there is more or less in it than the program and certificates: $files"
	built=$(go version -m "$root/usr/local/bin/bosgc")
	[[ $built == *"GOARCH=$arch"* && $built == *CGO_ENABLED=0* ]] || fail "$arch: the program is built otherwise: $built"
	if [[ $arch == "$(go env GOHOSTARCH)" ]]; then
		# The image has nothing but the program, so a program that needs a loader or a library does not start.
		said=$(chroot --userspec=65534:65534 "$root" /usr/local/bin/bosgc version)
		[[ $said == *"$VERSION"* ]] || fail "it says it is $said, not $VERSION"
		[[ -z $archive ]] || buildah push --quiet "$image" "oci-archive:$archive:localhost/bosgc:test"
	fi
	[[ -z ${ARCHIVES:-} ]] || buildah push --quiet "$image" "oci-archive:$ARCHIVES/$arch.tar:localhost/bosgc:$VERSION"
	buildah push --quiet "$image" "oci:$work/$arch"
	echo "image: $arch: $(du -sk --apparent-size "$root" | cut -f1) KiB, to pull $(du -sk --apparent-size "$work/$arch" | cut -f1) KiB"
	buildah umount "$container" >/dev/null
	buildah rm "$container" >/dev/null
done
