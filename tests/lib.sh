# shellcheck shell=bash
# Shared by quickstart and tests/run. Sourced, with `set -euo pipefail` on and the root of the tree as working directory.

say() { printf '\n==> %s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# packages KIND...: the Debian packages of these kinds, from the table in docs/dependencies.md
packages() {
  local kinds
  kinds=$(IFS='|'; echo "$*")
  sed -nE "s/^\| \`([^\`]+)\` \| ($kinds) \|.*/\1/p" docs/dependencies.md
}

# install_packages KIND...: installs what is missing; without root it says which command does
install_packages() {
  local missing=() package
  if ! command -v dpkg-query > /dev/null; then
    echo "This is not Debian: install what docs/dependencies.md lists if the build asks for it."
    return
  fi
  for package in $(packages "$@"); do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2> /dev/null || true)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    printf 'Debian packages are missing and only root can install them. Run this, then %s again:\n\n' "$0" >&2
    printf '  sudo apt-get install --no-install-recommends %s\n\n' "${missing[*]}" >&2
    exit 1
  fi
  say "Installing Debian packages: ${missing[*]}"
  apt-get -q update
  DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "${missing[@]}"
}

# build PRESET [TARGET...]: configures and builds, everything or these targets
build() {
  local preset=$1
  shift
  say "Building $preset${*:+: $*}"
  # ccache, where it is installed, then knows a file again in another checkout.
  export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
  cmake --preset "$preset" > "/tmp/machina-configure.$$" 2>&1 || {
    cat "/tmp/machina-configure.$$"
    rm -f "/tmp/machina-configure.$$"
    return 1
  }
  rm -f "/tmp/machina-configure.$$"
  cmake --build --preset "$preset" --parallel "$(nproc)" ${1:+--target "$@"}
}

# kvm_problem: prints why /dev/kvm cannot be used and what to do; prints nothing when it can
kvm_problem() {
  if [ ! -e /dev/kvm ]; then
    echo "there is no /dev/kvm: load kvm_intel or kvm_amd (modprobe), switch virtualization on in the firmware set-up," \
      "or, inside a container, pass the device in (--device /dev/kvm)"
  elif [ ! -r /dev/kvm ] || [ ! -w /dev/kvm ]; then
    echo "/dev/kvm may not be opened by $(id -un): join its group (sudo usermod -aG kvm $(id -un), then log in again)"
  fi
}
