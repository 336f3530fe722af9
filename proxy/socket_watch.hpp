/// Tells which of many sockets can be read from or written to.
///
/// For the clients' sockets, once they have logged in, and the links'. Asio tries every
/// read before it waits; a client that waits for its answer has sent nothing by then,
/// and each of its statements cost one call into the kernel for nothing. Here one
/// epoll descriptor stands for all of them, and Asio waits for that.
///
/// A `Watched` socket's events are edges: read until the socket has no more, then wait.
/// Input buffers that idle sockets do not need are kept here for the busy ones.
/// Lifetime: outlives every Watched. Thread: its worker's.
/// Source: epoll(7).
#pragma once

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <cstdint>
#include <memory>
#include <vector>

#include "proxy/async.hpp"

namespace sluice::proxy {

class SocketWatch {
 public:
  /// One socket's place.
  class Watched {
   public:
    /// Errors: throws boost::system::system_error if epoll takes no more.
    Watched(SocketWatch& watch, int socket);
    ~Watched() { leave(); }
    Watched(const Watched&) = delete;
    Watched& operator=(const Watched&) = delete;

    /// Nothing is told any more; who waits is woken.
    void leave() noexcept;
    [[nodiscard]] bool left() const noexcept { return left_; }
    [[nodiscard]] SocketWatch& watch() noexcept { return watch_; }
    /// The peer has said its last word. There is no further event for that, so read on
    /// until it shows, also where the socket seems to have no more.
    [[nodiscard]] bool hung_up() const noexcept { return hung_up_; }

    Event readable;
    Event writable;

   private:
    friend class SocketWatch;

    SocketWatch& watch_;
    int socket_;
    bool left_ = false;
    bool hung_up_ = false;
  };

  explicit SocketWatch(const Executor& executor);
  SocketWatch(const SocketWatch&) = delete;
  SocketWatch& operator=(const SocketWatch&) = delete;

  /// Begins to watch; once.
  void start();
  /// Ends the watching, so that its executor may run out of work.
  void stop();

  /// A buffer of `buffer_size` bytes, and back.
  static constexpr std::size_t buffer_size = 16 * 1024;
  [[nodiscard]] std::unique_ptr<std::uint8_t[]> take_buffer();
  void give_buffer(std::unique_ptr<std::uint8_t[]> buffer);

 private:
  Task<> run();
  void tell();

  Executor executor_;
  asio::posix::basic_stream_descriptor<Executor> epoll_;
  std::vector<std::unique_ptr<std::uint8_t[]>> spare_;
};

}  // namespace sluice::proxy
