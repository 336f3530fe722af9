/// The one place where a conversation's wishes become I/O.
///
/// Runs a machine of protocol/conversation.hpp over a PacketStream until it is
/// done or has failed. A failed machine's last words (an ERR packet) are sent.
///
/// Errors: the machine's error, the socket's, or asio::error::timed_out when
/// `until` passes; the stream is then closed, except after the machine's own error.
#pragma once

#include "protocol/conversation.hpp"
#include "proxy/packet_stream.hpp"

namespace sluice::proxy {

struct DriveOptions {
  Clock::time_point until;
  TlsContext* tls = nullptr;  ///< needed if the machine may want TLS
  TlsRole role = TlsRole::server;
  std::string verify_name;  ///< the certificate must be for it; empty: any name
};

namespace detail {

template <protocol::Conversation Machine>
Task<error_code> step(Machine& machine, PacketStream& stream, const DriveOptions& options,
                      protocol::Want want) {
  Packet packet;
  for (;;) {
    error_code error;
    switch (want) {
      case protocol::Want::done: co_return error_code{};
      case protocol::Want::failed:
        if (!machine.outgoing().empty()) error = co_await stream.write_all(machine.outgoing());
        co_return machine.error();
      case protocol::Want::write:
        error = co_await stream.write_all(machine.outgoing());
        if (error) co_return error;
        want = machine.on_written();
        break;
      case protocol::Want::start_tls:
        if (options.tls == nullptr) co_return asio::error::operation_not_supported;
        error = co_await stream.start_tls(*options.tls, options.role, options.verify_name);
        if (error) co_return error;
        want = machine.on_tls();
        break;
      case protocol::Want::read:
        error = co_await stream.read_packet(packet, protocol::max_login_payload);
        if (error) co_return error;
        want = machine.on_packet(packet.payload, packet.sequence);
        break;
    }
  }
}

}  // namespace detail

/// `first` is what the machine's start function returned.
template <protocol::Conversation Machine>
Task<error_code> drive(Machine& machine, PacketStream& stream, const DriveOptions& options,
                       protocol::Want first) {
  auto close = [&stream] { stream.close(); };
  const Deadline deadline(stream.executor(), options.until, close);
  const error_code error = co_await detail::step(machine, stream, options, first);
  co_return deadline.late() ? error_code{asio::error::timed_out} : error;
}

}  // namespace sluice::proxy
