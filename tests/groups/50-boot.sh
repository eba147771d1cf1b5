# firmware boots GRUB from a disk, and comes back from suspend to RAM, under each accelerator: tests/boot
need_build release
ctest_group release boot
