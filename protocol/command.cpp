#include "protocol/command.hpp"

#include <cassert>

#include "protocol/packet.hpp"
#include "protocol/resultset.hpp"

namespace sluice::protocol {
namespace {

constexpr std::uint64_t max_parameters = 65'535;
constexpr std::size_t type_size = 2;

/// Takes `count` parameter types, with their names where the peers use them.
Bytes take_types(Reader& reader, std::uint64_t count, bool named) noexcept {
  if (!named) return reader.take(static_cast<std::size_t>(count) * type_size);
  const Bytes before = reader.rest();
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    reader.take(type_size);
    reader.lenenc_bytes();
  }
  return reader.ok() ? before.first(before.size() - reader.rest().size()) : Bytes{};
}

bool is_null(Bytes bitmap, std::size_t index) noexcept {
  return (bitmap[index / 8] & (1U << (index % 8))) != 0;
}

bool is_served(Command command, Capabilities capabilities) noexcept {
  switch (command) {
    case Command::quit:
    case Command::init_db:
    case Command::query:
    case Command::field_list:
    case Command::statistics:
    case Command::process_kill:
    case Command::debug:
    case Command::ping:
    case Command::change_user:
    case Command::stmt_prepare:
    case Command::stmt_execute:
    case Command::stmt_send_long_data:
    case Command::stmt_close:
    case Command::stmt_reset:
    case Command::set_option:
    case Command::stmt_fetch:
    case Command::reset_connection: return true;
    case Command::mariadb_stmt_bulk_execute:
      return (capabilities & capability::mariadb_stmt_bulk) != 0;
    default: return false;
  }
}

void append_statement_command(Buffer& out, Command command, std::uint32_t statement) {
  Buffer payload;
  Writer(payload).int1(static_cast<std::uint8_t>(command)).int4(statement);
  append_packet(out, payload, 0);
}

}  // namespace

Result<QueryAttributes> take_query_attributes(Reader& reader) {
  QueryAttributes attributes;
  const Bytes before = reader.rest();
  const std::uint64_t count = reader.lenenc();
  const std::uint64_t sets = reader.lenenc();
  if (!reader.ok()) return Errc::truncated;
  if (sets != 1 || count > max_parameters) return Errc::malformed;
  attributes.count_ = static_cast<std::size_t>(count);
  if (count > 0) {
    attributes.null_bitmap_ = reader.take((attributes.count_ + 7) / 8);
    const std::uint8_t types_bound = reader.int1();
    if (!reader.ok()) return Errc::truncated;
    // Types cannot have been bound earlier: a query has no earlier.
    if (types_bound == 0) return Errc::malformed;
    attributes.types_ = take_types(reader, count, true);
    if (!reader.ok()) return Errc::truncated;

    const Bytes values = reader.rest();
    Reader types(attributes.types_);
    for (std::size_t i = 0; i < attributes.count_; ++i) {
      const auto type = static_cast<ColumnType>(types.int1());
      types.int1();
      types.lenenc_bytes();
      if (!is_null(attributes.null_bitmap_, i)) take_binary_value(reader, type);
    }
    if (!reader.ok()) return Errc::truncated;
    attributes.values_ = values.first(values.size() - reader.rest().size());
  }
  attributes.block_ = before.first(before.size() - reader.rest().size());
  return attributes;
}

std::optional<std::string_view> QueryAttributes::text(std::string_view name) const noexcept {
  Reader types(types_);
  Reader values(values_);
  for (std::size_t i = 0; i < count_; ++i) {
    const auto type = static_cast<ColumnType>(types.int1());
    types.int1();
    const bool wanted = types.lenenc_text() == name;
    if (is_null(null_bitmap_, i)) {
      if (wanted) return std::nullopt;
      continue;
    }
    if (wanted && is_string_type(type)) return values.lenenc_text();
    if (wanted) return std::nullopt;
    take_binary_value(values, type);
  }
  return std::nullopt;
}

