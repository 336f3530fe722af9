/// The reply of one statement on its way from a link to the client.
///
/// Bodies pass through as they come; packets that carry state are looked at, and
/// OK packets are rewritten where they say what this client did not ask for (the
/// trackers that Sluice itself switches on). The packet that ends the reply is
/// held back until the session has drawn its conclusions: the client may send
/// its next command the moment it sees it.
///
/// The state exchanges that go ahead of a statement in the same write report here
/// too (`sync_tag`); if one fails, what follows is dropped.
///
/// Drive it: `begin`, then sends on the link with this as their sink, then
/// `co_await wait(link)`, then `finish()` or `discard()`.
/// Thread: its worker's.
#pragma once

#include <optional>

#include "protocol/session_track.hpp"
#include "proxy/link.hpp"
#include "routing/gtid.hpp"

namespace sluice::proxy {

/// What the reply said about the session, for its bookkeeping.
struct ReplySummary {
  bool failed = false;           ///< an ERR ended it
  std::uint16_t error_code = 0;  ///< of that ERR
  std::uint16_t status = 0;      ///< the last status bits; meaningless if `failed`
  bool trackers_heard = false;   ///< the last packet was one that carries trackers
  bool state_learned = false;    ///< a tracker spoke of schema or variables
  bool state_changed = false;    ///< the state-change tracker said 1
  bool one_shot_set = false;     ///< a variable that cannot be replayed was set
  bool cursor_open = false;
  std::uint64_t last_insert_id = 0;
  std::uint64_t rows = 0;  ///< of the last result
  std::uint16_t warnings = 0;
  std::uint64_t bytes = 0;  ///< of the whole reply, as the backend sent it
  routing::GtidSet gtid;    ///< what it committed, as far as trackers tell
};

enum class RelayEnd : std::uint8_t {
  complete,     ///< all of it is here; the final packet is held back
  sync_failed,  ///< a state exchange ahead of it was refused; `sync_error()` has the ERR
  refused,      ///< what had to go ahead of it, by itself, was refused; nothing was sent
  lost,         ///< the link was lost before a byte of it reached the client
  moved,        ///< it had to leave a shared link, before a byte reached the client
  cut,          ///< the link was lost when a part had reached the client
  client_gone,  ///< the client does not take it
};

class Relay final : public ReplySink {
 public:
  /// Main exchange; anything else is a state exchange ahead of it.
  static constexpr ExchangeTag main_tag = 0;
  static constexpr ExchangeTag sync_tag = 1;

  Relay(PacketStream& client, std::size_t buffer_limit);

  /// Forgets the last reply. `capabilities` are the client's, `flavour` the
  /// backend's (its GTIDs are read in it).
  void begin(protocol::Capabilities capabilities, routing::Flavour flavour);
  /// The exchange will be one of several sessions' on `link`: the reply is kept whole
  /// until it ends, or takes more than the buffer and the link is left to it alone.
  void share(Link& link) noexcept { shared_link_ = &link; }
  /// Ends the wait as if the link were lost: a KILL, or the session's end.
  void cut_off();
  /// How many state exchanges have been queued ahead of the main one.
  void expect_syncs(unsigned count) noexcept { syncs_left_ = count; }
  /// Waits for the reply, passing on what does not fit the buffer.
  Task<RelayEnd> wait(std::shared_ptr<Link> link);
  /// `wait` would return at once, or has something to do first. `event` tells of it.
  [[nodiscard]] bool over() const noexcept {
    return ended_ || lost_ || infile_ || saturated() || !sync_error_.empty();
  }
  /// The whole reply is here, and none of it has been sent: finish_now will do.
  [[nodiscard]] bool whole() const noexcept { return ended_ && !lost_ && !flushed_; }
  [[nodiscard]] Event& event() noexcept { return event_; }
  /// Waits for the state exchanges alone (ahead of a write).
  Task<RelayEnd> wait_sync();
  /// Adds the final packet and sends all that is left.
  Task<error_code> finish();
  /// The same without waiting: false if the client does not take all of it at once;
  /// then finish() sends the rest.
  [[nodiscard]] bool finish_now(error_code& error);
  /// Throws away what has not been sent.
  void discard();

  [[nodiscard]] const ReplySummary& summary() const noexcept { return summary_; }
  /// The refused state exchange's ERR payload.
  [[nodiscard]] const protocol::Buffer& sync_error() const noexcept { return sync_error_; }
  [[nodiscard]] bool reached_client() const noexcept { return flushed_; }
  /// The reply so far is a lone ERR packet, held back.
  [[nodiscard]] bool lone_error() const noexcept {
    return summary_.failed && !flushed_ && out_.empty();
  }
  /// The held-back PREPARE_OK's fields; its id is replaced by `client_id`.
  void expect_prepare(std::uint32_t client_id) { prepare_id_ = client_id; }
  [[nodiscard]] const std::optional<protocol::PrepareOk>& prepared() const noexcept {
    return prepared_;
  }

  /// True between `wait` returning for a file and the file's end.
  [[nodiscard]] bool wants_infile() const noexcept { return infile_; }

  /// Bits of the session's own trackers as the client may hear of them.
  [[nodiscard]] static bool audible(const protocol::TrackEntry& entry) noexcept;

 private:
  void on_bytes(ExchangeTag tag, protocol::Bytes bytes) override;
  void on_packet(ExchangeTag tag, protocol::ResponseTracker::Packet kind, protocol::Bytes packet,
                 const protocol::OkPacket* ok, bool last) override;
  void on_infile(ExchangeTag tag, protocol::Bytes packet) override;
  void on_end(ExchangeTag tag, const protocol::ResponseTracker& tracker, error_code error) override;
  [[nodiscard]] bool saturated() const noexcept override {
    return out_.size() >= limit_ && !sharing();
  }
  [[nodiscard]] bool sharing() const noexcept {
    return shared_link_ != nullptr && shared_link_->shared;
  }

  void take_sync(protocol::ResponseTracker::Packet kind, protocol::Bytes packet);
  void take_ok(protocol::Bytes packet, const protocol::OkPacket& ok, protocol::Buffer& to);
  void listen(const protocol::OkPacket& ok);
  Task<error_code> pass_on();
  Task<error_code> send_file(std::shared_ptr<Link> link);

  PacketStream& client_;
  std::size_t limit_;
  Event event_;
  protocol::Capabilities capabilities_ = 0;
  routing::Flavour flavour_ = routing::Flavour::mysql;
  ReplySummary summary_;
  protocol::Buffer out_;      // passed on when full, or at the end
  protocol::Buffer sending_;  // on its way to the client
  protocol::Buffer final_;    // the packet that ends the reply, held back
  protocol::Buffer filtered_;
  protocol::Buffer sync_error_;
  std::optional<protocol::PrepareOk> prepared_;
  std::uint32_t prepare_id_ = 0;
  Link* shared_link_ = nullptr;
  unsigned syncs_left_ = 0;
  bool ended_ = false;
  bool lost_ = false;
  bool moved_ = false;
  bool flushed_ = false;
  bool infile_ = false;
};

}  // namespace sluice::proxy
