/// StatementRunner's way out: state ahead of the statement, prepared statements
/// made known to the link, commands too long for the buffer passed on in pieces.
#include <algorithm>

#include "protocol/command.hpp"
#include "proxy/planted_bugs.hpp"
#include "proxy/statement_runner.hpp"

namespace sluice::proxy {
namespace {

using protocol::Command;
using protocol::packet_header_size;

/// Where the statement id of a stmt_* payload ends.
constexpr std::size_t statement_id_end = 1 + 4;

}  // namespace

Task<RelayEnd> StatementRunner::exchange(Work& work, Slot& slot) {
  const std::shared_ptr<Link> link = slot.place.link();
  refusal_.clear();
  link->sent_main = false;
  if (work.prepared != nullptr && work.how == Work::How::execute) {
    const bool its_own = work.wants_cursor || work.prepared->sends_long_data;
    const std::string own_key = its_own ? work.prepared->key_of_its_own() : std::string();
    const std::string& key = its_own ? own_key : work.prepared->key;
    const error_code error = co_await ensure_prepared(*work.prepared, link, key);
    if (error) co_return refusal_.empty() ? RelayEnd::lost : RelayEnd::refused;
    const PreparedCache::Entry* entry = link->prepared.find(key);
    if (work.streamed && entry != nullptr && entry->types != work.prepared->types &&
        !bound_types(work)) {
      // Nothing can be put into a command that is passed on in pieces.
      refuse(1210, "HY000", "Sluice: so long a statement must bind the types of its parameters");
      co_return RelayEnd::refused;
    }
  }
  if (!work.statement.effects.has(routing::Effect::speaks_of_previous)) {
    // What asks about this statement must be known where this statement runs: preparing
    // it there later would wipe the answer out.
    for (PreparedStatement* asks : statements_.of_previous()) {
      const error_code error = co_await ensure_prepared(*asks, link, asks->key);
      if (error && refusal_.empty()) co_return RelayEnd::lost;
      refusal_.clear();
    }
  }
  // Later on the SET would disturb what the next statement says of this one.
  const bool insert_id_wanted = link->user != record_.id && link->insert_id != insert_id_->value;
  relay_.begin(capabilities_, link->flavour());
  unsigned syncs = queue_sync(*link, wanted_, insert_id_wanted);
  // When the link changes hands, even if the statement has no need of them: later
  // on the SET would disturb what the next statement says of this one.
  // What only assigns, like GET DIAGNOSTICS, must find the previous statement undisturbed.
  const routing::Effects effects = work.statement.effects;
  const bool only_assigns = effects.has(routing::Effect::speaks_of_previous) &&
                            !effects.has(routing::Effect::reads_user_variables);
  const bool variables = ((routing::looks_at_user_variables(work.statement) && !only_assigns) ||
                          link->user != record_.id) &&
                         link->user_variables != user_variables_;
  if (variables) syncs += queue_user_variables(*link);
  // What was sent ahead may itself have left a warning.
  const bool must_clear =
      link->has_conditions ||
      (syncs > 0 && work.statement.effects.has(routing::Effect::speaks_of_previous));
  const bool previous_elsewhere =
      work.statement.effects.has(routing::Effect::speaks_of_previous) && last_ != &slot;
  if (previous_elsewhere && previous_rows_) {
    syncs += queue_previous(*link);
  } else if (link->user != record_.id && must_clear) {
    syncs += queue_clearing(*link);
  }
  relay_.expect_syncs(syncs);
  // A read may go out right behind its state: if the state is refused, so is it.
  // Whatever may write waits for the word that the state is right.
  if (syncs > 0 && (work.statement.access == routing::Access::write || work.streamed)) {
    link->flush();
    const RelayEnd end = co_await relay_.wait_sync();
    if (end != RelayEnd::complete) co_return end;
    link->image = wanted_;
    if (variables) link->user_variables = user_variables_;
  }
  if (kill_requested_) {
    // The KILL came while the link was being made ready: nothing more goes out.
    link->flush();
    const RelayEnd end = co_await relay_.wait_sync();
    if (end != RelayEnd::complete) co_return end;
    link->image = wanted_;
    if (variables) link->user_variables = user_variables_;
    refuse(protocol::server_error::query_interrupted, "70100", "Query execution was interrupted");
    co_return RelayEnd::refused;
  }
  link->user = record_.id;
  if (work.statement.effects.has(routing::Effect::speaks_of_previous) && !own_answers_.empty()) {
    const error_code error = co_await tell_own_answers(link);
    if (error) co_return RelayEnd::lost;
  }
  routing::Pins pins = routing::pins_of(work.statement);
  pins.remove(routing::Pin::user_variable);  // these are asked for and replayed
  pins_.merge(pins);
  forget_pins();
  if (pins_.any() && home_ == nullptr) home_ = &slot;
  const RelayEnd sent = co_await send(work, link);
  if (sent != RelayEnd::complete) co_return sent;
  // It will not be sent again, and the client may have a file to send behind it. Only a
  // read-only transaction may have to move, to the primary.
  if (work.statement.access == routing::Access::write &&
      (!in_transaction_on_replica() || work.statement.effects.has(routing::Effect::load_local))) {
    consume_command(work);
  }
  const RelayEnd end = co_await relay_.wait(link);
  if (end == RelayEnd::complete && syncs > 0 && work.statement.access == routing::Access::read)
    link->image = wanted_;
  if (end == RelayEnd::complete && variables && work.statement.access == routing::Access::read)
    link->user_variables = user_variables_;
  co_return end;
}

/// What the client is answered with instead of a reply.
void StatementRunner::refuse(std::uint16_t code, std::string_view state, std::string_view message) {
  protocol::Buffer packet;
  const protocol::ErrPacket err{code, state, message};
  protocol::append_err(packet, err, capabilities_, 0);
  refusal_.assign(packet.begin() + packet_header_size, packet.end());
}

Task<RelayEnd> StatementRunner::send(Work& work, std::shared_ptr<Link> link) {
  if (link->closed()) co_return RelayEnd::lost;
  link->sent_main = true;
  for (const std::uint32_t id : std::exchange(to_close_, {})) {
    scratch_.clear();
    protocol::append_stmt_close(scratch_, id);
    link->send(scratch_, protocol::ReplyKind::none, nullptr, 0);
  }
  if (work.streamed) co_return co_await stream_command(work, link);
  send_on(work, *link);
  link->flush();
  co_return RelayEnd::complete;
}

/// Queues the command as it is in the buffer, with the link's own statement id.
void StatementRunner::send_on(Work& work, Link& link) {
  const protocol::Bytes packets = work.replacement.empty() ? client_.input().first(work.buffered)
                                                           : protocol::Bytes(work.replacement);
  if (work.how == Work::How::prepare) relay_.expect_prepare(work.prepared->id);
  if (work.prepared != nullptr && work.how != Work::How::prepare) {
    const bool its_own =
        work.wants_cursor || work.prepared->sends_long_data || work.how == Work::How::fetch;
    scratch_.clear();
    const std::string own_key = its_own ? work.prepared->key_of_its_own() : std::string();
    write_execute(work, link, its_own ? own_key : work.prepared->key, scratch_);
    link.send(scratch_, work.kind, &relay_, Relay::main_tag);
  } else {
    link.send(packets, work.kind, &relay_, Relay::main_tag);
  }
}

Task<RelayEnd> StatementRunner::stream_command(Work& work, std::shared_ptr<Link> link) {
  if (work.how == Work::How::prepare) relay_.expect_prepare(work.prepared->id);
  if (work.how == Work::How::execute) {
    const bool its_own = work.wants_cursor || work.prepared->sends_long_data;
    PreparedCache::Entry* entry =
        link->prepared.find(its_own ? work.prepared->key_of_its_own() : work.prepared->key);
    const std::uint32_t server_id = entry == nullptr ? 0 : entry->server_id;
    protocol::rewrite_statement_id(
        std::span(client_.input_data() + packet_header_size, statement_id_end), server_id);
    if (const auto types = bound_types(work))
      work.prepared->types.assign(types->begin(), types->end());
    if (entry != nullptr) entry->types = work.prepared->types;
  }
  link->begin(work.kind, work.kind == protocol::ReplyKind::none ? nullptr : &relay_,
              Relay::main_tag);
  for (bool more = true; more;) {
    error_code error = co_await client_.fill_to(packet_header_size);
    if (error) co_return RelayEnd::client_gone;
    const auto header = protocol::decode_header(client_.input().data());
    std::size_t left = packet_header_size + header.payload_size;
    while (left > 0) {
      if (client_.input().empty()) error = co_await client_.fill();
      if (error) co_return RelayEnd::client_gone;
      const std::size_t part = std::min(left, client_.input().size());
      link->send_more(client_.input().first(part));
      client_.consume(part);
      left -= part;
      co_await link->room();
    }
    more = header.continues();
    work.last_sequence = header.sequence;
    if (!more) link->end(static_cast<std::uint8_t>(header.sequence + 1));
  }
  work.streamed = false;
  work.buffered = 0;
  link->flush();
  co_return RelayEnd::complete;
}

unsigned StatementRunner::queue_sync(Link& link, const routing::StateVector& wanted,
                                     bool previous_id) {
  unsigned count = 0;
  const auto queue = [&](Command command, std::string_view text) {
    scratch_.clear();
    protocol::append_command(scratch_, command, text, link.facts().capabilities);
    link.send(scratch_, protocol::reply_kind_of(command), &relay_, Relay::sync_tag);
    ++count;
  };
  if (link.image.schema != wanted.schema && !wanted.schema.empty() && !forgets("schema"))
    queue(Command::init_db, wanted.schema);
  if (link.image.variables() != wanted.variables() && !forgets("variables")) {
    const std::string statement =
        routing::difference(link.image, wanted, link.role(), link.baseline);
    if (!statement.empty()) queue(Command::query, statement);
  }
  if (previous_id && !forgets("insert_id")) {
    queue(Command::query, "SET SESSION last_insert_id=" + std::to_string(insert_id_->value));
    link.insert_id = insert_id_->value;
  }
  // The caller sets the image when the state is known to be there: the trackers
  // show what DEFAULT stands for, and would make it look different from `wanted`.
  add(worker_.shared().counters.state_syncs, count);
  return count;
}

/// Empties the diagnostics area: what another session left there must not show in
/// SHOW WARNINGS. MariaDB does so only for statements that use a table.
unsigned StatementRunner::queue_clearing(Link& link) {
  scratch_.clear();
  protocol::append_command(scratch_, Command::query, clearing_statement, link.facts().capabilities);
  link.send(scratch_, protocol::ReplyKind::query, &relay_, Relay::sync_tag);
  link.has_conditions = false;
  return 1;
}

/// Leaves the link as a read of `previous_rows_` rows does that went well elsewhere:
/// for FOUND_ROWS(), ROW_COUNT() and SHOW WARNINGS.
unsigned StatementRunner::queue_previous(Link& link) {
  static constexpr std::string_view digits =
      "(SELECT 0 n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 "
      "UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL "
      "SELECT 9) ";
  std::string from;
  std::string number;
  std::uint64_t reach = 1;
  for (char name = 'a'; reach == 1 || reach < *previous_rows_; ++name, reach *= 10) {
    from += reach == 1 ? "" : ", ";
    from += digits;
    from += name;
    number += reach == 1 ? "" : "+";
    number += name;
    number += ".n*" + std::to_string(reach);
  }
  scratch_.clear();
  protocol::append_command(
      scratch_, Command::query,
      "SELECT 0 FROM " + from + " WHERE " + number + " < " + std::to_string(*previous_rows_),
      link.facts().capabilities);
  link.send(scratch_, protocol::ReplyKind::query, &relay_, Relay::sync_tag);
  link.has_conditions = false;
  return 1;
}

unsigned StatementRunner::queue_user_variables(Link& link) {
  const std::string statement = difference(link.user_variables, user_variables_);
  if (statement.empty() || forgets("user_variables")) return 0;
  scratch_.clear();
  protocol::append_command(scratch_, Command::query, statement, link.facts().capabilities);
  link.send(scratch_, protocol::ReplyKind::query, &relay_, Relay::sync_tag);
  add(worker_.shared().counters.state_syncs);
  return 1;
}

Task<error_code> StatementRunner::sync_now(std::shared_ptr<Link> link,
                                           const routing::StateVector& wanted) {
  relay_.begin(capabilities_, link->flavour());
  const unsigned syncs = queue_sync(*link, wanted, false);
  relay_.expect_syncs(syncs);
  link->flush();
  const RelayEnd end = co_await relay_.wait_sync();
  switch (end) {
    case RelayEnd::complete: link->image = wanted; co_return error_code{};
    case RelayEnd::sync_failed:
      refusal_ = relay_.sync_error();
      link->close();
      co_return asio::error::operation_aborted;
    default: co_return asio::error::connection_reset;
  }
}

}  // namespace sluice::proxy
