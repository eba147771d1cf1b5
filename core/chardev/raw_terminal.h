#pragma once
/// Raw mode of the one terminal that the process was started from, undone whatever ends the process.

#include <string_view>

namespace machina::raw_terminal {

/// Puts `fd` into raw mode: no echo, no line editing, Ctrl-S and Ctrl-Q are bytes; output is still processed, so that
/// messages of the program look right. With `signals`, Ctrl-C, Ctrl-\ and Ctrl-Z keep their meaning. A process in the
/// background is left alone, since changing the terminal would stop it. Throws Error when another terminal is raw.
void enter(int fd, bool signals);
/// Again, after the process was stopped and continued.
void reenter();
/// Bytes that leave() writes to `fd` after it has restored the terminal, once: what undoes an alternate screen. At most
/// 64. After enter().
void write_when_leaving(int fd, std::string_view bytes);
/// As it was before enter(). Also runs at exit and on fatal signals. Async-signal-safe.
void leave();

}  // namespace machina::raw_terminal
