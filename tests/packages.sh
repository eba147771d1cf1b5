# shellcheck shell=bash
# Debian's packages unpacked, not installed: no root is needed, and the host's apt keeps its state. Lists, architectures
# and cache are private ones below $out, and only the host's sources and keys are used. Sourced, with `out` set to an
# absolute path. Exits with status 77 where packages cannot be had, and the last line says why.

for tool in apt-get dpkg-deb python3; do
  command -v $tool > /dev/null || { echo "there is no $tool, so Debian's packages cannot be unpacked"; exit 77; }
done
mkdir -p "${out:?}/debs"

apt=$out/apt
options=(-q -o APT::Architecture=amd64 -o "APT::Architectures=amd64,i386" -o Dir::State="$apt" -o Dir::Cache="$apt/cache"
  -o Dir::State::Lists="$apt/lists" -o Dir::State::status=/dev/null -o APT::Sandbox::User= -o Acquire::Languages=none
  -o Acquire::Retries=3)

# package NAME ARCHITECTURE: fetches it, once, into OUT/debs; its path is in $deb afterwards
package() {
  deb=$(find "$out/debs" -name "$1_*_$2.deb" -o -name "$1_*_all.deb" | sort | tail -n 1)
  [ -z "$deb" ] || return 0
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  if [ ! -e "$apt/updated" ]; then
    # A source without this architecture, or a mirror in the middle of its own update, is no reason to stop here.
    apt-get "${options[@]}" update > "$apt/log" 2>&1 || true
    touch "$apt/updated"
  fi
  if ! (cd "$out/debs" && apt-get "${options[@]}" download "$1:$2") >> "$apt/log" 2>&1; then
    rm -f "$apt/updated"  # its lists may be what is wrong
    cat "$apt/log"
    echo "package $1:$2 cannot be fetched: $(grep -m1 '^E:' "$apt/log" || tail -n 1 "$apt/log")"
    exit 77
  fi
  deb=$(find "$out/debs" -name "$1_*_$2.deb" -o -name "$1_*_all.deb" | sort | tail -n 1)
}
