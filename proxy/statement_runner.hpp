/// The life of a statement: choose a backend, obtain a link, bring the link into
/// the session's state, exchange, learn, and decide what to do when it fails.
///
/// Owns what a session is bound by: the state it asked for, its pins, its
/// transaction, its own writes, and the links it holds. A link is held hard while
/// a transaction is open or a pin is on it. Otherwise it is kept at hand, because
/// the next statement may speak of this one, and given up when somebody needs it.
///
/// Thread: its worker's.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "protocol/command.hpp"
#include "proxy/link_pool.hpp"
#include "proxy/prepared_statement.hpp"
#include "proxy/relay.hpp"
#include "proxy/shared_links.hpp"
#include "proxy/worker.hpp"
#include "routing/held_things.hpp"

namespace sluice::proxy {

/// Empties the diagnostics area and sets ROW_COUNT() to 0.
inline constexpr std::string_view clearing_statement = "DO (SELECT 0 FROM (SELECT 0) t)";

class InternalQuery;

/// One command to be run.
struct Work {
  enum class How : std::uint8_t {
    plain,    ///< the packets as they are
    prepare,  ///< STMT_PREPARE: the reply's id becomes the client's
    execute,  ///< STMT_EXECUTE or bulk: the id and perhaps the types are the link's
    fetch,    ///< STMT_FETCH on the link of its execute
  };
  How how = How::plain;
  protocol::ReplyKind kind = protocol::ReplyKind::query;
  routing::Statement statement;
  std::string_view sql;      ///< as far as it is in the buffer; empty for other commands
  std::string kept_sql;      ///< its copy, where the client sends a file behind it
  std::size_t buffered = 0;  ///< bytes of the command at the front of the client's input
  bool streamed = false;     ///< more of it has yet to be read from the client
  PreparedStatement* prepared = nullptr;
  bool wants_cursor = false;
  bool misrouted = false;          ///< taken for a read, but a replica refused it as a write
  std::uint8_t last_sequence = 0;  ///< of the command's last packet, as far as known
  routing::Digest digest = 0;      ///< 0: nobody has asked for it yet
  const protocol::ClientCommand* command = nullptr;
  protocol::Buffer replacement;  ///< packets to be sent instead of the client's, if any
};

enum class Next : std::uint8_t { go_on, close };

class StatementRunner final : public LinkHolder {
 public:
  StatementRunner(Worker& worker, PacketStream& client, SessionRecord& record);
  ~StatementRunner() override;

  /// Called once the client has logged in, and again after COM_CHANGE_USER.
  void begin_session(const protocol::ClientIdentity& identity, std::uint16_t status,
                     config::Secret password, routing::RoutePolicy policy);

  /// Runs `work`, answers the client, and consumes the command from its input.
  Task<Next> run(Work& work);

  // The short way of a small read, which needs no coroutine of its own:
  //
  //     if (begin_quick(work)) {
  //       wait on quick_event() until quick_over();
  //       if (!end_quick(work, error)) next = co_await settle_quick(work);
  //     } else next = co_await run(work);

  /// Sends it on a shared link if everything is ready for that; else nothing has happened.
  [[nodiscard]] bool begin_quick(Work& work);
  [[nodiscard]] bool quick_over() const noexcept { return relay_.over(); }
  [[nodiscard]] Event& quick_event() noexcept { return relay_.event(); }
  /// Answers the client; false if there is more to it, which settle_quick does.
  [[nodiscard]] bool end_quick(Work& work, error_code& error);
  Task<Next> settle_quick(Work& work);

  /// STMT_SEND_LONG_DATA: passes the pieces on; an error shows at the execute.
  Task<Next> send_long_data(Work& work);
  /// STMT_CLOSE: frees what the held link keeps for it alone.
  void close_statement(PreparedStatement& statement);
  /// STMT_RESET: forgets pieces and cursor.
  void reset_statement(PreparedStatement& statement);

  /// COM_RESET_CONNECTION.
  Task<Next> reset_connection(Work& work);
  /// COM_CHANGE_USER, after begin_session: MariaDB forgets the CLIENT_IGNORE_SPACE of the login.
  Task<> forget_login_modes();
  /// COM_PING: answered here, or by the link that alone knows the number of warnings.
  Task<Next> ping(Work& work);
  /// CLIENT_MULTI_STATEMENTS switched by COM_SET_OPTION.
  void set_multi_statements(bool on);

