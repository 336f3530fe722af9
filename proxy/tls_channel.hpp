/// TLS on a socket that does not block, by OpenSSL itself.
///
/// Asio's TLS stream keeps four buffers of 17 KiB for each connection, idle or not,
/// and has no way to ask what can be read or written without waiting. Here OpenSSL
/// reads and writes the socket, and keeps no buffer that is empty.
///
///     while ((step = channel.handshake(error)) is want_read or want_write) wait;
///     read, write: done and how much, or want_…: wait, then ready(), and again
///
/// A write that wants to wait has to be tried again with at least the same bytes.
/// Errors: Step::failed with OpenSSL's or the socket's; Step::ended when the peer is gone.
/// Lifetime: the socket must outlive it. Thread: its worker's.
/// Source: SSL_read(3), SSL_write(3), BIO_meth_new(3).
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <boost/system/error_code.hpp>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "protocol/bytes.hpp"

namespace sluice::proxy {

using TlsContext = boost::asio::ssl::context;
enum class TlsRole { client, server };

class TlsChannel {
 public:
  enum class Step : std::uint8_t { done, want_read, want_write, ended, failed };

  /// `early`: what was read from the socket before, and belongs to TLS.
  /// `name_to_verify`: host name or address that the peer's certificate must have;
  /// empty: any (whether it must have one at all is the context's).
  TlsChannel(TlsContext& context, TlsRole role, int socket, protocol::Bytes early,
             const std::string& name_to_verify);
  ~TlsChannel();
  TlsChannel(const TlsChannel&) = delete;
  TlsChannel& operator=(const TlsChannel&) = delete;

  [[nodiscard]] Step handshake(boost::system::error_code& error);
  [[nodiscard]] Step read(std::span<std::uint8_t> into, std::size_t& got,
                          boost::system::error_code& error);
  [[nodiscard]] Step write(protocol::Bytes bytes, std::size_t& sent,
                           boost::system::error_code& error);
  /// The socket may have more to read. False if that was known.
  bool ready() noexcept { return std::exchange(drained_, false); }

 private:
  struct Transport;  // OpenSSL's way to the socket
  friend struct Transport;
  struct Free {
    void operator()(SSL* tls) const { SSL_free(tls); }
  };

  [[nodiscard]] Step judge(int result, boost::system::error_code& error);

  int socket_;
  protocol::Buffer early_;
  std::size_t early_taken_ = 0;
  bool drained_ = false;
  std::unique_ptr<SSL, Free> tls_;
};

}  // namespace sluice::proxy
