#!/bin/sh
# netproxy.sh HARNESS [CHECK...]: the proxy alone, in the test internet; then
# with a second owner of each socket, and with owners that nobody knows.
# NETPROXY_CHECKS names another file of checks (netproxy_h2).
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
harness=$1
shift

# run "HARNESS OPTIONS" [CHECK...]
run() {
	options=$1
	shift
	cp "$here/tests/integration/netproxy.yaml" "$dir/policy.yaml"
	# shellcheck disable=SC2086  # options are words
	NETPROXY_EVENTS=$dir/events.json NETPROXY_POLICY=$dir/policy.yaml \
	"$here/script/testnet" --add banner.example.test \
		--add pool.example.test --add grpc.example.test -- "$harness" \
		--policy "$dir/policy.yaml" --servers 127.0.0.53 \
		--trust /etc/ssl/certs/ca-certificates.crt --ca "$dir/ca.pem" \
		--events "$dir/events.json" --user "${NETPROXY_USER:-65534}" \
		$options -- /usr/bin/python3 \
		"$here/tests/integration/${NETPROXY_CHECKS:-netproxy}.py" "$@"
}

if [ $# -gt 0 ] || [ -n "${NETPROXY_CHECKS:-}" ]; then
	run "" "$@"
	exit
fi
run ""
run "--exe /usr/bin/curl --exe /usr/bin/python3" owners_must_all_be_allowed
run "--deny-identity" unknown_programs_are_refused
