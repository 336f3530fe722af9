/// A client's socket, encrypted or not.
///
/// Blocking until `stop_blocking()`. With TLS, what came in may wait inside the
/// TLS layer where epoll does not see it: `more_inside()` says so.
///
/// Errors: the constructor and start_tls() throw ConnectError; read() and write()
/// answer as recv(2) and send(2) do, EAGAIN included.
#pragma once

#include <sys/types.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "bench/load/options.hpp"
#include "protocol/bytes.hpp"

struct ssl_st;

namespace sluice::load {

struct ConnectError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// "connect: Connection refused", from errno.
[[nodiscard]] std::string errno_text(const std::string& doing);

class ClientSocket {
 public:
  enum class Mode : std::uint8_t { blocking, connecting };

  /// `connecting`: does not block, and is writable once the connection stands.
  ClientSocket(const Options& options, Mode mode);
  ClientSocket(const ClientSocket&) = delete;
  ClientSocket& operator=(const ClientSocket&) = delete;
  ~ClientSocket();

  void start_tls();
  void stop_blocking();

  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  [[nodiscard]] ssize_t read(std::span<std::uint8_t> into) noexcept;
  [[nodiscard]] ssize_t write(protocol::Bytes bytes) noexcept;
  [[nodiscard]] bool more_inside() const noexcept;

 private:
  struct FreeSsl {
    void operator()(ssl_st* tls) const noexcept;
  };

  int descriptor_ = -1;
  std::unique_ptr<ssl_st, FreeSsl> tls_;
};

}  // namespace sluice::load
