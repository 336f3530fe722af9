/// The packets of the connection phase, both ways.
///
/// `encode_*` append a payload (without packet header) to `out`; `decode_*`
/// read one. Texts are bytes as they came: no charset is assumed.
///
/// Errors: Errc::truncated, malformed, too_large; Errc::unsupported_protocol
/// for protocol versions other than 10 and for clients from before 4.1.
/// Lifetime: decoded structs own what they hold.
/// Source: MySQL internals manual, "Connection Phase Packets" and
/// "COM_CHANGE_USER"; MariaDB knowledge base, "Connecting".
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "protocol/constants.hpp"
#include "protocol/error.hpp"
#include "protocol/password.hpp"

namespace sluice::protocol {

namespace auth_plugin {
inline constexpr std::string_view native = "mysql_native_password";
inline constexpr std::string_view caching_sha2 = "caching_sha2_password";
inline constexpr std::string_view sha256 = "sha256_password";
inline constexpr std::string_view clear = "mysql_clear_password";
inline constexpr std::string_view old = "mysql_old_password";
}  // namespace auth_plugin

/// Bits that change what later packets look like, or what later commands may
/// do; the others concern the login alone. Links are pooled by these.
inline constexpr Capabilities result_shaping_capabilities =
    capability::found_rows | capability::no_schema | capability::odbc | capability::local_files |
    capability::ignore_space | capability::interactive | capability::transactions |
    capability::multi_statements | capability::multi_results | capability::ps_multi_results |
    capability::session_track | capability::deprecate_eof |
    capability::optional_resultset_metadata | capability::query_attributes |
    capability::mariadb_progress | capability::mariadb_stmt_bulk |
    capability::mariadb_extended_metadata | capability::mariadb_cache_metadata |
    capability::mariadb_bulk_unit_results;

/// What a server says first (HandshakeV10).
struct Greeting {
  std::string server_version;
  std::uint32_t connection_id = 0;
  Nonce nonce{};
  /// With `long_password` clear, bits 32 and up are MariaDB's and travel too.
  Capabilities capabilities = 0;
  std::uint8_t collation = 45;  ///< the low byte of the server's default
  std::uint16_t status = status::autocommit;
  std::string auth_plugin;  ///< empty if the server has no plugins

  bool operator==(const Greeting&) const = default;
};

void encode_greeting(const Greeting& greeting, Buffer& out);
[[nodiscard]] Result<Greeting> decode_greeting(Bytes payload);

/// Connection attributes (`_client_name` and the like).
using Attributes = std::vector<std::pair<std::string, std::string>>;

/// Servers refuse more than this.
inline constexpr std::size_t max_attributes_size = 64 * 1024;

/// What a client answers (HandshakeResponse41).
struct HandshakeResponse {
  Capabilities capabilities = 0;  ///< decides which of the fields below travel
  std::uint32_t max_packet = 1U << 24;
  std::uint8_t collation = 45;
  std::string user;
  Buffer auth_response;
  std::string schema;
  std::string auth_plugin;
  Buffer raw_attributes;  ///< the pairs as sent, without the length in front; encode sends these
  Attributes attributes;  ///< the same, decoded; not looked at by encode
  std::uint8_t zstd_level = 0;

  bool operator==(const HandshakeResponse&) const = default;
};

void encode_handshake_response(const HandshakeResponse& response, Buffer& out);
[[nodiscard]] Result<HandshakeResponse> decode_handshake_response(Bytes payload);

/// Pairs of length-encoded strings, as in `raw_attributes`.
void encode_attributes(const Attributes& attributes, Buffer& out);
[[nodiscard]] Result<Attributes> decode_attributes(Bytes raw);

/// The first 32 bytes of a HandshakeResponse, sent alone ahead of TLS.
struct SslRequest {
  Capabilities capabilities = capability::ssl | capability::protocol_41;
  std::uint32_t max_packet = 1U << 24;
  std::uint8_t collation = 45;

  bool operator==(const SslRequest&) const = default;
};

/// True if the payload is an SSLRequest rather than a HandshakeResponse.
[[nodiscard]] bool is_ssl_request(Bytes payload) noexcept;
void encode_ssl_request(const SslRequest& request, Buffer& out);
[[nodiscard]] Result<SslRequest> decode_ssl_request(Bytes payload);

/// "Answer again, with this plugin and this nonce." A payload of one byte means
/// the method from before 4.1 and decodes as `mysql_old_password`.
struct AuthSwitchRequest {
  std::string auth_plugin;
  Buffer data;  ///< for our plugins the nonce; a closing NUL travels but is not kept

  bool operator==(const AuthSwitchRequest&) const = default;
};

void encode_auth_switch_request(const AuthSwitchRequest& request, Buffer& out);
[[nodiscard]] Result<AuthSwitchRequest> decode_auth_switch_request(Bytes payload);

/// Plugin data from the server (0x01). The view points into the payload. The
/// client's answers (AuthSwitchResponse and later ones) are bare bytes.
void encode_auth_more_data(Bytes data, Buffer& out);
[[nodiscard]] Result<Bytes> decode_auth_more_data(Bytes payload);

/// COM_CHANGE_USER, with its command byte.
struct ChangeUser {
  std::string user;
  Buffer auth_response;
  std::string schema;
  std::uint16_t collation = 45;  ///< 0 if the client sent none
  std::string auth_plugin;
  Buffer raw_attributes;
  Attributes attributes;

  bool operator==(const ChangeUser&) const = default;
};

/// `capabilities`: those agreed on at login; they decide the fields.
void encode_change_user(const ChangeUser& change, Capabilities capabilities, Buffer& out);
[[nodiscard]] Result<ChangeUser> decode_change_user(Bytes payload, Capabilities capabilities);

}  // namespace sluice::protocol
