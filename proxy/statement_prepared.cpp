/// StatementRunner's prepared statements: known to the link before they are executed there,
/// with the link's ids and the types of their parameters.

#include "protocol/bulk.hpp"
#include "protocol/command.hpp"
#include "proxy/internal_query.hpp"
#include "proxy/planted_bugs.hpp"
#include "proxy/statement_runner.hpp"

namespace sluice::proxy {
namespace {

using protocol::Command;
using protocol::packet_header_size;

/// Where the statement id of a stmt_* payload ends.
constexpr std::size_t statement_id_end = 1 + 4;

}  // namespace

/// The types that an execute binds, single or bulk; nothing if it binds none. Of a long
/// command its beginning is enough.
std::optional<protocol::Bytes> StatementRunner::bound_types(const Work& work) const {
  const std::uint16_t count = work.prepared->parameters;
  if (work.command == nullptr || count == 0) return std::nullopt;
  if (work.command->command == Command::mariadb_stmt_bulk_execute) {
    if (!protocol::binds_types(*work.command)) return std::nullopt;
    return protocol::bulk_types(*work.command, count);
  }
  const auto parameters = protocol::parse_execute_parameters(*work.command, count, capabilities_);
  if (!parameters || !parameters->types_bound) return std::nullopt;
  return parameters->types;
}

/// False if the command's parameters cannot be read: the server will say so.
bool StatementRunner::append_with_types(const protocol::ClientCommand& command,
                                        const PreparedStatement& prepared, std::uint32_t server_id,
                                        protocol::Buffer& out) const {
  protocol::Buffer payload;
  if (command.command == Command::mariadb_stmt_bulk_execute) {
    protocol::append_bulk_with_types(payload, command, server_id, prepared.types);
  } else {
    const auto parameters =
        protocol::parse_execute_parameters(command, prepared.parameters, capabilities_);
    if (!parameters) return false;
    protocol::append_execute_with_types(payload, command, *parameters, server_id, prepared.types);
  }
  protocol::append_packet(out, payload, 0);
  return true;
}

/// The command's packets with the link's id, and with the types if this server
/// statement has not heard them (or has heard others) and the client left them out.
void StatementRunner::write_execute(Work& work, Link& link, const std::string& key,
                                    protocol::Buffer& out) {
  const protocol::Bytes packets = client_.input().first(work.buffered);
  PreparedCache::Entry* entry = link.prepared.find(key);
  const std::uint32_t server_id = entry == nullptr ? 0 : entry->server_id;
  PreparedStatement& prepared = *work.prepared;
  if (work.how == Work::How::execute && entry != nullptr) {
    const auto bound = bound_types(work);
    if (bound) prepared.types.assign(bound->begin(), bound->end());
    const bool lacks_types =
        !bound && entry->types != prepared.types && !prepared.types.empty() && !forgets("prepared");
    entry->types = prepared.types;
    if (lacks_types && append_with_types(*work.command, prepared, server_id, out)) return;
  }
  out.insert(out.end(), packets.begin(), packets.end());
  protocol::rewrite_statement_id(std::span(out).subspan(packet_header_size), server_id);
}

Task<error_code> StatementRunner::ensure_prepared(PreparedStatement& prepared,
                                                  std::shared_ptr<Link> link,
                                                  const std::string& key) {
  if (link->prepared.find(key) != nullptr) co_return error_code{};
  // Another state comes over the present one.
  co_await settle_state();
  // Names resolve as they did when the client prepared it; a transaction stays as it is.
  routing::StateVector state = prepared.state;
  for (const std::string_view name : routing::transaction_variables) {
    state.erase(name);
    if (const std::string* value = link->image.find(name)) state.set(name, *value);
  }
  error_code error = co_await sync_now(link, state);
  if (error) co_return error;
  InternalQuery query(worker_.executor());
  error = co_await query.run(link, prepared.sql, Command::stmt_prepare);
  if (error) co_return error;
  if (query.refusal() || !query.prepared()) {
    refusal_ = query.refusal_payload();
    co_return asio::error::operation_aborted;
  }
  link->prepared.insert(key, query.prepared()->statement_id, to_close_);
  co_return error_code{};
}

void StatementRunner::note_prepared(Work& work, Link& link) {
  if (relay_.summary().failed || !relay_.prepared()) return;
  work.prepared->parameters = relay_.prepared()->parameters;
  work.prepared->columns = relay_.prepared()->columns;
  link.prepared.insert(work.prepared->key, relay_.prepared()->statement_id, to_close_);
  for (const std::uint32_t id : std::exchange(to_close_, {})) {
    scratch_.clear();
    protocol::append_stmt_close(scratch_, id);
    link.send(scratch_, protocol::ReplyKind::none, nullptr, 0);
  }
  link.flush();
}

Task<Next> StatementRunner::send_long_data(Work& work) {
  PreparedStatement& prepared = *work.prepared;
  const auto until = Clock::now() + worker_.shared().settings->failover.hold;
  Slot* slot = bound() ? home_ : nullptr;
  if (slot == nullptr || !slot->place) {
    const auto& topology = *worker_.topology();
    if (topology.primary)
      co_await obtain(primary_, *topology.primary, routing::LinkRole::primary, until);
    slot = &primary_;
  }
  const InUse in_use(in_use_, *slot);
  bool ready = slot->place && !slot->place->closed();
  if (ready) {
    const std::string key = prepared.key_of_its_own();
    error_code error = co_await ensure_prepared(prepared, slot->place.link(), key);
    if (!error) error = co_await sync_now(slot->place.link(), wanted_);
    ready = !error;
    if (ready) {
      prepared.sends_long_data = true;
      pins_.add(routing::Pin::long_data);
      if (home_ == nullptr) home_ = slot;
      slot->place->user = record_.id;
      const auto* entry = slot->place->prepared.find(key);
      protocol::rewrite_statement_id(
          std::span(client_.input_data() + packet_header_size, statement_id_end),
          entry == nullptr ? 0 : entry->server_id);
      work.kind = protocol::ReplyKind::none;
      work.how = Work::How::plain;
      const RelayEnd end = co_await stream_command(work, slot->place.link());
      co_return end == RelayEnd::client_gone ? Next::close : Next::go_on;
    }
  }
  // There is no reply to carry an error: the execute will find the pieces missing.
  prepared.sends_long_data = true;
  pins_.add(routing::Pin::long_data);
  co_return co_await skip_rest(work);
}

void StatementRunner::close_statement(PreparedStatement& statement) {
  reset_statement(statement);
  statements_.erase(statement.id);
}

void StatementRunner::reset_statement(PreparedStatement& statement) {
  if (!statement.sends_long_data && !statement.has_cursor) return;
  if (home_ != nullptr && home_->place && !home_->place->closed()) {
    Link& link = *home_->place;
    std::vector<std::uint32_t> ids;
    link.prepared.erase(statement.key_of_its_own(), ids);
    for (const std::uint32_t id : ids) {
      scratch_.clear();
      protocol::append_stmt_close(scratch_, id);
      link.send(scratch_, protocol::ReplyKind::none, nullptr, 0);
    }
    link.flush();
  }
  statement.sends_long_data = statement.has_cursor = false;
  lift_statement_pins();
  if (!bound()) home_ = nullptr;
  show();
}

}  // namespace sluice::proxy
