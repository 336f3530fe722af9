/// The HTTP port: reads requests, asks the router, writes its responses.
///
/// HTTP/1.1 and 1.0 with keep-alive, bodies with a length or in chunks. What it
/// says by itself: 400 (malformed), 413 (body), 431 (header), 500 (the router
/// threw), 503 (too many clients).
///
/// Limits: 100 clients, a header of 16 KiB, a body of 64 KiB; 30 s for a request to
/// come, for a response to go.
/// Errors: listen() throws StartupError, "cannot bind …: Address already in use".
/// Thread: the control thread's. The destructor may run only when `control` has
/// ceased to run, or after stop() and the handlers it has cancelled.
/// Lifetime: `control`, and what the router refers to, outlive it.
#pragma once

#include <cstdint>
#include <memory>

#include "config/address.hpp"
#include "proxy/async.hpp"
#include "proxy/http_message.hpp"

namespace sluice::proxy {

inline constexpr std::size_t http_max_header = 16 * 1024;
inline constexpr std::size_t http_max_body = 64 * 1024;
inline constexpr std::size_t http_max_clients = 100;

class HttpServer {
 public:
  HttpServer(asio::io_context& control, config::Address address, HttpRouter router);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  void listen();
  void stop();

  /// The TCP port that is listened on, which tells what port 0 became; else 0.
  [[nodiscard]] std::uint16_t port() const;

 private:
  class Core;
  // Shared with what the control thread has yet to run.
  std::shared_ptr<Core> core_;
};

}  // namespace sluice::proxy
