# Installs Debian packages without starting the services they bring.
# invoke-rc.d asks policy-rc.d whether a service may be started; 101 is no.
set -eu
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt="apt-get -qq -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0"
# The lists may be absent (containers) or too old to fetch from: refresh them only then.
$apt install --no-install-recommends "$@" || { $apt update && $apt install --no-install-recommends "$@"; }
