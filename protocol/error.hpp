/// What can be wrong with bytes that a peer sent, and how functions say so.
///
/// A peer may lie, so decoders return `Result<T>` and never throw. The codes
/// are for logs and tests; what a client is told is an ERR packet (response.hpp).
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

namespace sluice::protocol {

enum class Errc : int {
  truncated = 1,            ///< the payload ends before the field does
  malformed,                ///< a field holds a value that the protocol does not allow
  out_of_sequence,          ///< a packet's sequence number is not the next one
  too_large,                ///< a packet or field exceeds its limit
  unexpected_packet,        ///< a valid packet at a place where it cannot stand
  unsupported_protocol,     ///< the peer speaks another version of the protocol
  unsupported_auth_plugin,  ///< the peer asks for an authentication method we do not have
  authentication_failed,    ///< the peer's proof of the password is wrong
  tls_required,             ///< one side insists on TLS and the other does not offer it
  crypto_failed,            ///< OpenSSL refused; should not happen
  refused,                  ///< a backend answered the login with an ERR packet
};

[[nodiscard]] const boost::system::error_category& protocol_category() noexcept;
[[nodiscard]] boost::system::error_code make_error_code(Errc code) noexcept;

/// A value or an error code; checked before it is used.
template <class T>
using Result = boost::system::result<T>;

}  // namespace sluice::protocol

template <>
struct boost::system::is_error_code_enum<sluice::protocol::Errc> : std::true_type {};
