/// StatementRunner's own answers, and what of them a backend has to be told.
#include <algorithm>
#include <string>
#include <utility>

#include "protocol/command.hpp"
#include "proxy/internal_query.hpp"
#include "proxy/statement_runner.hpp"

namespace sluice::proxy {
namespace {

using protocol::packet_header_size;
using routing::Effect;
namespace errors = protocol::server_error;

/// What Sluice answers between two statements is remembered up to so many answers.
constexpr std::size_t most_own_answers = 16;
/// MESSAGE_TEXT takes no more.
constexpr std::size_t longest_signal = 128;

}  // namespace

void StatementRunner::consume_command(Work& work) {
  client_.consume(work.buffered);
  work.buffered = 0;
}

Task<Next> StatementRunner::skip_rest(Work& work) {
  if (!work.streamed) {
    consume_command(work);
    co_return Next::go_on;
  }
  for (bool more = true; more;) {
    error_code error = co_await client_.fill_to(packet_header_size);
    if (error) co_return Next::close;
    const auto header = protocol::decode_header(client_.input().data());
    std::size_t left = packet_header_size + header.payload_size;
    while (left > 0) {
      if (client_.input().empty()) error = co_await client_.fill();
      if (error) co_return Next::close;
      const std::size_t part = std::min(left, client_.input().size());
      client_.consume(part);
      left -= part;
    }
    more = header.continues();
    work.last_sequence = header.sequence;
  }
  work.streamed = false;
  work.buffered = 0;
  co_return Next::go_on;
}

Task<Next> StatementRunner::answer_error(Work& work, std::uint16_t code, std::string_view state,
                                         std::string_view message) {
  // The views may point into what the next lines change.
  const std::string kept_state(state);
  const std::string kept_message(message);
  running_ = false;
  show();
  note_own_error(work, code, state, message);
  const Next skipped = co_await skip_rest(work);
  if (skipped == Next::close) co_return skipped;
  protocol::Buffer out;
  const protocol::ErrPacket err{.code = code, .sql_state = kept_state, .message = kept_message};
  protocol::append_err(out, err, capabilities_, static_cast<std::uint8_t>(work.last_sequence + 1));
  const error_code error = co_await client_.write_all(out);
  co_return error ? Next::close : Next::go_on;
}

Task<Next> StatementRunner::answer_ok(Work& work, std::uint16_t warnings) {
  using protocol::Command;
  const bool is_kill = work.command != nullptr && work.command->command == Command::query;
  if (is_kill) {
    note_own_answer(Command::query, std::string(clearing_statement));
  } else {
    note_own_answer(Command::ping, {});
  }
  consume_command(work);
  protocol::Buffer out;
  const protocol::OkPacket ok{.status = status_, .warnings = warnings};
  protocol::append_ok(out, ok, capabilities_, static_cast<std::uint8_t>(work.last_sequence + 1));
  const error_code error = co_await client_.write_all(out);
  co_return error ? Next::close : Next::go_on;
}

Task<Next> StatementRunner::answer_end(Work& work) {
  const bool multi = (capabilities_ & protocol::capability::multi_statements) != 0;
  note_own_answer(protocol::Command::set_option, std::string(multi ? "\0\0" : "\1\0", 2));
  consume_command(work);
  protocol::Buffer out;
  const protocol::EofPacket end{.warnings = repeated_warnings(), .status = status_};
  protocol::append_end(out, end, capabilities_, static_cast<std::uint8_t>(work.last_sequence + 1));
  const error_code error = co_await client_.write_all(out);
  co_return error ? Next::close : Next::go_on;
}

/// MySQL's answers that are no statement's repeat the last count; MariaDB's do not.
std::uint16_t StatementRunner::repeated_warnings() const noexcept {
  if (dialect_.mariadb) return 0;
  return failed_ ? std::max<std::uint16_t>(warnings_, 1) : warnings_;
}

Task<Next> StatementRunner::ping(Work& work) {
  const bool told_of_error =
      !own_answers_.empty() && own_answers_.front().command != protocol::Command::ping;
  if (!dialect_.mariadb && (failed_ || told_of_error) && last_ != nullptr && last_->place &&
      !last_->place->closed()) {
    // An ERR does not say how many conditions there are.
    work.statement.access = routing::Access::read;
    work.statement.cause = routing::Cause::plain_read;
    work.statement.effects.set(Effect::speaks_of_previous);
    co_return co_await run(work);
  }
  const std::uint16_t warnings = repeated_warnings();
  co_return co_await answer_ok(work, warnings);
}

/// Collapses what would be told twice; the list stays short.
void StatementRunner::note_own_answer(protocol::Command command, std::string text) {
  const bool repeats = !own_answers_.empty() && own_answers_.back().command == command &&
                       own_answers_.back().text == text;
  if (command == protocol::Command::query || own_answers_.size() >= most_own_answers)
    own_answers_.clear();
  if (!repeats || command == protocol::Command::query)
    own_answers_.push_back({command, std::move(text), 0});
}

/// MySQL adds its word on an unknown statement to what the last statement left: the
/// backend is asked for one, too. Other errors are raised there by name.
void StatementRunner::note_own_error(const Work& work, std::uint16_t code, std::string_view state,
                                     std::string_view message) {
  failed_ = true;
  if (code == errors::unknown_stmt && work.command != nullptr && !dialect_.mariadb) {
    if (own_answers_.size() >= most_own_answers) own_answers_.clear();
    own_answers_.push_back({protocol::Command::stmt_reset, {}, work.command->statement});
    return;
  }
  std::string statement = "SIGNAL SQLSTATE '" + std::string(state) +
                          "' SET MYSQL_ERRNO=" + std::to_string(code) + ", MESSAGE_TEXT='";
  for (const char c : message.substr(0, longest_signal)) {
    if (c == '\\' || static_cast<unsigned char>(c) >= 0x80) continue;
    statement += c;
    if (c == '\'') statement += c;
  }
  statement += '\'';
  note_own_answer(protocol::Command::query, std::move(statement));
}

/// Leaves on the link what the answers given here would have left.
Task<error_code> StatementRunner::tell_own_answers(std::shared_ptr<Link> link) {
  std::vector<OwnAnswer> answers = std::exchange(own_answers_, {});
  for (OwnAnswer& answer : answers) {
    if (answer.command == protocol::Command::set_option) link->dirty = true;
    if (answer.command == protocol::Command::stmt_reset) {
      std::uint32_t id = answer.statement;
      while (link->prepared.holds(id)) ++id;  // here it means another statement
      for (unsigned shift = 0; shift < 32; shift += 8)
        answer.text += static_cast<char>(id >> shift & 0xff);
    }
    InternalQuery query(worker_.executor());
    const error_code error = co_await query.run(link, std::move(answer.text), answer.command);
    if (error) co_return error;
  }
  co_return error_code{};
}

}  // namespace sluice::proxy
