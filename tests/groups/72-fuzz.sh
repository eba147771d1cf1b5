# libFuzzer targets of every device type, of loaders and protocols, a few seconds each: tests/fuzz
need_build fuzz machina-fuzz

# Longer by hand: tests/fuzz/run TARGET SECONDS.
seconds=${MACHINA_FUZZ_SECONDS:-4}
# The same inputs each time: a find by chance would be blamed on a change that has nothing to do with it.
export MACHINA_FUZZ_SEED=${MACHINA_FUZZ_SEED:-1}
mapfile -t targets < <(build/fuzz/machina-fuzz --list | cut -f 1)
[ ${#targets[@]} -gt 0 ] || fail "fuzz targets" "the program has none"

fuzz() {
  local log=$logs/fuzz-${1//[^a-zA-Z0-9]/_}
  tests/fuzz/run "$1" "$seconds" > "$log.log" 2>&1
  echo $? > "$log.status"
}

rm -f "$logs"/fuzz-*.status
for target in "${targets[@]}"; do
  while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
  fuzz "$target" &
done
wait

for target in "${targets[@]}"; do
  log=$logs/fuzz-${target//[^a-zA-Z0-9]/_}
  if [ "$(cat "$log.status" 2> /dev/null)" = 0 ]; then
    pass "$target"
    tail -n 1 "$log.log"
  else
    cat "$log.log"
    fail "$target" "see above and $log.log"
  fi
done

# A corpus without a target is one whose target has lost its name.
for corpus in tests/fuzz/corpus/*.txt; do
  name=$(basename "$corpus" .txt)
  printf '%s\n' "${targets[@]}" | grep -qxF "$name" || fail "corpus $name" "there is no target of that name"
done
