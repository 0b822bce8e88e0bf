#!/usr/bin/env bash
# Builds everything of a release into a folder, and publishes nothing. The same commit gives the same bytes, so
# anybody can build a release again and compare it with the download.
# Variables: VERSION, COMMIT, BUILD, the command that compiles, and DOWNLOADS, the address below which the files will be.
# Argument: the folder, which is emptied.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
: "${VERSION:?}" "${COMMIT:?}" "${BUILD:?}" "${DOWNLOADS:?}"
platforms=(linux/amd64 linux/arm64 darwin/amd64 darwin/arm64)
# A person has to judge any other license before the program is given to others under it.
licenses=Apache-2.0,BSD-2-Clause,BSD-3-Clause,ISC,MIT,MPL-2.0

mkdir -p "$1"
dist=$(realpath "$1")
rm -rf "${dist:?}"/*
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022

# File names, program, image and chart have the same version. Helm accepts only semantic versions, so a commit
# without a tag is a snapshot of the version of the chart.
version=${VERSION#v}
if [[ ! $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]]; then
	version=$(sed -n 's/^version: //p' deploy/helm/bosgc/Chart.yaml)-snapshot-$VERSION
fi
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH VERSION=$version

say() { echo "release: $*" >&2; }

# pack FOLDER NAME writes a tar archive of FOLDER/NAME to stdout, without what differs between machines and days.
pack() {
	tar --create --format=ustar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
		--mode=u+rw,go+r,go-w --directory="$1" "$2"
}

# run COMMAND... runs a command and shows its output only if it fails.
run() {
	"$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; say "failed: $*"; return 1; }
}

# The tools for licenses and SBOMs ask the compiler for the modules: it needs the tags of the build.
export GOFLAGS=-tags=grpcnotrace GOROOT
GOROOT=$(go env GOROOT)
[[ $BUILD == *"${GOFLAGS/=/ }"* ]] || { say "BUILD has other tags than $GOFLAGS: $BUILD"; exit 1; }

for platform in "${platforms[@]}"; do
	export GOOS=${platform%/*} GOARCH=${platform#*/}
	name=bosgc_${version}_${GOOS}_$GOARCH
	say "$name"
	folder=$work/$name
	mkdir -p "$folder"
	# shellcheck disable=SC2086 # BUILD is a command with its arguments
	env $BUILD -ldflags "-s -w -X bosgc/internal/cli.Version=$version -X bosgc/internal/cli.Commit=$COMMIT" -o "$folder/bosgc" .
	install -m 644 LICENSE README.md CHANGELOG.md "$folder/"

	run bin/go-licenses check . --ignore=bosgc --allowed_licenses="$licenses" --logtostderr
	run bin/go-licenses save . --ignore=bosgc --save_path="$folder/THIRD_PARTY_LICENSES" --logtostderr
	# The program also contains Go's standard library, whose license is in no module.
	install -m 644 -D "$GOROOT/LICENSE" "$folder/THIRD_PARTY_LICENSES/go/LICENSE"

	run bin/cyclonedx-gomod bin -json -std -licenses -noserial -notimestamp -version "$version" \
		-output "$dist/$name.cdx.json" "$folder/bosgc"
done
unset GOOS GOARCH GOFLAGS

# Completions and manual pages are the same on all platforms: the program for this machine writes them.
here=$work/bosgc_${version}_$(go env GOHOSTOS)_$(go env GOHOSTARCH)/bosgc
mkdir -p "$work/extra/completions"
for shell in bash zsh fish; do
	"$here" completion "$shell" >"$work/extra/completions/bosgc.$shell"
done
"$here" man "$work/extra/man"
for platform in "${platforms[@]}"; do
	name=bosgc_${version}_${platform/\//_}
	cp -r "$work/extra/." "$work/$name/"
	pack "$work" "$name" | gzip -9n >"$dist/$name.tar.gz"
done

say "manifest for krew"
test/release/krew.sh "$version" "$DOWNLOADS" "$dist" >"$dist/bosgc.krew.yaml"

say "chart"
mkdir "$work/chart"
cp -r deploy/helm/bosgc "$work/chart/"
sed -i "s|/bosgc:[^ ]*$|/bosgc:$version|" "$work/chart/bosgc/Chart.yaml" # the image of the annotation
run bin/helm package --version "$version" --app-version "$version" --destination "$work" "$work/chart/bosgc"
# Helm writes the time of packing into the archive.
tar --extract --touch --gzip --directory="$work" --file="$work/bosgc-$version.tgz"
pack "$work" bosgc | gzip -9n >"$dist/bosgc-$version.tgz"

say "images"
# With CI set, a missing engine is a failure.
CI=true ARCHIVES="$work" run test/image/check.sh
for arch in amd64 arm64; do
	# The files in this archive have the time of writing, too.
	mkdir "$work/image-$arch"
	tar --extract --directory="$work/image-$arch" --file="$work/$arch.tar"
	pack "$work/image-$arch" . >"$dist/bosgc_${version}_image_linux_$arch.tar"
done

(cd "$dist" && sha256sum -- * >"$work/SHA256SUMS" && install -m 644 "$work/SHA256SUMS" .)
say "in $1:"
(cd "$dist" && du -ah --apparent-size -- *) >&2
