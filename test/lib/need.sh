#!/bin/sh
# need.sh PACKAGE... - install the Debian packages that are missing, or name them.
set -eu
missing=
for package; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
as_root=
if [ "$(id -u)" -ne 0 ]; then
	if sudo -n true 2>/dev/null; then
		# sudo does not hand the environment on.
		as_root='sudo -n env DEBIAN_FRONTEND=noninteractive'
	else
		echo "These packages are missing; please run: apt-get install$missing" >&2
		exit 1
	fi
fi
echo "installing:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # the lists are words on purpose
$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 || {
	$as_root apt-get update -qq >&2
	$as_root apt-get install -y -qq --no-install-recommends $missing >&2
}
# Where an init system runs, these packages start a service; no test and no demo uses it.
for package in redis-server clickhouse-server; do
	case " $missing " in
	*" $package "*)
		if [ -d /run/systemd/system ]; then
			echo "note: $package started a service of its own; nothing here needs it" \
			    "(systemctl disable --now $package)" >&2
		fi
		;;
	esac
done