  /// Sends an ERR to the client as the reply to `work`, and skips what is left of it.
  Task<Next> answer_error(Work& work, std::uint16_t code, std::string_view state,
                          std::string_view message);
  /// Sends a plain OK with the session's status.
  Task<Next> answer_ok(Work& work, std::uint16_t warnings = 0);
  /// The server counts no warnings of the last statement any more.
  void forget_warnings() noexcept { warnings_ = 0; }
  /// The same as an EOF, or what stands for it.
  Task<Next> answer_end(Work& work);
  /// Reads past what is left of a command that gets no reply.
  Task<Next> skip_rest(Work& work);
  /// The last `run` was a STMT_PREPARE that the backend accepted.
  [[nodiscard]] bool prepare_succeeded() const noexcept {
    return !relay_.summary().failed && relay_.prepared().has_value();
  }

  /// KILL QUERY for what this session runs now, if anything.
  Task<> kill_query();
  /// The session is over: what it waits for ends, and nothing is sent any more.
  void abort() noexcept;

  Yield yield_link(std::size_t backend) override;

  /// What `sql` does in this session; `whole` is false if more of it is to come.
  [[nodiscard]] routing::Statement classify(std::string_view sql, bool whole) const;
  [[nodiscard]] const routing::Dialect& dialect() const noexcept { return dialect_; }
  [[nodiscard]] const routing::StateVector& state() const noexcept { return wanted_; }
  [[nodiscard]] std::uint64_t state_version() const noexcept { return state_version_; }
  /// The same with nothing unknown in it, for a statement that keeps it.
  Task<> settle_state();
  [[nodiscard]] protocol::Capabilities capabilities() const noexcept { return capabilities_; }
  [[nodiscard]] std::uint16_t status() const noexcept { return status_; }
  [[nodiscard]] bool bound() const noexcept { return in_transaction() || pins_.any(); }
  [[nodiscard]] PreparedStatements& statements() noexcept { return statements_; }
  void pin(routing::Pin pin);

 private:
  struct Slot {
    Place place;
  };
  /// Keeps a slot's link from being yielded while a command is under way on it.
  class InUse {
   public:
    InUse(Slot*& mark, Slot& slot) : mark_(mark), before_(mark) { mark_ = &slot; }
    ~InUse() { mark_ = before_; }
    InUse(const InUse&) = delete;
    InUse& operator=(const InUse&) = delete;

   private:
    Slot*& mark_;
    Slot* before_;
  };
  /// LAST_INSERT_ID() as far as known. What an OK packet says may also be an id
  /// that the statement itself gave; only the link that ran it knows for sure.
  struct InsertId {
    explicit InsertId(Executor executor) : settled(std::move(executor)) {}
    std::uint64_t value = 0;
    bool on_link = false;  ///< the primary's link may know better than `value`
    bool asking = false;   ///< the link is being asked, on its way back to the pool
    Event settled;
    /// User variables that the link is asked for on the same way, and what it said.
    std::vector<std::string> names;
    routing::UserVariables variables;
    bool lost = false;  ///< some of them cannot be had any more
    /// System variables likewise: unknown first, then known.
    routing::StateVector collations;
  };
  /// What Sluice answered by itself since the last statement, as a command that leaves
  /// the same behind: a link is told before it is asked about the previous statement.
  struct OwnAnswer {
    protocol::Command command;
    std::string text;
    std::uint32_t statement = 0;  ///< stmt_reset: an id unknown here
  };

  /// What one run of a statement remembers from backend to backend.
  struct Trip {
    Clock::time_point hold_until;
    std::uint64_t avoid = 0;  ///< bit i: backend i has just failed it
    std::optional<routing::Reason> rerun{};
    bool held = false;  ///< it has had to wait for a primary
    unsigned refused_links = 0;
    bool alone = false;               ///< it has to have a link of its own
    Clock::time_point learn_until{};  ///< it waits for its digest to be judged, until then
    std::unique_ptr<SharedLinks::Learner> learner{};

    void stay_away_from(std::size_t backend) noexcept {
      if (backend < 64) avoid |= std::uint64_t{1} << backend;
    }
  };
  /// How things stood when a statement was sent to one backend.
  struct Attempt {
    std::size_t backend = 0;
    routing::Pins pins;
    bool bound = false;
    bool in_transaction = false;
    bool on_replica = false;
    bool retryable = false;   ///< a read that may be sent again elsewhere (P6)
    std::uint64_t crowd = 0;  ///< in flight on the backend, then
  };

