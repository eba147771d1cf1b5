#include "machines/cli/option_table.h"

#include <fmt/format.h>

namespace machina {

namespace {

constexpr const char* kMachine = "The machine";
constexpr const char* kDisks = "Disks";
constexpr const char* kNetwork = "Networks";
constexpr const char* kConsole = "Display, serial lines, monitors";
constexpr const char* kObjects = "Objects and configuration";
constexpr const char* kRun = "Running and debugging";
constexpr const char* kHelp = "Help";

}  // namespace

const std::vector<OptionSpec>& option_table() {
  static const std::vector<OptionSpec> table = {
      {"M", "BOARD[,option=value…]", "board: a name, an alias or a YAML file; 'help' lists them (default: pc)",
       kMachine},
      {"machine", "BOARD[,option=value…]", "the same", kMachine},
      {"cpu", "MODEL[,+feature,-feature…]", "CPU model; 'help' lists them", kMachine},
      {"m", "[size=]SIZE", "guest memory, in MiB without a suffix: 512, 2G, 1T", kMachine},
      {"smp", "[cpus=]N[,maxcpus=N][,sockets=N][,cores=N][,threads=N]", "number of CPUs and how they are packed",
       kMachine},
      {"accel", "NAME[:NAME…][,property=value…]", "accelerator, in order of preference; 'help' lists them", kMachine},
      {"enable-kvm", nullptr, "the same as -accel kvm", kMachine},
      {"bios", "FILE", "firmware image", kMachine},
      {"kernel", "FILE", "starts this kernel: a Linux bzImage, an ELF file with a PVH note, a multiboot image",
       kMachine},
      {"initrd", "FILE", "its initial RAM disk; of a multiboot kernel 'FILE ARGUMENTS,FILE ARGUMENTS': its modules",
       kMachine},
      {"append", "TEXT", "its command line", kMachine},
      {"name", "NAME[,process=NAME][,debug-threads=on|off]",
       "name of the machine and of the process; whether threads have names (default: on)", kMachine},
      {"watchdog", "i6300esb|ib700", "the same as -device", kMachine},
      {"no-hpet", nullptr, "the same as -M BOARD,hpet=off", kMachine},
      {"uuid", "UUID", "system UUID that the firmware sees", kMachine},
      {"rtc", "[base=utc|localtime|DATE][,clock=host|vm][,driftfix=slew|none]",
       "date that the real-time clock starts with, and what it ticks by", kMachine},
      {"boot", "[order=]LETTERS[,once=LETTERS][,menu=on|off][,splash-time=MS][,strict=on|off]",
       "boot order: c disk, d CD-ROM, a floppy, n network", kMachine},
      {"numa", "node[,nodeid=N][,cpus=FIRST[-LAST]][,mem=SIZE]", "CPUs and memory that are close to each other",
       kMachine},
      {"acpitable", "[file=]FILE | sig=NAME,data=FILE[,rev=N][,oem_id=…]", "adds an ACPI table", kMachine},
      {"smbios", "type=N,field=value… | file=FILE | entry-point=32|64", "what SMBIOS tells of the machine", kMachine},

      {"drive",
       "file=FILE,format=raw[,media=disk|cdrom][,if=ide|floppy|none][,index=N][,id=ID][,readonly=on][,cache=MODE]",
       "a disk image and the drive that shows it", kDisks},
      {"fda", "FILE", "raw image of the disk in floppy drive A", kDisks},
      {"fdb", "FILE", "in drive B", kDisks},
      {"hda", "FILE", "raw disk image as first IDE disk", kDisks},
      {"hdb", "FILE", "as second", kDisks},
      {"hdc", "FILE", "as third", kDisks},
      {"hdd", "FILE", "as fourth", kDisks},
      {"cdrom", "FILE", "disc in the CD drive, which is the third IDE drive", kDisks},
      {"snapshot", nullptr, "writes to all disks are forgotten at the end", kDisks},

      {"netdev", "user|tap|socket,id=ID[,option…]", "a network backend, for a card of -device; 'help' lists them",
       kNetwork},
      {"nic", "user|tap|socket|none[,model=TYPE][,mac=ADDRESS][,id=ID][,option…]",
       "a network card (default: e1000) and its backend; none: no card by default", kNetwork},
      {"net", "none", "the same as -nic none", kNetwork},

      {"display", "none|text|vnc=HOST:D[,option…]",
       "what shows the screen: nothing, this terminal (default where it is free), VNC; or 'help'", kConsole},
      {"vnc", "HOST:D|unix:PATH|none[,option…]", "VNC clients show the screen, beside another -display", kConsole},
      {"nographic", nullptr,
       "no display; first serial line and firmware's screen in this terminal (Ctrl-a h: its keys)", kConsole},
      {"chardev", "BACKEND,id=ID[,option…]", "a character backend; 'help' lists them", kConsole},
      {"serial", "[mon:]stdio|null|none|pty|file:PATH|unix:PATH…|tcp:HOST:PORT…|chardev:ID",
       "where a serial line goes; repeated for COM2 to COM4", kConsole},
      {"parallel", "as -serial", "what is printed on a parallel port; repeated for LPT2 and LPT3", kConsole},
      {"debugcon", "as -serial", "where the firmware's messages (port 402h) go", kConsole},
      {"monitor", "as -serial", "a human monitor", kConsole},
      {"mon", "[chardev=]ID[,mode=readline|control][,pretty=on|off][,id=ID]",
       "a monitor for people, or QMP, on a -chardev", kConsole},
      {"qmp", "as -serial", "a QMP monitor", kConsole},

      {"device", "TYPE[,property=value…]", "adds a device; 'help' lists types, TYPE,help its properties", kObjects},
      {"object", "TYPE,id=ID[,property=value…]", "makes an object that is no device; 'help' lists the types", kObjects},
      {"global", "TYPE.PROPERTY=VALUE", "changes a default of a type", kObjects},
      {"set", "GROUP.ID.KEY=VALUE", "changes a device, drive, chardev or accel that has an id", kObjects},
      {"readconfig", "FILE", "reads options from an INI file", kObjects},
      {"nodefaults", nullptr, "leaves out the devices that a board marks as default", kObjects},
      {"plugin", "FILE", "loads a shared object with more types", kObjects},
      {"L", "DIR", "directory to look for firmware and boards in first", kObjects},

      {"S", nullptr, "does not start the CPUs: 'cont' does", kRun},
      {"gdb", "tcp:HOST:PORT|unix:PATH|stdio|pty|chardev:ID|none", "gdb may connect there and debug the guest", kRun},
      {"s", nullptr, "the same as -gdb tcp:127.0.0.1:1234", kRun},
      {"no-reboot", nullptr, "ends when the guest resets", kRun},
      {"action", "[reboot=ACTION][,shutdown=ACTION][,panic=ACTION][,watchdog=ACTION]",
       "what follows when the guest resets, powers off or panics, or when a watchdog expires", kRun},
      {"watchdog-action", "ACTION", "the same as -action watchdog=ACTION", kRun},
      {"no-shutdown", nullptr, "stays when the guest powers off", kRun},
      {"qtest", "as -serial", "a qtest server, and no CPU: for tests of devices", kRun},
      {"trace", "[enable=]PATTERN | events=FILE | lifecycle [,file=FILE]",
       "shows trace events that match, or the steps in the life of the machine; 'help' lists them", kRun},
      {"d", "ITEM[,ITEM…]", "logs guest_errors, unimp, int, exit, mmu, cpu_reset, in_asm; 'help' lists them", kRun},
      {"D", "FILE", "where the log goes (default: stderr)", kRun},
      {"pidfile", "FILE", "writes the process id there", kRun},
      {"daemonize", nullptr, "goes on in the background once the machine is there", kRun},
      {"run-dir", "DIR|none", "where a machine with a -name puts the socket that machine-ctl finds it by", kRun},
      {"add-fd", "fd=N,set=N[,opaque=TEXT]", "puts an inherited descriptor into a set; /dev/fdset/N opens it", kRun},

      {"version", nullptr, "prints the version", kHelp},
      {"h", nullptr, "prints this", kHelp},
      {"help", nullptr, "prints this", kHelp},
  };
  return table;
}

const OptionSpec* find_option_spec(std::string_view name) {
  for (const OptionSpec& spec : option_table())
    if (name == spec.name) return &spec;
  return nullptr;
}

const char* instead_of_option(std::string_view name) {
  struct Foreign {
    const char* name;
    const char* instead;
  };
  static constexpr const char* kScreen =
      "screens are shown in this terminal (-display text or -nographic) or by VNC clients (-vnc)";
  static constexpr const char* kMedia = "disks are -hda FILE or -drive file=FILE,format=raw, discs -cdrom FILE";
  static constexpr Foreign kForeign[] = {
      {"curses", kScreen},  {"sdl", kScreen},
      {"spice", kScreen},   {"vga", "the display adapter is a device: -device VGA"},
      {"blockdev", kMedia},
  };
  for (const Foreign& f : kForeign)
    if (name == f.name) return f.instead;
  return nullptr;
}

std::string version_text() { return "machine-run (Machina) " MACHINA_VERSION "\n"; }

std::string help_row(const std::string& what, std::string_view explanation) {
  return what.size() <= 24 ? fmt::format("  {:<26}{}\n", what, explanation)
                           : fmt::format("  {}\n{:28}{}\n", what, "", explanation);
}

std::string help_text(const std::string& program) {
  std::string text = fmt::format(
      "usage: {0} [OPTION…] [DISK]\n"
      "       {0} board [-L DIR] check FILE… | list | schema\n\n"
      "Runs a PC composed from a board file. Example:\n"
      "  {0} -M pc -cpu host -m 2G -smp 4 -drive file=disk.img,format=raw -nographic\n",
      program);
  const char* section = nullptr;
  for (const OptionSpec& spec : option_table()) {
    if (spec.section != section) {
      section = spec.section;
      text += fmt::format("\n{}:\n", section);
    }
    text += help_row(fmt::format("-{}{}{}", spec.name, spec.argument ? " " : "", spec.argument ? spec.argument : ""),
                     spec.help);
  }
  return text;
}

}  // namespace machina
