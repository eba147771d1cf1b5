#pragma once
/// Media of removable drives: opened and exchanged while the machine runs. Main thread, machine lock held.

#include "core/block/block_backend.h"
#include "core/block/removable_media.h"

namespace machina {

/// The backend of an image that is about to be put into a drive: realized, in no tree yet. Throws Error when it cannot
/// be opened.
qom::Ref<BlockBackend> open_medium(EventLoop& loop, const std::string& filename, const std::string& format,
                                   bool read_only);

/// What `slot` holds goes out, once its requests are done, and is closed; `next`, which may be null, goes in and
/// becomes /blockdevs/`name` of the tree that `drive` is in.
void exchange_medium(qom::Object& drive, qom::Link<BlockBackend>& slot, const std::string& name,
                     qom::Ref<BlockBackend> next);

}  // namespace machina
