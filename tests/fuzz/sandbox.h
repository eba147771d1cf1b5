#pragma once

namespace machina::fuzz {

/// From now on this process cannot create, write or move files under names, open connections, wait for them, or start
/// programs, as far as it is Machina that asks: the calls end with EACCES. For targets whose inputs may say so. What
/// libFuzzer writes stays possible: it does not open its files close-on-exec, as everything of ours does. Throws Error
/// where the kernel has no seccomp filters.
void enter_sandbox();

}  // namespace machina::fuzz
