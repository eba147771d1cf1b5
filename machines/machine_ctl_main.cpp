#include "machines/ctl/machine_ctl.h"

int main(int argc, char** argv) { return machina::machine_ctl(std::vector<std::string>(argv + 1, argv + argc)); }
