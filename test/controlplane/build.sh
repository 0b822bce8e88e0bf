#!/usr/bin/env bash
# Builds etcd, kube-apiserver, kube-controller-manager and kubectl from their Go modules, once per
# version, and prints the folder that holds them. Progress goes to stderr. With --find it builds
# nothing and fails if they are not there.
# A caller who has the four binaries already names their folder in CONTROL_PLANE_BIN.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export GOWORK=off CGO_ENABLED=0

say() { echo "control plane: $*" >&2; }

if [[ -n ${CONTROL_PLANE_BIN:-} ]]; then
	for binary in etcd kube-apiserver kube-controller-manager kubectl; do
		[[ -x $CONTROL_PLANE_BIN/$binary ]] || { say "CONTROL_PLANE_BIN has no $binary: $CONTROL_PLANE_BIN"; exit 1; }
	done
	echo "$CONTROL_PLANE_BIN"
	exit
fi

version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
# Without these kubectl cannot tell whether it fits the server, and Helm refuses charts that name a kubeVersion.
IFS=. read -r major minor _ <<<"${version#v}"
stamp=k8s.io/component-base/version
ldflags="-s -w -X $stamp.gitVersion=$version -X $stamp.gitMajor=$major -X $stamp.gitMinor=$minor"
inputs=$({ cat go.mod go.sum; go version; echo "$ldflags"; } | sha256sum | cut -c1-12)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bosgc/control-plane
target=$cache/$version-$inputs
if [[ -d $target ]]; then
	echo "$target"
	exit
elif [[ ${1:-} == --find ]]; then
	say "not built yet, run: make control-plane"
	exit 1
fi

# What makes a build count is the rename at the end; the lock spares a second caller the work.
mkdir -p "$cache"
exec 9>"$cache/lock"
flock -n 9 || { say "waiting for another build"; flock 9; }
if [[ -d $target ]]; then
	echo "$target"
	exit
fi

packages=(
	go.etcd.io/etcd/server/v3
	k8s.io/kubernetes/cmd/kube-apiserver
	k8s.io/kubernetes/cmd/kube-controller-manager
	k8s.io/kubernetes/cmd/kubectl
)
say "fetching modules for Kubernetes $version"
go mod download >&2
total=$(go list -deps "${packages[@]}" | wc -l)
say "building Kubernetes $version: up to $total packages, about 6 minutes on two cores, done once"

rm -rf "$cache"/build.*
build=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$build"' EXIT
# With -v the compiler names each package it builds, alone on a line: count those, show the rest.
go build -v -ldflags "$ldflags" -o "$build/" "${packages[@]}" 2>&1 | awk -v total="$total" '
	/[ :#]/ { print; fflush(); next }
	++n % 100 == 0 { printf "control plane: %d of %d packages\n", n, total; fflush() }' >&2
mv "$build/server" "$build/etcd" # named after its module
chmod 755 "$build"
mv "$build" "$target"
say "built in ${SECONDS} s: $target"
echo "$target"
