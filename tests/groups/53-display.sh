# the screen: every mode of the video BIOS in screendump, VNC clients that are not ours, GRUB typed at by VNC: tests/display
need_build release machine-run guests
sector=build/release/guests/video_bios.sector
check "modes of the video BIOS" timeout -s KILL 180 python3 tests/display/bios_modes.py build/release/machine-run \
  $sector -accel jit
check "VNC session" timeout -s KILL 300 python3 tests/display/vnc_session.py build/release/machine-run $sector \
  tests/guest/disk/make-grub-disk -accel jit
