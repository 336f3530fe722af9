/// One authenticated backend connection with a FIFO of exchanges.
///
/// `send` queues a command and what is to become of its reply; `flush` writes all
/// that is queued with one send. The link reads by itself: it walks reply
/// boundaries, keeps its image of the connection's state up to date from the
/// trackers in OK packets, and hands bytes to the sink of the exchange they
/// belong to. Replies come in the order of the commands.
///
///   open ──► in use (sends, replies) ──► closed (by us, by the peer, by a fault)
///
/// When a link closes, every exchange that is still open ends with an error.
///
/// A link that is `shared` carries the exchanges of several sessions. If the one
/// that the backend works on turns out slow or big, `evacuate` ends those behind it
/// with `moved_elsewhere`, drops their replies when they come, and leaves the link to
/// that one.
///
/// Back-pressure: a sink that is saturated stops the reading until `resume()`;
/// a sender of much waits for `room()`.
/// Lifetime: shared between the pool, whoever uses it, and its own two loops;
/// a sink must outlive its exchanges or `abandon` them.
/// Thread: its worker's.
#pragma once

#include <boost/circular_buffer.hpp>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "protocol/backend_login.hpp"
#include "protocol/response.hpp"
#include "protocol/response_tracker.hpp"
#include "proxy/counters.hpp"
#include "proxy/packet_stream.hpp"
#include "proxy/prepared_cache.hpp"
#include "routing/link_audit.hpp"
#include "routing/session_state.hpp"
#include "routing/user_variables.hpp"

namespace sluice::proxy {

class Link;

/// How an exchange ends that had to leave a shared link: it may be sent on another.
inline const error_code moved_elsewhere = asio::error::try_again;

/// What an exchange is to its sink: the sink's own word, passed back as it is.
using ExchangeTag = std::uint32_t;

/// Where the reply of an exchange goes. Calls come from the link's read loop; a
/// sink must not close the link or send on it from inside them.
class ReplySink {
 public:
  virtual ~ReplySink() = default;
  /// A part of the reply that may be passed on as it is.
  virtual void on_bytes(ExchangeTag tag, protocol::Bytes bytes) = 0;
  /// One whole packet (header included) that carries state. `ok` is set for OK
  /// packets, decoded; `last` if it ends the reply.
  virtual void on_packet(ExchangeTag tag, protocol::ResponseTracker::Packet kind,
                         protocol::Bytes packet, const protocol::OkPacket* ok, bool last) = 0;
  /// The backend asks for the client's file; answer with Link::infile_sent.
  virtual void on_infile(ExchangeTag tag, protocol::Bytes packet) = 0;
  /// The reply is complete, or the link was lost (`error`).
  virtual void on_end(ExchangeTag tag, const protocol::ResponseTracker& tracker,
                      error_code error) = 0;
  /// True: read no more until Link::resume().
  [[nodiscard]] virtual bool saturated() const noexcept { return false; }
};

class Link {
 public:
  Link(std::unique_ptr<PacketStream> stream, protocol::BackendFacts facts, std::size_t backend,
       routing::LinkRole role, BackendCounters& counters);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  /// Starts the read loop; once, on a link that has just logged in.
  static void start(const std::shared_ptr<Link>& link);

  [[nodiscard]] Executor executor() { return stream_->executor(); }
  [[nodiscard]] std::size_t backend() const noexcept { return backend_; }
  [[nodiscard]] routing::LinkRole role() const noexcept { return role_; }
  [[nodiscard]] const protocol::BackendFacts& facts() const noexcept { return facts_; }
  [[nodiscard]] routing::Flavour flavour() const noexcept {
    return facts_.flavour == protocol::Flavour::mariadb ? routing::Flavour::mariadb
                                                        : routing::Flavour::mysql;
  }
  [[nodiscard]] Clock::time_point opened_at() const noexcept { return opened_at_; }
  [[nodiscard]] bool closed() const noexcept { return closed_; }
  /// No reply is outstanding, nothing waits to be written, no command is half sent.
  [[nodiscard]] bool quiet() const noexcept {
    return exchanges_.empty() && out_.empty() && !writing_ && !streaming_;
  }

