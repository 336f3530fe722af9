#include "proxy/listener.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "proxy/log.hpp"
#include "proxy/unix_socket.hpp"

namespace sluice::proxy {
namespace {

using Generic = asio::generic::stream_protocol;

constexpr std::chrono::milliseconds breath{100};  // when descriptors have run out

std::string describe_peer(const sockaddr_storage& peer, const config::Address& door) {
  char text[INET6_ADDRSTRLEN] = "";
  if (peer.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(peer);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return fmt::format("{}:{}", text, ntohs(v4.sin_port));
  }
  if (peer.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(peer);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
      inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text, sizeof text);
      return fmt::format("{}:{}", text, ntohs(v6.sin6_port));
    }
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    return fmt::format("[{}]:{}", text, ntohs(v6.sin6_port));
  }
  return "unix:" + door.path;
}

}  // namespace

struct Listener::Door {
  Door(Executor executor, config::Address where)
      : address(std::move(where)), descriptor(executor), pause(executor) {}
  config::Address address;
  Socket descriptor;  // a listening socket; asio only waits for its readiness
  Timer pause;
  bool open = true;
};

Listener::Listener(asio::io_context& control, Shared& shared,
                   std::vector<std::unique_ptr<Worker>>& workers)
    : control_(control), shared_(shared), workers_(workers) {}

Listener::~Listener() { stop(); }

void Listener::bind() {
  for (const config::Address& address : shared_.settings->listen.addresses) {
    const auto cannot = [&](const std::string& why) {
      return StartupError(fmt::format("cannot listen on {}: {}", config::to_string(address), why));
    };
    const bool unix_socket = address.kind == config::Address::Kind::unix_socket;
    std::vector<Generic::endpoint> endpoints;
    if (unix_socket) {
      remove_stale_socket(address.path);
      endpoints.emplace_back(asio::local::stream_protocol::endpoint(address.path));
    } else {
      asio::ip::tcp::resolver resolver(control_);
      error_code error;
      const auto found = resolver.resolve(address.host, std::to_string(address.port),
                                          asio::ip::tcp::resolver::passive, error);
      if (error) throw cannot(error.message());
      for (const auto& entry : found) endpoints.emplace_back(entry.endpoint());
    }
    for (const Generic::endpoint& endpoint : endpoints) {
      Door& door = doors_.emplace_back(control_.get_executor(), address);
      error_code error;
      door.descriptor.open(endpoint.protocol(), error);
      if (error) throw cannot(error.message());
      const int fd = door.descriptor.native_handle();
      if (!unix_socket) door.descriptor.set_option(asio::socket_base::reuse_address(true), error);
      door.descriptor.non_blocking(true, error);
      if (::bind(fd, endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0 ||
          ::listen(fd, static_cast<int>(shared_.settings->listen.backlog)) != 0) {
        throw cannot(error_code(errno, boost::system::system_category()).message());
      }
      // Who may connect is decided by the login, as with a server's own socket.
      if (unix_socket) ::chmod(address.path.c_str(), 0777);
    }
    log::info("listen", "applications connect to {}", config::to_string(address));
  }
}

void Listener::start() {
  for (Door& door : doors_) {
    asio::co_spawn(control_.get_executor(), accept_loop(door), rethrow);
  }
}

void Listener::stop() noexcept {
  stopping_ = true;
  for (Door& door : doors_) {
    if (!std::exchange(door.open, false)) continue;
    error_code ignored;
    door.descriptor.close(ignored);
    door.pause.cancel();
    if (door.address.kind == config::Address::Kind::unix_socket)
      ::unlink(door.address.path.c_str());
  }
}

Task<> Listener::accept_loop(Door& door) {
  while (!stopping_) {
    auto [error] = co_await door.descriptor.async_wait(Socket::wait_read, use_result);
    if (error || stopping_) co_return;
    for (;;) {
      sockaddr_storage peer{};
      socklen_t size = sizeof peer;
      const int fd = ::accept4(door.descriptor.native_handle(), reinterpret_cast<sockaddr*>(&peer),
                               &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd >= 0) {
        admit(fd, door, describe_peer(peer, door.address));
        continue;
      }
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        log::error("listen", "cannot accept: {}",
                   error_code(errno, boost::system::system_category()).message());
        door.pause.expires_after(breath);
        co_await door.pause.async_wait(use_result);
      }
      if (errno != EINTR && errno != ECONNABORTED) break;
    }
  }
}

void Listener::admit(Socket::native_handle_type fd, const Door& door, std::string client) {
  add(shared_.counters.clients_accepted);
  const bool unix_socket = door.address.kind == config::Address::Kind::unix_socket;
  if (shared_.sessions.size() >= shared_.settings->listen.max_connections) {
    add(shared_.counters.clients_refused);
    protocol::Buffer out;
    // Ahead of the greeting there are no capabilities, hence no SQL state.
    const protocol::ErrPacket err{protocol::server_error::con_count, {}, "Too many connections"};
    protocol::append_err(out, err, 0, 0);
    [[maybe_unused]] const auto sent = ::send(fd, out.data(), out.size(), MSG_NOSIGNAL);
    ::close(fd);
    return;
  }
  const auto least = std::min_element(
      workers_.begin(), workers_.end(),
      [](const auto& a, const auto& b) { return a->session_count() < b->session_count(); });
  auto record =
      shared_.sessions.add(std::move(client), static_cast<std::size_t>(least - workers_.begin()));
  const int one = 1;
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size);
  if (!unix_socket) {
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
  }
  (*least)->adopt(fd, Generic(own.ss_family, unix_socket ? 0 : IPPROTO_TCP), std::move(record),
                  unix_socket ? protocol::Channel::unix_socket : protocol::Channel::plain);
}

}  // namespace sluice::proxy