Result<ClientCommand> decode_command(Bytes payload, Capabilities capabilities) {
  ClientCommand decoded;
  // Servers take an empty packet for SLEEP, which nobody may send.
  if (payload.empty()) return decoded;

  Reader reader(payload);
  decoded.command = static_cast<Command>(reader.int1());
  decoded.known = is_served(decoded.command, capabilities);
  decoded.rest = reader.rest();
  if (!decoded.known) return decoded;

  switch (decoded.command) {
    case Command::query:
      if ((capabilities & capability::query_attributes) != 0) {
        const Result<QueryAttributes> attributes = take_query_attributes(reader);
        if (!attributes) return attributes.error();
        decoded.attributes = *attributes;
      }
      decoded.text = as_text(reader.take_rest());
      break;
    case Command::init_db:
    case Command::stmt_prepare: decoded.text = as_text(reader.take_rest()); break;
    case Command::field_list:
      decoded.text = reader.nul_text();
      decoded.wildcard = as_text(reader.take_rest());
      // Some clients end the wildcard with a NUL.
      if (decoded.wildcard.ends_with('\0')) decoded.wildcard.remove_suffix(1);
      break;
    case Command::process_kill: decoded.connection = reader.int4(); break;
    case Command::set_option: decoded.option = reader.int2(); break;
    case Command::stmt_close:
    case Command::stmt_reset: decoded.statement = reader.int4(); break;
    case Command::stmt_fetch:
      decoded.statement = reader.int4();
      decoded.rows = reader.int4();
      break;
    case Command::stmt_send_long_data:
      decoded.statement = reader.int4();
      decoded.parameter = reader.int2();
      decoded.rest = reader.take_rest();
      break;
    case Command::stmt_execute:
      decoded.statement = reader.int4();
      decoded.flags = reader.int1();
      reader.int4();
      decoded.rest = reader.take_rest();
      break;
    case Command::mariadb_stmt_bulk_execute:
      decoded.statement = reader.int4();
      decoded.bulk_flags = reader.int2();
      decoded.rest = reader.take_rest();
      break;
    default: break;
  }
  if (!reader.ok()) return Errc::truncated;
  return decoded;
}

ReplyKind reply_kind_of(Command command) noexcept {
  switch (command) {
    case Command::quit:
    case Command::stmt_close:
    case Command::stmt_send_long_data: return ReplyKind::none;
    case Command::query:
    case Command::process_info: return ReplyKind::query;
    case Command::stmt_prepare: return ReplyKind::prepare;
    case Command::stmt_execute:
    case Command::mariadb_stmt_bulk_execute: return ReplyKind::execute;
    case Command::stmt_fetch: return ReplyKind::fetch;
    case Command::field_list: return ReplyKind::field_list;
    case Command::statistics: return ReplyKind::statistics;
    default: return ReplyKind::simple;
  }
}

std::uint8_t append_command(Buffer& out, Command command, std::string_view text,
                            Capabilities capabilities) {
  Buffer payload;
  payload.reserve(text.size() + 3);
  Writer writer(payload);
  writer.int1(static_cast<std::uint8_t>(command));
  // No attributes, in one set.
  if (command == Command::query && (capabilities & capability::query_attributes) != 0)
    writer.lenenc(0).lenenc(1);
  writer.text(text);
  return append_packet(out, payload, 0);
}

void append_stmt_close(Buffer& out, std::uint32_t statement) {
  append_statement_command(out, Command::stmt_close, statement);
}

void append_stmt_reset(Buffer& out, std::uint32_t statement) {
  append_statement_command(out, Command::stmt_reset, statement);
}

void rewrite_statement_id(std::span<std::uint8_t> payload, std::uint32_t statement) noexcept {
  assert(payload.size() >= 5 && "no room for a statement id");
  for (std::size_t i = 0; i < 4; ++i)
    payload[1 + i] = static_cast<std::uint8_t>(statement >> (8 * i));
}

Result<ExecuteParameters> parse_execute_parameters(const ClientCommand& execute,
                                                   std::uint16_t prepared,
                                                   Capabilities capabilities) {
  const bool attributes = (capabilities & capability::query_attributes) != 0;
  ExecuteParameters parameters;
  // As the server decides it: sql/protocol_classic.cc, parse_packet.
  if (prepared == 0 &&
      !(attributes && (execute.flags & execute_flag::parameter_count_available) != 0))
    return parameters;

  Reader reader(execute.rest);
  parameters.count = prepared;
  if (attributes) {
    parameters.count = reader.lenenc();
    parameters.count_sent = true;
    if (!reader.ok()) return Errc::truncated;
    if (parameters.count > max_parameters) return Errc::malformed;
  }
  if (parameters.count == 0) return parameters;
  parameters.null_bitmap = reader.take(static_cast<std::size_t>((parameters.count + 7) / 8));
  parameters.types_bound = reader.int1() != 0;
  if (parameters.types_bound) parameters.types = take_types(reader, parameters.count, attributes);
  if (!reader.ok()) return Errc::truncated;
  parameters.values = reader.take_rest();
  return parameters;
}

void append_execute_with_types(Buffer& out, const ClientCommand& execute,
                               const ExecuteParameters& parameters, std::uint32_t statement,
                               Bytes types) {
  Writer writer(out);
  writer.int1(static_cast<std::uint8_t>(Command::stmt_execute)).int4(statement);
  writer.int1(execute.flags).int4(1);  // iteration count, always 1
  if (parameters.count_sent) writer.lenenc(parameters.count);
  if (parameters.count == 0) return;
  writer.bytes(parameters.null_bitmap).int1(1).bytes(types).bytes(parameters.values);
}

}  // namespace sluice::protocol