  /// What the connection's state is, as far as trackers tell.
  routing::StateVector image;
  /// What the login itself decided (charsets by its collation, modes by its
  /// capabilities, init_connect): a session that has not set these has these.
  routing::StateVector baseline;
  /// What COM_RESET_CONNECTION would leave otherwise than the login did.
  std::shared_ptr<const routing::StateVector> after_reset;
  routing::UserVariables user_variables;
  PreparedCache prepared;
  /// Being prepared by one session, and who else waits for it: by the cache's key.
  std::unordered_map<std::string, std::vector<Event*>> preparing;
  /// A state was left behind that the image does not show; reset before reuse.
  bool dirty = false;
  /// A KILL is on its way to this link's thread: it must not serve another.
  unsigned kills_pending = 0;
  Clock::time_point idle_since{};
  /// For the paranoid mode: what the variables were when the link was new, and how
  /// often it has passed to another session since.
  routing::VariableSnapshot snapshot;
  std::uint32_t reuses = 0;
  /// Id of the session that used it last: LAST_INSERT_ID() and the warnings are its.
  std::uint32_t user = 0;
  /// LAST_INSERT_ID() there, if known.
  std::optional<std::uint64_t> insert_id = 0;
  /// Warnings or errors of the present user may still be in the diagnostics area.
  bool has_conditions = false;
  /// Exchanges of several sessions are, or may be, on it; see `evacuate`.
  bool shared = false;
  /// The present user's command, not only the state ahead of it, has been queued.
  bool sent_main = false;
  /// The right to exist under the backend's budget; given back when the link closes.
  std::shared_ptr<void> budget_token;

  /// Queues one framed command. `sink` null: the reply is dropped. On a link that
  /// has closed, the exchange ends with an error before the call returns.
  /// `first_sequence` is the number that the reply's first packet must have.
  void send(protocol::Bytes packets, protocol::ReplyKind kind, ReplySink* sink, ExchangeTag tag,
            std::uint8_t first_sequence = 1);
  /// Announces a command whose packets follow through `send_more`, and whose
  /// reply begins at a number that is known when they have all been sent.
  void begin(protocol::ReplyKind kind, ReplySink* sink, ExchangeTag tag);
  void send_more(protocol::Bytes raw);
  /// The last packet of the command begun has been queued.
  void end(std::uint8_t first_sequence);
  /// Writes what is queued, without waiting.
  void flush();
  /// The same when all that is ready to run now has run, so that what several
  /// sessions send goes out together.
  void flush_soon();
  [[nodiscard]] std::size_t queued() const noexcept { return out_.size() + sending_.size(); }
  /// Waits until what is queued is below the mark for streaming, or the link closed.
  Task<> room();
  void infile_sent(std::uint8_t next_sequence);

  // --- sharing ---

  /// Exchanges whose reply is not complete.
  [[nodiscard]] std::size_t depth() const noexcept { return exchanges_.size(); }
  /// Since when the backend could work on the first of them; meaningless without one.
  [[nodiscard]] Clock::time_point front_since() const noexcept { return front_since_; }
  /// How long the backend took for the exchange that has just ended, without what was
  /// ahead of it.
  [[nodiscard]] std::chrono::microseconds last_service() const noexcept { return last_service_; }
  /// The backend works on this one's exchange, as far as one can know from here.
  [[nodiscard]] bool serves(const ReplySink* sink) const noexcept {
    return !exchanges_.empty() && exchanges_.front().sink == sink;
  }
  /// Leaves the link to the first exchange: see above.
  void evacuate();

  void resume();
  /// The sink goes away: its replies are dropped.
  void abandon(const ReplySink* sink) noexcept;
  void close(error_code why = asio::error::operation_aborted) noexcept;

 private:
  struct Exchange {
    protocol::ResponseTracker tracker;
    protocol::ReplyKind kind;
    ReplySink* sink;
    ExchangeTag tag;
    Clock::time_point sent_at;
  };

  static Task<> read_loop(std::shared_ptr<Link> self);
  static Task<> write_loop(std::shared_ptr<Link> self);
  /// Hands over what is in the buffer; false on a fault of the peer.
  [[nodiscard]] error_code walk();
  void hold(Exchange& exchange, const protocol::ResponseTracker::Step& step,
            protocol::Bytes packet);
  void learn(const protocol::OkPacket& ok);
  void finish_front(error_code error);
  void fail(error_code why) noexcept;

  std::weak_ptr<Link> self_;  // for the loops, which keep the link alive while they run
  std::unique_ptr<PacketStream> stream_;
  protocol::BackendFacts facts_;
  std::size_t backend_;
  routing::LinkRole role_;
  BackendCounters& counters_;
  Clock::time_point opened_at_ = Clock::now();
  Clock::time_point front_since_{};
  std::chrono::microseconds last_service_{0};
  boost::circular_buffer<Exchange> exchanges_{8};  // grows, but allocates nothing as it goes
  protocol::Buffer out_;                           // queued, not yet given to the kernel
  protocol::Buffer sending_;                       // being written by write_loop
  std::size_t needed_ = 0;                         // bytes that the front's tracker asked for
  bool writing_ = false;
  bool flush_posted_ = false;
  bool streaming_ = false;  // between begin() and end()
  bool streaming_reply_ = false;
  bool closed_ = false;
  Event resumed_;
  Event room_;
};

}  // namespace sluice::proxy
