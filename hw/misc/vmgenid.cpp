#include "hw/misc/vmgenid.h"

#include "core/trace/trace_event.h"
#include "qom/find.h"

namespace machina {

namespace {

const TraceEvent<std::uint64_t> vmgenid_placed{"vmgenid_placed", "addr={:#x}"};
const TraceEvent<std::uint64_t> vmgenid_changed{"vmgenid_changed", "addr={:#x}"};

constexpr const char* kAuto = "auto";

Uuid parse_guid(const std::string& text) { return text == kAuto ? random_uuid() : parse_uuid(text); }

aml::Code generation_device() {
  using namespace aml;
  // Drivers look for the compatible ID; the hardware ID is the maker's to choose.
  constexpr const char* kHardwareId = "MACH0001";
  constexpr unsigned kDWordPrefix = 0x0c, kPresent = 0x0f;
  Code unknown;  // four bytes, whatever the value is
  unknown.u8(kDWordPrefix).u32(0);
  return device(
      "VGEN",
      {name("_HID", string(kHardwareId)), name("_CID", string("VM_Gen_Counter")),
       name("_DDN", string("VM_Gen_Counter")), name("VGIA", unknown),
       method("_STA", 0, Serialize::No,
              {if_true(equal(path("VGIA"), integer(0)), {return_value(integer(0))}), return_value(integer(kPresent))}),
       // The address of the ID, its low and its high half.
       method(
           "ADDR", 0, Serialize::No,
           {store(package({integer(0), integer(0)}), local(0)),
            add(path("VGIA"), integer(VmGenId::kGuidOffset), index(local(0), integer(0))), return_value(local(0))})});
}

}  // namespace

void VmGenId::class_init(DeviceClass& c) {
  c.description = "Virtual machine generation ID";
  c.category = Category::Misc;

  qom::Property guid;
  guid.name = "guid";
  guid.type = "str";
  guid.kind = qom::PropertyKind::String;
  guid.default_value = kAuto;
  guid.description = "the ID, or auto for a random one; a change while the machine runs is told to the guest";
  guid.live = true;
  guid.get = [](const qom::Object& o) -> qom::Value { return format_uuid(static_cast<const VmGenId&>(o).guid_); };
  guid.set = [](qom::Object& o, const qom::Value& v) {
    static_cast<VmGenId&>(o).set_guid(parse_guid(std::get<std::string>(v.get())));
  };
  guid.check = [](const qom::Value& v) { parse_guid(std::get<std::string>(v.get())); };
  c.custom(std::move(guid));
  c.link("events", &VmGenId::events_).doc("who tells the guest of a new ID; none: the machine's power management");
}

void VmGenId::realize() {
  unsigned all = 0;
  qom::for_each<VmGenId>(root(), [&](VmGenId&) { ++all; });
  if (all > 1) throw Error("a machine has one generation ID").hint("leave out all but one -device vmgenid");
  events_found_ = events_ ? &*events_ : qom::first_of<AcpiEvents>(root());
  if (!events_found_)
    throw Error("nobody can tell the guest of a generation ID").why("the board has no ACPI general-purpose events");
}

void VmGenId::set_guid(const Uuid& guid) {
  guid_ = guid;
  if (!realized() || state_.address == 0) return;
  vmgenid_changed(state_.address);
  dma().write(state_.address, guid_bytes(guid_));
  events_found_->raise_gpe(kGenerationEvent);
}

void VmGenId::placed(std::uint64_t address) {
  vmgenid_placed(address);
  state_.address = address;
  // What firmware has copied there is the ID of when it read the file.
  if (address != 0) dma().write(address, guid_bytes(guid_));
}

void VmGenId::acpi_facts(AcpiBoard& board) {
  std::vector<std::uint8_t> page(kPage);
  const Uuid bytes = guid_bytes(guid_);
  std::copy(bytes.begin(), bytes.end(), page.begin() + kGuidOffset);
  board.guest_blocks.push_back({kGuidFile, std::move(page), kPage, "VGIA", kAddressFile, kGuidOffset,
                                [this](std::uint64_t address) { placed(address); }});
  board.on_event(kGenerationEvent, {aml::notify("\\_SB.VGEN", aml::integer(0x80))});
}

aml::Terms VmGenId::acpi_objects(AcpiBoard&) { return {generation_device()}; }

MACHINA_TYPE(VmGenId, Device, AcpiContributor);

}  // namespace machina
