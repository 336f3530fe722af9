#include "proxy/client_session.hpp"

#include <algorithm>

#include "proxy/log.hpp"
#include "routing/connection_id.hpp"
#include "routing/session_scope.hpp"

namespace sluice::proxy {
namespace {

using protocol::Command;
using protocol::packet_header_size;
namespace errors = protocol::server_error;

/// Longer commands take the long way, which need not have all of them at hand.
constexpr std::size_t most_quick = 8 * 1024;

/// More of a short command is to come.
bool is_part(protocol::Bytes input) {
  if (input.size() < packet_header_size) return true;
  const auto header = protocol::decode_header(input.data());
  return header.payload_size <= most_quick &&
         input.size() < packet_header_size + header.payload_size;
}

/// Statistics, FIELD_LIST and their like: of the primary, and harmless.
routing::Statement primary_command(routing::Cause cause) {
  routing::Statement statement;
  statement.access = routing::Access::write;
  statement.cause = cause;
  return statement;
}

/// Puts the session's id into a query or prepare that asks for it, and a scope into
/// a SET that MariaDB's trackers would not hear of: `work` sends the text that is
/// returned, and `statement` is what that one is. Nothing if there is no need.
std::optional<std::string> rewrite(Work& work, routing::Statement& statement,
                                   const StatementRunner& runner, std::uint32_t id) {
  const protocol::ClientCommand& command = *work.command;
  if (work.streamed) return {};
  std::optional<std::string> text;
  if (runner.dialect().mariadb && statement.effects.has(routing::Effect::sets_variables)) {
    text = routing::with_session_scope(command.text, runner.dialect());
  }
  // Beside performance_schema's tables the id is the backend's.
  if (statement.effects.has(routing::Effect::asks_connection_id) &&
      !routing::is_system_schema(runner.state().schema)) {
    auto answered = routing::with_connection_id(text ? std::string_view(*text) : command.text,
                                                runner.dialect(), id);
    if (answered) text = std::move(answered);
  }
  if (!text) return {};
  const protocol::Bytes attributes = command.attributes.block();
  protocol::Buffer payload{static_cast<std::uint8_t>(command.command)};
  payload.insert(payload.end(), attributes.begin(), attributes.end());
  payload.insert(payload.end(), text->begin(), text->end());
  // A second packet would shift the sequence numbers of the reply.
  if (payload.size() >= protocol::max_packet_payload) return {};
  protocol::append_packet(work.replacement, payload, 0);
  statement = routing::classify(*text, runner.dialect());
  return text;
}

}  // namespace

ClientSession::ClientSession(Worker& worker, Socket socket, std::shared_ptr<SessionRecord> record,
                             protocol::Channel channel)
    : worker_(worker),
      record_(std::move(record)),
      stream_(std::move(socket)),
      channel_(channel),
      runner_(worker, stream_, *record_) {
  add(worker_.shared().counters.clients_connected);
}

ClientSession::~ClientSession() {
  subtract(worker_.shared().counters.clients_connected);
  worker_.shared().sessions.remove(record_->id);
}

Task<> ClientSession::run() {
  const bool admitted = co_await log_in();
  if (admitted) stream_.watch(worker_.socket_watch());
  Next next = admitted ? Next::go_on : Next::close;
  while (next == Next::go_on) {
    // Nothing but this coroutine waits for most commands, and for most replies.
    error_code error;
    while (stream_.watched() && is_part(stream_.input()) && !error) {
      const PacketStream::Filled filled = stream_.try_fill(error);
      if (filled != PacketStream::Filled::nothing || stream_.readable().take()) continue;
      idle_ = stream_.input().empty();
      co_await stream_.readable().arrival();
      stream_.readable().clear();
    }
    if (error) break;
    idle_ = false;
    Work work;
    std::optional<protocol::ClientCommand> command;
    if (begin_quick(work, command)) {
      while (!runner_.quick_over()) {
        if (runner_.quick_event().take()) continue;
        co_await runner_.quick_event().arrival();
        runner_.quick_event().clear();
      }
      const bool done = runner_.end_quick(work, error);
      if (!done) next = co_await runner_.settle_quick(work);
      if (error) next = Next::close;
    } else {
      next = co_await serve();
    }
    if (doomed_ || (worker_.draining() && !runner_.bound())) break;
  }
  stream_.close();
}

void ClientSession::drain() noexcept {
  if (idle_ && !runner_.bound()) stream_.close();
}

Task<> ClientSession::kill(KillScope scope) {
  doomed_ = doomed_ || scope == KillScope::connection;
  if (scope == KillScope::connection && idle_) close();
  co_await runner_.kill_query();
  if (scope == KillScope::connection) close();
}

/// A small read that can be sent at once has been sent; see StatementRunner::begin_quick.
bool ClientSession::begin_quick(Work& work, std::optional<protocol::ClientCommand>& command) {
  classified_.reset();
  const protocol::Bytes input = stream_.input();
  if (!stream_.watched()) return false;
  const auto header = protocol::decode_header(input.data());
  if (header.sequence != 0 || header.payload_size == 0 || header.payload_size > most_quick)
    return false;
  const auto byte = static_cast<Command>(input[packet_header_size]);
  if (byte != Command::query && byte != Command::stmt_execute) return false;
  const auto decoded = protocol::decode_command(
      input.subspan(packet_header_size, header.payload_size), runner_.capabilities());
  if (!decoded) return false;
  command = *decoded;
  work.buffered = packet_header_size + header.payload_size;
  work.command = &*command;
  work.kind = protocol::reply_kind_of(byte);
  if (byte == Command::query) {
    work.sql = command->text;
    work.statement = runner_.classify(command->text, true);
    classified_ = work.statement;
  } else {
    work.prepared = runner_.statements().find(command->statement);
    if (work.prepared == nullptr) return false;
    work.sql = work.prepared->sql;
    work.statement = work.prepared->statement;
    work.how = Work::How::execute;
    work.wants_cursor = command->wants_cursor();
  }
  return runner_.begin_quick(work);
}

/// Reads one command and serves it.
Task<Next> ClientSession::serve() {
  idle_ = stream_.input().empty();
  error_code error = co_await stream_.fill_to(packet_header_size);
  if (error) co_return Next::close;
  idle_ = false;
  const auto header = protocol::decode_header(stream_.input().data());
  const auto window =
      static_cast<std::size_t>(worker_.shared().settings->limits.statement_window.bytes);
  const std::size_t here = std::min<std::size_t>(header.payload_size, window);
  error = co_await stream_.fill_to(packet_header_size + here);
  if (error) co_return Next::close;

  Work work;
  work.buffered = packet_header_size + here;
  work.streamed = here < header.payload_size || header.continues();
  work.last_sequence = header.sequence;
  if (header.sequence != 0 || header.payload_size == 0) {
    co_await runner_.answer_error(work, errors::packets_out_of_order, "08S01",
                                  "Got packets out of order");
    co_return Next::close;
  }
  const protocol::Bytes payload = stream_.input().subspan(packet_header_size, here);
  const auto command = protocol::decode_command(payload, runner_.capabilities());
  if (!command) {
    co_return co_await runner_.answer_error(work, errors::malformed_packet, "HY000",
                                            "Malformed communication packet.");
  }
  work.command = &*command;
  work.kind = protocol::reply_kind_of(command->command);
  co_return co_await serve_command(work, *command);
}

Task<Next> ClientSession::serve_command(Work& work, const protocol::ClientCommand& command) {
  switch (command.command) {
    case Command::quit: co_return Next::close;
    case Command::query: co_return co_await query(work, command);
    case Command::stmt_prepare: co_return co_await prepare(work, command);
    case Command::stmt_execute:
    case Command::stmt_fetch:
    case Command::stmt_close:
    case Command::stmt_reset:
    case Command::stmt_send_long_data: co_return co_await with_statement(work, command);
    case Command::mariadb_stmt_bulk_execute:
      if ((runner_.capabilities() & protocol::capability::mariadb_stmt_bulk) == 0) break;
      co_return co_await with_statement(work, command);
    case Command::ping: co_return co_await runner_.ping(work);
    case Command::reset_connection: co_return co_await runner_.reset_connection(work);
    case Command::change_user: co_return co_await change_user(work);
    case Command::set_option:
      if (command.option > 1) break;
      runner_.set_multi_statements(command.option == 0);
      if (runner_.bound()) {
        work.statement = primary_command(routing::Cause::session_setting);
        co_return co_await runner_.run(work);
      }
      co_return co_await runner_.answer_end(work);
    case Command::process_kill:
      co_return co_await kill_other(work, command.connection, KillScope::connection);
    case Command::init_db:
      work.statement = primary_command(routing::Cause::session_setting);
      work.statement.effects.set(routing::Effect::changes_schema);
      co_return co_await runner_.run(work);
    case Command::field_list:
    case Command::statistics:
    case Command::debug:
      work.statement = primary_command(routing::Cause::one_server);
      co_return co_await runner_.run(work);
    default: break;
  }
  co_return co_await runner_.answer_error(work, errors::unknown_command, "08S01",
                                          "Unknown command");
}

Task<Next> ClientSession::query(Work& work, const protocol::ClientCommand& command) {
  work.sql = command.text;
  work.statement =
      classified_ && !work.streamed ? *classified_ : runner_.classify(command.text, !work.streamed);
  if (work.statement.effects.has(routing::Effect::kills) && work.statement.kill.id != 0 &&
      !work.statement.effects.has(routing::Effect::several)) {
    co_return co_await kill_other(
        work, work.statement.kill.id,
        work.statement.kill.query_only ? KillScope::query : KillScope::connection);
  }
  const auto rewritten = rewrite(work, work.statement, runner_, record_->id);
  if (rewritten) work.sql = *rewritten;
  if (work.statement.effects.has(routing::Effect::load_local)) {
    work.kept_sql = work.sql;
    work.sql = work.kept_sql;
  }
  co_return co_await runner_.run(work);
}

Task<Next> ClientSession::prepare(Work& work, const protocol::ClientCommand& command) {
  routing::Statement classified = runner_.classify(command.text, !work.streamed);
  if (work.streamed) {
    co_return co_await runner_.answer_error(work, 1390, "HY000",
                                            "Sluice: the statement is too long to be prepared");
  }
  work.how = Work::How::prepare;
  co_await runner_.settle_state();
  auto rewritten = rewrite(work, classified, runner_, record_->id);
  std::string sql = rewritten ? std::move(*rewritten) : std::string(command.text);
  work.prepared = &runner_.statements().add(std::move(sql), classified, runner_.state());
  work.prepared->state_version = runner_.state_version();
  const std::uint32_t id = work.prepared->id;
  // Preparing has none of the effects of executing.
  work.statement.access = classified.access;
  work.statement.cause = classified.access == routing::Access::read ? routing::Cause::plain_read
                                                                    : routing::Cause::prepares;
  work.statement.hint = classified.hint;
  const Next next = co_await runner_.run(work);
  if (!runner_.prepare_succeeded()) runner_.statements().erase(id);
  co_return next;
}

Task<Next> ClientSession::with_statement(Work& work, const protocol::ClientCommand& command) {
  const bool silent =
      command.command == Command::stmt_close || command.command == Command::stmt_send_long_data;
  // The statement prepared last is -1 on MariaDB; MySQL knows no such thing.
  const bool none = command.statement == UINT32_MAX && !runner_.dialect().mariadb;
  PreparedStatement* prepared = none ? nullptr : runner_.statements().find(command.statement);
  if (prepared == nullptr) {
    if (silent) co_return co_await runner_.skip_rest(work);
    // Each server names the function that noticed.
    const std::string_view where = !runner_.dialect().mariadb               ? "mysql_stmt_precheck"
                                   : command.command == Command::stmt_reset ? "mysqld_stmt_reset"
                                   : command.command == Command::stmt_fetch ? "mysqld_stmt_fetch"
                                                                            : "mysqld_stmt_execute";
    const std::string message = "Unknown prepared statement handler (" +
                                std::to_string(command.statement) + ") given to " +
                                std::string(where);
    co_return co_await runner_.answer_error(work, errors::unknown_stmt, "HY000", message);
  }
  work.prepared = prepared;
  work.sql = prepared->sql;
  work.statement = prepared->statement;
  // What a function does may have changed since.
  if (prepared->statement.access == routing::Access::read &&
      prepared->statement.effects.has(routing::Effect::calls_reading_function)) {
    work.statement = runner_.state().schema == prepared->state.schema
                         ? runner_.classify(prepared->sql, true)
                         : routing::classify(prepared->sql, runner_.dialect());
  }
  switch (command.command) {
    case Command::stmt_close:
      runner_.close_statement(*prepared);
      co_return co_await runner_.skip_rest(work);
    case Command::stmt_reset:
      runner_.reset_statement(*prepared);
      runner_.forget_warnings();
      co_return co_await runner_.answer_ok(work);
    case Command::stmt_send_long_data: co_return co_await runner_.send_long_data(work);
    case Command::stmt_fetch:
      if (!prepared->has_cursor) {
        co_return co_await runner_.answer_error(
            work, 1421, "HY000",
            "The statement (" + std::to_string(command.statement) +
                (runner_.dialect().mariadb ? ") has no open cursor" : ") has no open cursor."));
      }
      work.how = Work::How::fetch;
      work.statement = {};
      work.statement.access = routing::Access::read;
      work.statement.cause = routing::Cause::plain_read;
      break;
    default:
      work.how = Work::How::execute;
      work.wants_cursor = command.wants_cursor();
      break;
  }
  co_return co_await runner_.run(work);
}

Task<Next> ClientSession::kill_other(Work& work, std::uint64_t id, KillScope scope) {
  const auto victim = worker_.shared().sessions.find(id);
  if (!victim) {
    co_return co_await runner_.answer_error(work, errors::unknown_thread, "HY000",
                                            "Unknown thread id: " + std::to_string(id));
  }
  // Sluice cannot know who may kill others' sessions; one's own are one's own.
  if (victim->names().user != identity_->user) {
    co_return co_await runner_.answer_error(work, 1095, "HY000",
                                            "You are not owner of thread " + std::to_string(id));
  }
  if (victim->id == record_->id) {
    // A session that kills itself hears so, as from a server.
    co_await runner_.answer_error(work, errors::query_interrupted, "70100",
                                  "Query execution was interrupted");
    co_return scope == KillScope::query ? Next::go_on : Next::close;
  }
  worker_.shared().kill(*victim, scope);
  co_return co_await runner_.answer_ok(work);
}

}  // namespace sluice::proxy
