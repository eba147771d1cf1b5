# every bench runs to its end and prints its figures
need_build release
for source in tests/bench/*_bench.cpp; do
  [ -e "$source" ] || continue
  bench=$(basename "$source" .cpp)
  check "$bench" timeout -s KILL 300 "build/release/$bench" --benchmark_min_time=0.2
  grep -v '^\*\*\*' "$logs/$group-${bench//[^a-zA-Z0-9]/_}.log"
done