  [[nodiscard]] bool in_transaction() const noexcept {
    return (status_ & protocol::status::in_transaction) != 0;
  }
  [[nodiscard]] Slot* held_for(const Work& work);
  [[nodiscard]] routing::Decision decide(const Work& work, const Slot* held, std::uint64_t avoid);
  [[nodiscard]] LinkKind kind_for(std::size_t backend, routing::LinkRole role) const;
  Task<OpenFailure> obtain(Slot& slot, std::size_t backend, routing::LinkRole role,
                           Clock::time_point until);
  void begin_run();
  Task<Next> make_trip(Work& work, Trip& trip);
  void give_up_links();
  void note_decision(const Work& work, std::size_t backend, routing::Reason reason);
  // Sharing links with other sessions: statement_share.cpp.
  enum class Sharing : std::uint8_t {
    no,
    yes,
    later,  ///< others are finding out whether it may
  };
  [[nodiscard]] bool shareable(const Work& work) const;
  [[nodiscard]] Sharing judge_sharing(Work& work, const routing::Decision& decision, Trip& trip);
  [[nodiscard]] std::shared_ptr<SharedGroup> group_at(std::size_t backend, routing::LinkRole role);
  void note_digest(Work& work, std::size_t backend, std::chrono::microseconds took);
  void release_unneeded(Slot& slot);
  void leave_groups();
  [[nodiscard]] std::shared_ptr<Link> link_at_work() const;
  void state_changed();
  Task<std::optional<Next>> run_shared(Work& work, routing::Decision decision, Trip& trip);
  void send_shared(Work& work, routing::Decision decision, const std::shared_ptr<Link>& link);
  Task<std::optional<Next>> finish_shared(Work& work, routing::Decision decision, Trip& trip);
  [[nodiscard]] bool accept_shared(Work& work, const routing::Decision& decision,
                                   const std::shared_ptr<Link>& link);
  void note_misroute(Work& work);
  Task<Next> lost_hold(Work& work, bool sent);
  Task<bool> move_read_only_transaction(Clock::time_point until);
  [[nodiscard]] bool in_transaction_on_replica() const noexcept {
    return in_transaction() && home_ == &replica_ && !pins_.any();
  }
  // What follows from the end of an exchange; nullopt: choose again.
  Task<std::optional<Next>> after_reply(Work& work, Slot& slot, Attempt attempt, Trip& trip);
  Task<std::optional<Next>> after_refusal(Work& work, Slot& slot, Attempt attempt, Trip& trip,
                                          RelayEnd end);
  Task<std::optional<Next>> after_loss(Work& work, Slot& slot, Attempt attempt, Trip& trip);
  Task<RelayEnd> exchange(Work& work, Slot& slot);
  Task<RelayEnd> send(Work& work, std::shared_ptr<Link> link);
  void send_on(Work& work, Link& link);
  Task<error_code> ensure_prepared(PreparedStatement& prepared, std::shared_ptr<Link> link,
                                   const std::string& key);
  Task<error_code> sync_now(std::shared_ptr<Link> link, const routing::StateVector& wanted);
  unsigned queue_user_variables(Link& link);
  unsigned queue_clearing(Link& link);
  unsigned queue_previous(Link& link);
  unsigned queue_sync(Link& link, const routing::StateVector& wanted, bool previous_id);
  Task<RelayEnd> stream_command(Work& work, std::shared_ptr<Link> link);
  void refuse(std::uint16_t code, std::string_view state, std::string_view message);
  [[nodiscard]] std::optional<protocol::Bytes> bound_types(const Work& work) const;
  bool append_with_types(const protocol::ClientCommand& command, const PreparedStatement& prepared,
                         std::uint32_t server_id, protocol::Buffer& out) const;
  void write_execute(Work& work, Link& link, const std::string& key, protocol::Buffer& out);
  void learn(const Work& work, Slot& slot, routing::Pins pins_before);
  void reset();
  Task<> learn_after_reset();
  [[nodiscard]] std::uint16_t repeated_warnings() const noexcept;
  void note_own_answer(protocol::Command command, std::string text);
  void note_own_error(const Work& work, std::uint16_t code, std::string_view state,
                      std::string_view message);
  Task<error_code> tell_own_answers(std::shared_ptr<Link> link);
  void note_user_variables(const Work& work, Slot& slot);
  void note_held(const Work& work, Slot& slot, routing::Outcome outcome);
  Task<> learn_prepared_text(std::shared_ptr<Link> link);
  /// The link of `unsettled_slot_` has to be asked before the session leaves it.
  [[nodiscard]] bool unsettled() const noexcept {
    return !unsettled_.empty() || wanted_.has_unknowns();
  }
  Task<bool> settle();
  /// Asks `link` for the unknowns of `state`; what it does not say is left out.
  static Task<> ask_unknowns(std::shared_ptr<Link> link, routing::StateVector& state);
  [[nodiscard]] bool stays(const Slot& slot, std::size_t backend, routing::LinkRole role) const;
  void lift_statement_pins();
  void learn_next_transaction(const Work& work, Slot& slot, bool was_in_transaction);
  void forget_pins();  // planted bugs; nothing else
  void learn_writes(const Work& work, bool was_in_transaction);
  void note_prepared(Work& work, Link& link);
  void consume_command(Work& work);
  static void take_insert_id(const InternalQuery& answer, InsertId& insert_id);
  static Task<> hand_back(Place place, std::shared_ptr<InsertId> insert_id, bool asks_id,
                          Executor executor);
  void update_dialect();
  void show();
  void show_pins();

