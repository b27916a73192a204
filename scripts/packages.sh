#!/bin/sh
# packages: installs what hoi is built from and runs on, by Debian's names, where it is missing.
# Further packages may be named as arguments.
set -eu

wanted="cmake gcc libc6-dev pkg-config liblua5.4-dev libcjson-dev libstb-dev ocl-icd-opencl-dev
opencl-headers libedit-dev libutf8proc-dev libcairo2-dev libchafa-dev libzip-dev
zlib1g-dev liblapacke-dev lua-argparse $*"
command -v ninja >/dev/null || wanted="$wanted make"
ls /etc/OpenCL/vendors/*.icd >/dev/null 2>&1 || wanted="$wanted pocl-opencl-icd"

command -v apt-get >/dev/null || {
    echo "packages: this is not Debian: what is missing, cmake says" >&2
    exit 0
}
missing=""
for package in $wanted; do
    dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
        missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=""
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "packages: as root, please: apt-get install$missing" >&2
        exit 1
    }
    as_root=sudo
fi
echo "packages: installing$missing"
$as_root apt-get update -qq
# shellcheck disable=SC2086 # words
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing
