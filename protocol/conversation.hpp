/// What a multi-step dialogue wants its driver to do next.
///
/// A conversation is a machine without I/O. The driver calls `start()`, does
/// what the returned `Want` says, reports it, and so on until `done` or
/// `failed`:
///
///   read       read exactly one packet, call `on_packet(payload, sequence)`
///   write      send all of `outgoing()`, call `on_written()`
///   start_tls  run the TLS handshake on the transport, call `on_tls()`
///   done       over; the machine's own accessors tell the result
///   failed     over; `error()` tells why. If `outgoing()` is not empty it holds
///              an ERR packet for the peer: send it, then close.
///
/// Shapes: `outgoing()` holds complete packets with their headers. `payload`
/// is without header. A login packet never exceeds `max_login_payload`: a
/// driver that meets a larger header should not read the body, but call
/// `on_packet` with an empty payload, or simply close.
/// TLS: on `start_tls` every byte that was read beyond the last packet belongs
/// to the TLS handshake (a client may send its first flight early) and must be
/// handed to it; it must never be taken as a packet.
/// Errors: a peer's mistake ends in `failed`, never in an exception. Calls that
/// do not answer the last `Want` are the driver's mistake and assert.
/// Secrets: over a secure channel a payload or `outgoing()` may hold a password in
/// clear: machines wipe theirs, drivers should wipe or reuse their buffers.
/// Lifetime: `outgoing()` is valid until the next call on the machine.
/// Thread: one at a time. No clocks, no logging, no randomness of their own.
#pragma once

#include <boost/system/error_code.hpp>
#include <concepts>
#include <cstdint>

#include "protocol/bytes.hpp"

namespace sluice::protocol {

enum class Want : std::uint8_t { read, write, start_tls, done, failed };

/// How bytes travel. Passwords may go in clear over the latter two.
enum class Channel : std::uint8_t { plain, tls, unix_socket };

[[nodiscard]] constexpr bool is_secure(Channel channel) noexcept {
  return channel != Channel::plain;
}

/// Limit of one packet's payload during a login, in both directions.
inline constexpr std::uint32_t max_login_payload = 128 * 1024;

template <class Machine>
concept Conversation = requires(Machine machine, const Machine& seen, Bytes payload,
                                std::uint8_t sequence) {
  { machine.start() } -> std::same_as<Want>;
  { machine.on_packet(payload, sequence) } -> std::same_as<Want>;
  { machine.on_written() } -> std::same_as<Want>;
  { machine.on_tls() } -> std::same_as<Want>;
  { seen.outgoing() } -> std::same_as<const Buffer&>;
  { seen.error() } -> std::same_as<boost::system::error_code>;
};

}  // namespace sluice::protocol
