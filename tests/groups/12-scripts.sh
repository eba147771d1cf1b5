# the scripts themselves: quickstart, the GRUB disk, package installation, the counting of results
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# script NAME: standard input becomes the executable file NAME
script() {
  cat > "$scratch/$1"
  chmod +x "$scratch/$1"
}

# quickstart_with PROGRAM STATUS TEXT: quickstart that starts PROGRAM ends so, and says TEXT
quickstart_with() {
  local status=0
  QUICKSTART_LIMIT=3 QUICKSTART_MACHINE_RUN=$scratch/$1 timeout -s KILL 60 ./quickstart --check > "$scratch/out" 2>&1 < /dev/null ||
    status=$?
  cat "$scratch/out"
  [ "$status" -eq "$2" ] && grep -qF -- "$3" "$scratch/out" && ! pgrep -f "$scratch/$1"
}

script shell << 'SH'
#!/bin/sh
# cursor movements inside the prompt, as a shell on a terminal makes them
echo "arguments: $*"; printf '\033[6ngue\033[0mst# '; read -r typed; echo "typed: $typed"
SH
script endless << 'SH'
#!/bin/sh
printf 'guest# '; exec sleep 60
SH
script stubborn << 'SH'
#!/bin/bash
trap '' TERM; while :; do sleep 1; done
SH
script dying << 'SH'
#!/bin/sh
exit 3
SH
script failing << 'SH'
#!/bin/sh
printf 'guest# '; read -r typed; exit 4
SH
check "quickstart sees the shell and the end" quickstart_with shell 0 "and the machine is off"
check "quickstart types exit" quickstart_with shell 0 "typed: exit"
check "quickstart starts the machine it promises" quickstart_with shell 0 \
  "arguments: -M pc -cpu host -m 512M -smp 2 -kernel build/linux/cloud.vmlinuz -initrd build/linux/cloud.shell.cpio.gz"
check "quickstart gives up at its limit and kills" quickstart_with stubborn 1 "no shell within 3 s"
check "quickstart waits for the power-off" quickstart_with endless 1 "did not power off within 3 s"
check "quickstart reports a program that ends" quickstart_with dying 1 "ended with status 3 before the shell"
check "quickstart reports a program that fails" quickstart_with failing 1 "ended with status 4"

disk_is_reproducible() {
  tests/guest/disk/make-grub-disk "$scratch/a.img" && sleep 2.1 && tests/guest/disk/make-grub-disk "$scratch/b.img" &&
    cmp "$scratch/a.img" "$scratch/b.img"
}
floppy_has_parts() {
  tests/guest/disk/make-grub-disk --floppy "$scratch/floppy.img" &&
    [ "$(stat -c %s "$scratch/floppy.img")" -eq $((1440 << 10)) ] &&
    [ "$(od -An -tx1 -j510 -N2 "$scratch/floppy.img" | tr -d ' ')" = 55aa ] &&
    mtype -i "$scratch/floppy.img" ::/grub/grub.cfg | grep -q 'Machina test disk'
}
disk_has_parts() {
  local size
  size=$(stat -c %s "$scratch/a.img")
  [ "$size" -le $((8 << 20)) ] &&
    [ "$(od -An -tx1 -j510 -N2 "$scratch/a.img" | tr -d ' ')" = 55aa ] &&
    cmp -n 440 "$scratch/a.img" /usr/lib/grub/i386-pc/boot.img &&
    mtype -i "$scratch/a.img@@1M" ::/grub/grub.cfg | grep -q 'Machina test disk' &&
    mcopy -i "$scratch/a.img@@1M" ::/grub/i386-pc/normal.mod "$scratch/normal.mod" &&
    cmp "$scratch/normal.mod" /usr/lib/grub/i386-pc/normal.mod
}
check "equal input makes an equal disk" disk_is_reproducible
check "the disk has a boot sector and GRUB's modules" disk_has_parts

# A machine on which nothing is installed, for root and for others.
script dpkg-query <<< '#!/bin/sh
exit 1'
script apt-get <<< "#!/bin/sh
echo \"\$*\" >> $scratch/apt-calls"
script id <<< '#!/bin/sh
echo "$FAKE_UID"'
install_as() { env PATH="$scratch:$PATH" FAKE_UID="$1" bash -euo pipefail -c '. tests/lib.sh; install_packages run disk' 2>&1; }
asks_for_root() {
  local said
  ! said=$(install_as 1000) && [ ! -e "$scratch/apt-calls" ] && echo "$said" &&
    [[ $said == *"sudo apt-get install --no-install-recommends libvncserver1 seabios ipxe-qemu grub-common grub-pc-bin mtools xorriso"* ]]
}
installs_as_root() {
  install_as 0 && cat "$scratch/apt-calls" &&
    grep -q -- '-y install --no-install-recommends libvncserver1 seabios ipxe-qemu grub-common grub-pc-bin mtools xorriso$' "$scratch/apt-calls"
}
check "missing packages: not root is told the command" asks_for_root
check "missing packages: root installs them" installs_as_root

cat > "$scratch/junit.xml" << 'XML'
<testsuite>
<testcase name="A.Good" status="run"><system-out>[       OK ] A.Good</system-out></testcase>
<testcase name="A.Skip" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/><system-out>[ RUN      ] A.Skip
/x/y_test.cpp:5: Skipped
no peer
on this host
[  SKIPPED ] A.Skip (0 ms)</system-out></testcase>
<testcase name="A.Bad" status="fail"><failure message=""/><system-out>[ RUN      ] A.Bad
/x/y_test.cpp:6: Failure
Expected: 1
[  FAILED  ] A.Bad (0 ms)</system-out></testcase>
<testcase name="A.Crash" status="fail" time="3"><failure message=""/><system-out>[ RUN      ] A.Crash</system-out></testcase>
</testsuite>
XML
counts_results() {
  python3 tests/junit_results.py g "$scratch/junit.xml" > "$scratch/counted" && diff "$scratch/counted" - << TEXT
pass	g	A.Good	
skip	g	A.Skip	no peer on this host
fail	g	A.Bad	Expected: 1
fail	g	A.Crash	crashed, or killed at its time limit, after 3.0 s
TEXT
}
check "results are counted with their reasons" counts_results
