#pragma once
/// Raw mode of the one terminal that the process was started from, undone whatever ends the process.

namespace machina::raw_terminal {

/// Puts `fd` into raw mode: no echo, no line editing, Ctrl-S and Ctrl-Q are bytes; output is still processed, so that
/// messages of the program look right. With `signals`, Ctrl-C, Ctrl-\ and Ctrl-Z keep their meaning. A process in the
/// background is left alone, since changing the terminal would stop it. Throws Error when another terminal is raw.
void enter(int fd, bool signals);
/// Again, after the process was stopped and continued.
void reenter();
/// As it was before enter(). Also runs at exit and on fatal signals. Async-signal-safe.
void leave();

}  // namespace machina::raw_terminal
