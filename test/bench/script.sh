#!/usr/bin/env bash
# The manual procedure as a script: what CSM's documentation tells an administrator to do for a session, for each
# session named on standard input. KUBECTL is kubectl; BOSGC_BOS_URL and BOSGC_CFS_URL are the URLs of BOS and CFS.
set -euo pipefail

jobs=$("$KUBECTL" get jobs -n services -o name)

while read -r session; do
	curl -fsS "$BOSGC_BOS_URL/v1/session/$session" >/dev/null # cray bos v1 session describe
	for name in $(curl -fsS "$BOSGC_CFS_URL/v2/sessions?tags=bos_session=$session" | grep -o '"name":"batcher-[^"]*"' | cut -d '"' -f 4); do
		curl -fsS -X DELETE "$BOSGC_CFS_URL/v2/sessions/$name"
	done
	"$KUBECTL" delete configmap -n services "$session" >/dev/null
	curl -fsS -X DELETE "$BOSGC_BOS_URL/v1/session/$session" # cray bos v1 session delete
	if [[ $jobs == *"boa-$session"* ]]; then
		"$KUBECTL" delete job -n services "boa-$session" >/dev/null
	fi
done
