#include "machines/cli/launch.h"

int main(int argc, char** argv) { return machina::machine_run(std::vector<std::string>(argv + 1, argv + argc)); }
