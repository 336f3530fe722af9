/// The admin port: speaks the MySQL protocol, so that any client is a console.
///
/// listen() binds and begins to accept; each client gets an AdminSession, which
/// this owns. stop() closes the port and ends them all.
///
/// Limits: 100 clients (the next hears ERR 1040), 10 s for a login.
/// Errors: listen() throws StartupError, "cannot bind …: Address already in use".
/// Thread: the control thread's. The destructor may run only when `control` has
/// ceased to run, or after stop() and the handlers it has cancelled.
/// Lifetime: `control`, `rsa_key` and `target` outlive it; the settings are copied.
#pragma once

#include <cstdint>
#include <memory>

#include "config/settings.hpp"
#include "protocol/password.hpp"
#include "proxy/admin_target.hpp"
#include "proxy/async.hpp"
#include "proxy/packet_stream.hpp"

namespace sluice::proxy {

class AdminServer {
 public:
  /// `tls` may be null: then TLS is not offered.
  AdminServer(asio::io_context& control, const config::Admin& settings,
              const protocol::RsaKey& rsa_key, std::shared_ptr<TlsContext> tls,
              AdminTarget& target);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  /// Does nothing if the settings leave the port closed (no address or no password).
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
