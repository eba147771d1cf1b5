#pragma once
/// Names of threads, as `ps -L`, top and debuggers show them.

#include <string_view>
#include <thread>

namespace machina {

/// Whether threads get names of their own (-name debug-threads=): they do unless this says otherwise. Those that have
/// one keep it. The names are the process's, so this is too. Any thread.
void set_thread_names(bool on);

/// Names a thread that runs, or leaves it the name of the thread that started it. Linux keeps 15 bytes.
void name_thread(std::thread& thread, std::string_view name);
/// As name_thread(), of the thread that calls it; cheaper.
void name_this_thread(std::string_view name);

}  // namespace machina
