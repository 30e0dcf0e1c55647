#!/bin/sh
# netproxy.sh HARNESS: the proxy alone, in the test internet.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
cp "$here/tests/integration/netproxy.yaml" "$dir/policy.yaml"
harness=$1
shift
NETPROXY_EVENTS=$dir/events.json NETPROXY_POLICY=$dir/policy.yaml \
"$here/script/testnet" --add banner.example.test -- "$harness" \
	--policy "$dir/policy.yaml" --trust /etc/ssl/certs/ca-certificates.crt \
	--servers 127.0.0.53 --ca "$dir/ca.pem" --events "$dir/events.json" \
	--user ${NETPROXY_USER:-65534} -- /usr/bin/python3 "$here/tests/integration/netproxy.py" "$@"
