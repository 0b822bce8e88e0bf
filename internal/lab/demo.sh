#!/usr/bin/env bash
# Shows bosgc at work on a simulated CSM system: what it plans, the sweep, what it confirms, its journal,
# and that nothing is left to do after it. Needs bin/bosgc and bin/bosgc-lab, which "make demo" builds.
set -euo pipefail

cd "$(dirname "$0")/../.."
bosgc=${BOSGC:-bin/bosgc}
lab=${BOSGC_LAB:-bin/bosgc-lab}
unset BOSGC_LAB # bosgc refuses a variable with this prefix that is none of its settings
seed=${SEED:-7}

work=$(mktemp -d)
lab_pid=
finish() {
	if [ -n "$lab_pid" ]; then
		kill "$lab_pid" 2>/dev/null || true
		wait "$lab_pid" 2>/dev/null || true
	fi
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }

say "1. A simulated CSM 1.4 with some 40 BOS sessions and what they left behind"
"$lab" --csm 1.4 --seed "$seed" --sessions 40 --env "$work/env" --truth "$work/truth" 2>"$work/lab.log" &
lab_pid=$!
for _ in $(seq 100); do
	[ -s "$work/env" ] && break
	kill -0 "$lab_pid" 2>/dev/null || break
	sleep 0.1
done
if [ ! -s "$work/env" ]; then
	echo "the lab did not start:" >&2
	cat "$work/lab.log" >&2
	exit 1
fi
sed '/Running until/d' "$work/lab.log"

run() { env $(cat "$work/env") "$bosgc" "$@"; }

say "2. bosgc plan: what would go and why (nothing is deleted)"
run plan >"$work/plan" 2>"$work/plan.err" || { cat "$work/plan.err" >&2; exit 1; }
head -n 10 "$work/plan"
echo "..."
tail -n 12 "$work/plan"

say "3. bosgc sweep: the same, carried out"
run sweep >"$work/sweep" 2>"$work/sweep.err" || { cat "$work/sweep.err" >&2; exit 1; }
tail -n 12 "$work/sweep"

say "4. bosgc sweep again: what only seems to have no owner is deleted once two sweeps have seen it so"
run sweep >"$work/sweep" 2>"$work/sweep.err" || { cat "$work/sweep.err" >&2; exit 1; }
tail -n 12 "$work/sweep"

say "5. bosgc restore: everything that went is in the journal"
run restore

say "6. bosgc plan once more: nothing is left to delete"
run plan -q >"$work/again" 2>"$work/again.err" || { cat "$work/again.err" >&2; exit 1; }
cat "$work/again"
if ! grep -q '^Plan .*: 0 to delete,' "$work/again"; then
	echo "the last plan still deletes something" >&2
	exit 1
fi

say "Done. Every object that is kept has its reason: see docs/policy.md."
