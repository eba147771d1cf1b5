#pragma once
/// A network backend: the host's end of a network card's cable. Created by -netdev or -nic, an object under /netdevs,
/// one card at a time.
///
/// Ethernet frames go in both directions, from the destination address on and without the frame check sequence. A frame
/// may be shorter than Ethernet's 60 bytes: what a host hands over is not padded.
///
/// Main thread or under the machine lock. Nothing waits and nothing grows: what the host does not take at once is
/// lost, as on a wire; what the card does not take waits in a queue of kQueueFrames frames and kQueueBytes bytes, and
/// what comes when that is full is lost. Frames are not delivered while the machine stands.

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/clock.h"
#include "qom/object.h"

namespace machina {

class EventLoop;

using FrameView = std::span<const std::uint8_t>;

/// The card's side.
class NetClient {
 public:
  virtual ~NetClient() = default;
  /// Whether there is room for a frame. A receiver that is switched off has: it does not hear what it is given. When
  /// the answer becomes true again, the card calls resume_input().
  virtual bool can_receive() = 0;
  /// Never from inside a call that the card makes to the backend.
  virtual void receive(FrameView frame) = 0;
  virtual void link_changed(bool /*up*/) {}
};

/// Sees all frames of both directions: a dump.
class NetMonitor {
 public:
  virtual ~NetMonitor() = default;
  virtual void seen(FrameView frame) = 0;
};

class NetBackend : public qom::Object {
 public:
  static constexpr const char* kType = "netdev";
  static void class_init(qom::ObjectClass& c);

  static constexpr std::size_t kMinFrame = 14;         ///< two addresses and the type
  static constexpr std::size_t kMaxFrame = 64 * 1024;  ///< of a peer whose segments nobody has cut
  static constexpr std::size_t kQueueFrames = 256;
  static constexpr std::size_t kQueueBytes = 1024 * 1024;

  ~NetBackend() override;

  /// Null detaches, and forgets what waits. Throws Error when another card is attached.
  void attach(NetClient* client);
  NetClient* client() const { return client_; }

  /// A frame of the guest, of kMinFrame to kMaxFrame bytes; another is lost.
  void send(FrameView frame);
  /// The card has room again. Frames that wait are delivered soon, not from inside this call.
  void resume_input();

  bool link_up() const { return link_; }
  /// Plugs the cable in or out.
  void set_link(bool up);

  void add_monitor(NetMonitor& monitor) { monitors_.push_back(&monitor); }
  void remove_monitor(NetMonitor& monitor) { std::erase(monitors_, &monitor); }

  /// "user,net=10.0.2.0/24": for the monitor.
  virtual std::string description() const = 0;
  /// A table of its connections, for people; empty where there are none to tell of.
  virtual std::string connections() const { return {}; }

  struct Statistics {
    std::uint64_t sent = 0, delivered = 0, lost = 0;  ///< frames
  };
  const Statistics& statistics() const { return statistics_; }

  /// What the backend watches its descriptors with, and the machine's virtual clock; before realize.
  void set_host(EventLoop& loop, Clock& clock) { loop_ = &loop, clock_ = &clock; }
  Clock& clock() const { return *clock_; }
  EventLoop& loop() const { return *loop_; }

 protected:
  /// A backend calls these first in its own realize(), and last in its own unrealize().
  void realize() override;
  void unrealize() override;

  /// A frame for the host. Answers that it causes at once may be delivered from inside: they wait in the queue.
  virtual void transmit(FrameView frame) = 0;
  /// A frame for the card.
  void deliver(FrameView frame);
  /// The card takes no more, or not yet: a backend that can leave frames with the host does so until input_possible().
  bool input_blocked() const { return !queue_.empty(); }
  virtual void input_possible() {}

 private:
  bool client_takes() const;
  void flush_soon();
  void flush();

  // dependencies
  EventLoop* loop_ = nullptr;
  Clock* clock_ = nullptr;
  NetClient* client_ = nullptr;
  std::vector<NetMonitor*> monitors_;
  // bookkeeping
  std::deque<std::vector<std::uint8_t>> queue_;
  std::size_t queued_bytes_ = 0;
  std::unique_ptr<Timer> flush_timer_;
  bool sending_ = false;
  bool delivering_ = false;
  bool link_ = true;
  Statistics statistics_;
};

}  // namespace machina
