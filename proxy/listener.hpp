/// The applications' port: accepts connections and hands each to the least loaded
/// worker. (Connections live for hours: hashing would leave workers uneven.)
///
/// Errors: StartupError when an address cannot be bound. Beyond the connection
/// limit a client hears ERR 1040; when the process is out of descriptors the
/// listener waits a moment rather than spin.
/// Thread: the control thread.
#pragma once

#include <list>
#include <memory>
#include <span>
#include <vector>

#include "proxy/startup_error.hpp"
#include "proxy/worker.hpp"

namespace sluice::proxy {

class Listener {
 public:
  Listener(asio::io_context& control, Shared& shared,
           std::vector<std::unique_ptr<Worker>>& workers);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// Binds all configured addresses; throws StartupError.
  void bind();
  /// Starts accepting.
  void start();
  /// Closes the listening sockets.
  void stop() noexcept;

 private:
  struct Door;
  Task<> accept_loop(Door& door);
  void admit(Socket::native_handle_type socket, const Door& door, std::string client);

  asio::io_context& control_;
  Shared& shared_;
  std::vector<std::unique_ptr<Worker>>& workers_;
  std::list<Door> doors_;
  bool stopping_ = false;
};

}  // namespace sluice::proxy
