#!/usr/bin/env bash
# Builds the binaries of a Kubernetes from their Go modules, once per version, and prints the folder
# that holds them. Progress goes to stderr.
#
#   build.sh [--find] [1.24]
#
# Without a version it builds the newest Kubernetes, whose go.mod is here. An older one has its go.mod in
# the folder of its name, with only what differs between versions. With --find it builds nothing, and fails
# if the binaries do not exist. A caller who has the binaries already names their folder in
# CONTROL_PLANE_BIN (CONTROL_PLANE_BIN_1_24 for 1.24).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export GOWORK=off CGO_ENABLED=0

say() { echo "control plane: $*" >&2; }

find=
if [[ ${1:-} == --find ]]; then
	find=yes
	shift
fi
release=${1:-}
brought=CONTROL_PLANE_BIN${release:+_${release//./_}}
if [[ -n ${!brought:-} ]]; then
	binaries=(kube-apiserver kube-controller-manager)
	[[ -n $release ]] || binaries+=(etcd kubectl)
	for binary in "${binaries[@]}"; do
		[[ -x ${!brought}/$binary ]] || { say "$brought has no $binary: ${!brought}"; exit 1; }
	done
	echo "${!brought}"
	exit
fi

cd "./$release"
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
# Without these kubectl cannot tell whether it fits the server, and Helm refuses charts that name a kubeVersion.
IFS=. read -r major minor _ <<<"${version#v}"
ldflags="-s -w"
for stamp in k8s.io/component-base/version k8s.io/client-go/pkg/version; do # older servers answer with the second
	ldflags+=" -X $stamp.gitVersion=$version -X $stamp.gitMajor=$major -X $stamp.gitMinor=$minor"
done
inputs=$({ cat go.mod go.sum; go version; echo "$ldflags"; } | sha256sum | cut -c1-12)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bosgc/control-plane
target=$cache/$version-$inputs
if [[ -d $target ]]; then
	echo "$target"
	exit
elif [[ $find ]]; then
	say "Kubernetes $version is not built yet, run: make control-plane${release:+-$release}"
	exit 1
fi

# A build counts once it is renamed, at the end. The lock only saves a second caller the work.
mkdir -p "$cache"
exec 9>"$cache/lock"
flock -n 9 || { say "waiting for another build"; flock 9; }
if [[ -d $target ]]; then
	echo "$target"
	exit
fi

mapfile -t packages < <(go list tool)
say "fetching modules for Kubernetes $version"
go mod download >&2
total=$(go list -deps "${packages[@]}" | wc -l)
say "building Kubernetes $version: up to $total packages, about 6 minutes on two cores, done once"

rm -rf "$cache"/build.*
build=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$build"' EXIT
# With -v the compiler prints each package that it builds on a line of its own: count those, show the rest.
go build -v -ldflags "$ldflags" -o "$build/" "${packages[@]}" 2>&1 | awk -v total="$total" '
	/[ :#]/ { print; fflush(); next }
	++n % 100 == 0 { printf "control plane: %d of %d packages\n", n, total; fflush() }' >&2
[[ ! -e $build/server ]] || mv "$build/server" "$build/etcd" # named after its module
chmod 755 "$build"
mv "$build" "$target"
say "built in ${SECONDS} s: $target"
echo "$target"
