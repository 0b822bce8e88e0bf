#!/usr/bin/env bash
# Writes the manifest with which krew, the plugin manager of kubectl, installs a release as "kubectl bosgc".
# Arguments: version, the address below which the archives will be, and the folder that has them.
set -euo pipefail
version=$1 downloads=$2 dist=$3

cat <<END
apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: bosgc
spec:
  version: v$version
  homepage: https://example.com/bosgc
  shortDescription: Collects what BOS v1 leaves behind on CSM
  description: |
    Shows what finished boot sessions of BOS v1 have left on an HPE Cray CSM system, says for
    each object why it stays or goes, and deletes what may go.
  platforms:
END
for platform in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64; do
	name=bosgc_${version}_${platform/\//_}
	sum=$(sha256sum "$dist/$name.tar.gz")
	cat <<-END
	  - selector:
	      matchLabels:
	        os: ${platform%/*}
	        arch: ${platform#*/}
	    uri: $downloads/$name.tar.gz
	    sha256: ${sum%% *}
	    files:
	      - from: $name/bosgc
	        to: .
	      - from: $name/LICENSE
	        to: .
	    bin: bosgc
	END
done
