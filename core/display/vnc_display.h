#pragma once
/// `-vnc`, `-display vnc=`: the guest's screen for VNC clients, with their keyboards and mice.
///
/// It listens, and carries bytes between the clients' sockets and the RFB thread (rfb_server.h), which never waits for
/// a client that way: what a client does not read is kept here, up to kQueueLimit, and then the thread waits for up to
/// 5 seconds before that client is dropped. The screen is looked at 30 times a second of real time while there is a
/// client, and only what changed is drawn and sent.
///
/// An object of the machine's tree, found by the monitor. Main thread, under the machine lock.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/display/display.h"
#include "core/display/input_sink.h"
#include "core/display/vnc_spec.h"
#include "qom/object.h"
#include "qom/value.h"

namespace machina {

class EventLoop;

class VncDisplay final : public qom::Object {
 public:
  static constexpr const char* kType = "vnc-display";
  static constexpr std::int64_t kFrameNs = 33'000'000;
  static constexpr std::size_t kQueueLimit = std::size_t{64} << 20;  ///< bytes for one client
  static constexpr std::size_t kMaxClients = 64;

  static void class_init(qom::ObjectClass& c);
  VncDisplay();
  ~VncDisplay() override;

  struct Setup {
    EventLoop& loop;
    Clock& realtime;  ///< that `loop` drives
    VncSpec spec;
    std::string name;                        ///< of the desktop
    std::function<DisplaySource*()> source;  ///< null: there is none (now)
    std::function<InputSink*()> sink;        ///< null: nobody takes input
    /// Told of VNC_CONNECTED, VNC_INITIALIZED and VNC_DISCONNECTED with their data; may be empty.
    std::function<void(std::string_view event, qom::ValueMap data)> report;
    std::function<bool()> listens;  ///< whether the machine takes input now; may be empty: always
  };
  /// Listens. Throws Error: no such address, all ports taken, no libvncserver, no password file.
  void open(Setup setup);
  /// Drops all clients and stops listening.
  void close();

  /// Where a socket is, as people and query-vnc write it.
  struct Address {
    std::string host, service, family;  ///< "127.0.0.1", "5900", "ipv4"
  };
  const Address& address() const;
  bool asks_password() const;
  struct ClientInfo {
    Address address;
    bool initialized = false;  ///< was let in and sees the screen
  };
  /// VncBasicInfo of the monitor.
  static qom::ValueMap describe(const Address& address);
  /// VncServerInfo.
  qom::ValueMap describe() const;
  std::vector<ClientInfo> clients() const;

  /// Throws Error when clients are not asked for one. An empty one lets nobody in.
  void set_password(std::string text);
  /// From when on nobody is let in; nanoseconds since the epoch, 0: never.
  void set_password_expiry(std::int64_t epoch_ns);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace machina
