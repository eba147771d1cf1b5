#pragma once
/// Events, error codes and descriptors in words. Intel SDM vol. 3, chapters 3 and 6.

#include <cstdint>
#include <span>
#include <string>

#include "accel/fault_record.h"

namespace machina {

/// "#PF", "NMI", "interrupt 0x20", "INT 0x80", "exception 0x1e".
std::string event_name(const FaultRecord& event);
/// What its error code says: "page not present, supervisor read", "vector 0x08 of the IDT", "selector 0x28 of the GDT".
/// Empty for one without an error code, and for 0 where that means nothing.
std::string describe_error_code(const FaultRecord& event);
/// "IDT entry 0x0e at 0x20e0: 0000000000000000: not a gate", or why it could not be read. `long_mode`: EFER.LMA.
std::string describe_table_read(const TableRead& read, bool long_mode);
/// The whole of an event in a line, for logs: "#PF error code 0x2 (…) CR2=0x40000000 at 0008:10000 CPL 0 RSP=0x80000".
std::string describe_event(const FaultRecord& event);
/// The chain, a numbered event after the other with what was read for it: lines that end in a newline each.
std::string describe_chain(std::span<const FaultRecord> chain, bool long_mode);

}  // namespace machina
