# Installs Debian packages without starting their services.
# invoke-rc.d runs policy-rc.d to decide whether a service may start; 101 forbids it.
set -eu
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt="apt-get -qq -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0"
# The package lists may be missing (containers) or outdated: refresh them only then.
$apt install --no-install-recommends "$@" || { $apt update && $apt install --no-install-recommends "$@"; }
