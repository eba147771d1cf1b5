# every bench runs to its end and prints its figures
need_build release

# A bench says by SkipWithError() that it failed, or, with "skipped:", that a part of it cannot run here; its exit status is 0.
bench() {
  local output
  output=$(timeout -s KILL 300 "build/release/$1" --benchmark_min_time=0.2 2>&1) || { echo "$output"; return 1; }
  echo "$output"
  if grep 'ERROR OCCURRED' <<< "$output" | grep -qv "'skipped: "; then return 1; fi
  if grep -q 'ERROR OCCURRED' <<< "$output"; then
    sed -n "s/.*'skipped: \(.*\)'.*/\1/p" <<< "$output" | tail -n 1
    return 77
  fi
}

for source in tests/bench/*_bench.cpp; do
  [ -e "$source" ] || continue
  name=$(basename "$source" .cpp)
  check "$name" bench "$name"
  grep -v '^\*\*\*' "$logs/$group-${name//[^a-zA-Z0-9]/_}.log"
done