  Worker& worker_;
  PacketStream& client_;
  SessionRecord& record_;
  Relay relay_;

  std::string user_;
  config::Secret password_;
  protocol::Capabilities capabilities_ = 0;
  std::uint16_t collation_ = 45;
  std::uint16_t login_status_ = protocol::status::autocommit;
  routing::RoutePolicy policy_;
  routing::Dialect dialect_;

  routing::StateVector wanted_;
  std::shared_ptr<const routing::StateVector> after_reset_;  ///< null before the first link
  std::vector<OwnAnswer> own_answers_;
  std::uint16_t warnings_ = 0;  ///< of the last statement
  bool failed_ = false;         ///< it did
  routing::Pins pins_;
  std::uint16_t status_ = protocol::status::autocommit;
  std::shared_ptr<InsertId> insert_id_;
  routing::UserVariables user_variables_;
  /// Assigned on the link of `unsettled_slot_`, and not yet asked what they are: most
  /// sessions go on there, and asking would disturb ROW_COUNT() and the warnings.
  std::vector<std::string> unsettled_;
  /// Those whose values were not to be carried, the cause of Pin::user_variable.
  std::vector<std::string> uncarried_;
  routing::HeldThings held_;
  routing::Pins shown_pins_;      // what the record says
  std::uint64_t shown_held_ = 0;  // and of which revision of held_
  routing::GtidSet required_;
  std::optional<Clock::time_point> unknown_write_;
  PreparedStatements statements_;

  Slot primary_;
  Slot replica_;
  Slot* unsettled_slot_ = &primary_;
  Slot* last_ = nullptr;           // where the previous statement ran
  Slot* home_ = nullptr;           // where the transaction or the pins are
  Slot* in_use_ = nullptr;         // a command is under way on it
  std::shared_ptr<Link> sharing_;  // a read is under way on it, among those of others
  std::vector<std::shared_ptr<SharedGroup>> groups_;  // by backend, for the present state
  routing::Decision quick_;                           // of the read on its short way
  Clock::time_point quick_since_{};
  bool quick_alone_ = false;         // it has to be had on a link of its own
  bool quick_accepted_ = false;      // its reply is right, but not all of it is sent
  std::uint64_t state_version_ = 1;  // tells one value of wanted_ from the next
  /// Rows of the previous statement, if that was a read and left no warnings.
  std::optional<std::uint64_t> previous_rows_;
  bool running_ = false;
  bool aborted_ = false;
  bool kill_requested_ = false;  // KILL QUERY came before the statement was sent
  std::uint64_t runs_ = 0;       // tells one statement from the next
  bool killing_ = false;         // a KILL QUERY may still reach the link's thread
  Event kill_over_;
  protocol::Buffer scratch_;
  protocol::Buffer refusal_;  // an ERR payload to be answered with
  std::vector<std::uint32_t> to_close_;
};

}  // namespace sluice::proxy
