#!/bin/sh
# The demo, inside the test internet: demo.sh ROOT BUILD [AGENTS].
# Shows each command before it runs it.
set -u
root=$1
build=$2
agents=${3:-}
cd "$root" || exit 1
PATH=$root/$build/src/main${agents:+:$agents/node_modules/.bin}:$PATH
policy=$root/examples/quickstart/policy.yaml
place=$(mktemp -d)
# Whatever happens, no sandbox and no gateway of the demo stays behind.
# shellcheck disable=SC2317  # by the trap
finish() {
	[ ! -d "$place/home/.openshell" ] ||
		HOME=$place/home openshell gateway destroy --yes >/dev/null 2>&1
	rm -rf "$place"
}
trap finish EXIT
cd "$place" || exit 1

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$(printf '\033[1m') dim=$(printf '\033[2m') off=$(printf '\033[0m')
else
	bold='' dim='' off=''
fi
failed=0
title() {
	printf '\n%s%s%s\n' "$bold" "$*" "$off"
}
# show WANTED-STATUS[,OTHER...] COMMAND...
show() {
	wanted=$1
	shift
	printf '%s$ %s%s\n' "$dim" "$(echo "$*" | sed "s|$root/||g")" "$off"
	"$@" </dev/null
	status=$?
	case ",$wanted," in
	*",$status,"*) ;;
	*)
		echo "-> exit $status, but $wanted was to be expected"
		failed=1
		;;
	esac
	echo
}

title "What this machine offers a sandbox"
show 0 openshell doctor

title "Without a policy there is no network, and the reason is said"
show 56 openshell run -- curl -sS https://api.github.com/zen

title "With one: GET passes, and nothing else"
show 0 openshell run --policy "$policy" -- curl -sS https://api.github.com/zen
show 0 openshell run --policy "$policy" -- curl -sS -X POST \
    https://api.github.com/repos/octocat/hello-world/issues -d '{"title":"oops"}'

title "Another program may not use it"
show 4 openshell run --policy "$policy" -- wget -q -O - https://api.github.com/zen

title "A program that ignores the proxy is judged the same way"
show 0 openshell run --policy "$policy" -- curl -sS --noproxy '*' https://api.github.com/zen
show 4 openshell run --policy "$policy" -- wget -q --no-proxy -O - https://api.github.com/zen
show 6 openshell run --policy "$policy" -- curl -sS --noproxy '*' https://evil.example.test/
# Reset before or after curl's connect returns.
show 7,35,56 openshell run --policy "$policy" -- curl -sS --noproxy '*' \
    --resolve evil.example.test:443:20.0.0.10 https://evil.example.test/

title "Nothing of the home directory"
echo "my secret" >"$place/../demo-secret-$$"
show 1 openshell run --quiet -- cat "$place/../demo-secret-$$"
rm -f "$place/../demo-secret-$$"

title "The verdict without running anything"
show 1 openshell policy test "$policy" --binary /usr/bin/curl DELETE https://api.github.com/repos/a/b

title "Sandboxes that stay: a gateway starts by itself, the policy changes under them"
kept=$HOME
HOME=$place/home
mkdir "$HOME"
unset XDG_CONFIG_HOME
show 56 openshell sandbox create --name demo -- curl -sS https://api.github.com/zen
show 0 openshell logs demo --since 5m --denied
show 0 openshell policy set demo --policy "$policy" --wait
show 0 openshell sandbox exec demo -- curl -sS https://api.github.com/zen
show 0 openshell gateway stop
show 0 openshell gateway start
show 0 openshell sandbox exec demo -- curl -sS https://api.github.com/zen
show 0 openshell sandbox list
show 0 openshell sandbox delete --all
show 0 openshell gateway destroy --yes
HOME=$kept

if [ -n "$agents" ]; then
	title "The real Claude Code, on this directory, with its model and nothing else"
	show 0 openshell run --policy "$root/examples/claude-code/policy.yaml" \
	    --env ANTHROPIC_API_KEY=test --env DISABLE_AUTOUPDATER=1 \
	    --env CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 \
	    --events "$place/claude.jsonl" -- claude -p "hi"
	echo "what it asked:"
	sed -n 's/.*"kind":"L7_REQUEST","action":"\([a-z]*\)".*"host":"\([^"]*\)".*"method":"\([^"]*\)","path":"\([^"]*\)".*/  \1  \3 \2\4/p' \
	    "$place/claude.jsonl"
	title "The real Codex, the same way"
	show 0 openshell run --policy "$root/examples/codex/policy.yaml" \
	    --env CODEX_API_KEY=test -- codex exec --skip-git-repo-check \
	    --dangerously-bypass-approvals-and-sandbox -c features.plugins=false \
	    -c features.apps=false -c analytics.enabled=false -c feedback.enabled=false "hi"
fi

if [ $failed = 0 ]; then
	title "All of it went as said."
else
	title "Something went otherwise: see above."
fi
exit $failed
