/// What a client asks for: the first packet of a command, taken apart.
///
/// `decode_command` looks at the payload of a command's first packet. A longer
/// command continues in further packets that are passed on unread; then
/// `text` is the part of the statement that the first packet holds.
///
/// Errors: truncated, malformed. An unknown command byte is no error here,
/// nor is an empty payload: they have `known == false`.
/// Lifetime: views point into the payload.
/// Source: MySQL client/server protocol, "Command Phase"; MariaDB knowledge
/// base, "COM_STMT_BULK_EXECUTE".
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "protocol/bytes.hpp"
#include "protocol/constants.hpp"
#include "protocol/error.hpp"
#include "protocol/response_tracker.hpp"

namespace sluice::protocol {

/// Flag bits of STMT_EXECUTE.
namespace execute_flag {
inline constexpr std::uint8_t cursor_read_only = 0x01;
inline constexpr std::uint8_t cursor_for_update = 0x02;
inline constexpr std::uint8_t cursor_scrollable = 0x04;
inline constexpr std::uint8_t any_cursor = 0x07;
inline constexpr std::uint8_t parameter_count_available = 0x08;
}  // namespace execute_flag

/// MariaDB: the id of the statement prepared last on the connection.
inline constexpr std::uint32_t last_prepared_statement = 0xffffffff;

/// Query attributes as the client sent them; checked when decoded.
class QueryAttributes {
 public:
  QueryAttributes() noexcept = default;

  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  /// Everything between the command byte and the statement, counts included,
  /// so that it can be passed on as it is. Empty without query_attributes.
  [[nodiscard]] Bytes block() const noexcept { return block_; }
  /// The value of the first attribute of this name, if it has a string type
  /// and is not NULL.
  [[nodiscard]] std::optional<std::string_view> text(std::string_view name) const noexcept;

 private:
  friend Result<QueryAttributes> take_query_attributes(Reader& reader);
  Bytes block_;
  Bytes null_bitmap_;
  Bytes types_;
  Bytes values_;
  std::size_t count_ = 0;
};

/// Reads the attribute block in front of a statement.
[[nodiscard]] Result<QueryAttributes> take_query_attributes(Reader& reader);

/// One command. Fields beyond `command` are set for the commands named.
struct ClientCommand {
  Command command = Command::sleep;
  bool known = false;  ///< one that is served; anything else gets error 1047

  std::string_view text;         ///< query, stmt_prepare: SQL; init_db: schema; field_list: table
  QueryAttributes attributes;    ///< query, under query_attributes
  std::string_view wildcard;     ///< field_list
  std::uint32_t statement = 0;   ///< stmt_*, mariadb_stmt_bulk_execute
  std::uint8_t flags = 0;        ///< stmt_execute: namespace execute_flag
  std::uint16_t bulk_flags = 0;  ///< mariadb_stmt_bulk_execute
  std::uint16_t parameter = 0;   ///< stmt_send_long_data
  std::uint32_t rows = 0;        ///< stmt_fetch
  std::uint32_t connection = 0;  ///< process_kill
  std::uint16_t option = 0;      ///< set_option: 0 multi-statements on, 1 off
  Bytes rest;  ///< stmt_execute: behind the iteration count; change_user and others: everything
               ///< behind the command byte

  [[nodiscard]] bool wants_cursor() const noexcept {
    return command == Command::stmt_execute && (flags & execute_flag::any_cursor) != 0;
  }
};

[[nodiscard]] Result<ClientCommand> decode_command(Bytes payload, Capabilities capabilities);

/// The shape of the reply. CHANGE_USER answers with a login dialogue instead
/// (client_login, backend_login), and its kind is `simple` for its last packet.
[[nodiscard]] ReplyKind reply_kind_of(Command command) noexcept;

/// Appends `command` with `text` behind it as packets from sequence 0 on;
/// returns the sequence number of the reply's first packet. Under
/// query_attributes a query gets an empty attribute block.
std::uint8_t append_command(Buffer& out, Command command, std::string_view text = {},
                            Capabilities capabilities = 0);
void append_stmt_close(Buffer& out, std::uint32_t statement);
void append_stmt_reset(Buffer& out, std::uint32_t statement);
/// Overwrites the id in a stmt_* payload (at offset 1) of at least five bytes.
void rewrite_statement_id(std::span<std::uint8_t> payload, std::uint32_t statement) noexcept;

/// Where the parts of STMT_EXECUTE's parameters are.
struct ExecuteParameters {
  std::uint64_t count = 0;   ///< as sent under query_attributes, else as prepared
  bool count_sent = false;   ///< the payload has the count in front
  Bytes null_bitmap;         ///< (count + 7) / 8 bytes
  bool types_bound = false;  ///< the client says what the types are
  Bytes types;               ///< empty unless types_bound: 2 bytes for each parameter, and its
                             ///< name under query_attributes
  Bytes values;              ///< up to the end of the payload (or of its first packet)
};

/// `execute` is a decoded stmt_execute; `prepared` the number of parameters
/// that PREPARE_OK reported.
[[nodiscard]] Result<ExecuteParameters> parse_execute_parameters(const ClientCommand& execute,
                                                                 std::uint16_t prepared,
                                                                 Capabilities capabilities);

/// Appends a STMT_EXECUTE payload (no packet header) equal to `execute` but
/// with `statement` as its id and with `types` bound: what a client may leave
/// out once it has sent them, another link has yet to hear. `types` must have
/// been parsed under the capabilities of both connections.
void append_execute_with_types(Buffer& out, const ClientCommand& execute,
                               const ExecuteParameters& parameters, std::uint32_t statement,
                               Bytes types);

}  // namespace sluice::protocol
