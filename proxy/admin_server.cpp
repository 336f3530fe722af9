#include "proxy/admin_server.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cstring>
#include <list>

#include "protocol/response.hpp"
#include "proxy/admin_session.hpp"
#include "proxy/log.hpp"
#include "proxy/startup_error.hpp"
#include "proxy/unix_socket.hpp"

namespace sluice::proxy {
namespace {

using Generic = asio::generic::stream_protocol;
using Acceptor = asio::basic_socket_acceptor<Generic, Executor>;

constexpr std::size_t most_clients = 100;
constexpr std::chrono::milliseconds breath{100};  // when descriptors have run out

class AdminAccounts final : public protocol::Accounts {
 public:
  explicit AdminAccounts(const config::Admin& settings) : settings_(settings) {}

  [[nodiscard]] protocol::Verifier find(std::string_view user) const override {
    protocol::Verifier verifier;
    const config::Secret* password = nullptr;
    if (user == settings_.user) {
      password = &settings_.password;
    } else if (user == settings_.readonly_user) {
      password = &settings_.readonly_password;
    }
    // An account without a password is none.
    if (password != nullptr && !password->empty())
      verifier.password = protocol::Secret(password->reveal());
    return verifier;
  }

 private:
  const config::Admin& settings_;
};

asio::ip::tcp::endpoint tcp_of(const Generic::endpoint& generic) {
  asio::ip::tcp::endpoint endpoint;
  if (generic.size() <= endpoint.capacity())
    std::memcpy(endpoint.data(), generic.data(), generic.size());
  return endpoint;
}

std::string host_of(const Generic::endpoint& peer, const config::Address& address) {
  if (address.kind == config::Address::Kind::unix_socket) return "localhost";
  asio::ip::address host = tcp_of(peer).address();
  if (host.is_v6() && host.to_v6().is_v4_mapped())
    host = asio::ip::make_address_v4(asio::ip::v4_mapped, host.to_v6());
  return host.to_string();
}

}  // namespace

class AdminServer::Core {
 public:
  Core(asio::io_context& context, const config::Admin& admin, const protocol::RsaKey& key,
       std::shared_ptr<TlsContext> tls_context, AdminTarget& admin_target)
      : control(context),
        settings(admin),
        accounts(settings),
        rsa_key(key),
        tls(std::move(tls_context)),
        target(admin_target) {}

  struct Door {
    explicit Door(const Executor& executor) : acceptor(executor), pause(executor) {}
    Acceptor acceptor;
    Timer pause;
  };
  using Sessions = std::list<AdminSession>;

  void bind(const Generic::endpoint& endpoint);
  void admit(const std::shared_ptr<Core>& self, Socket socket, const Generic::endpoint& peer);
  bool kill(std::uint64_t id, KillScope scope);

  // It holds the Core, as the end of each session does: the last one lets it go.
  static Task<> accept(std::shared_ptr<Core> core, Door& door);

  asio::io_context& control;
  const config::Admin settings;
  const AdminAccounts accounts;
  const protocol::RsaKey& rsa_key;
  const std::shared_ptr<TlsContext> tls;
  AdminTarget& target;
  const Clock::time_point serving_since = Clock::now();
  std::list<Door> doors;
  Sessions sessions;
  std::uint32_t next_id = first_admin_id;
  bool stopping = false;
};

void AdminServer::Core::bind(const Generic::endpoint& endpoint) {
  const bool unix_socket = settings.address->kind == config::Address::Kind::unix_socket;
  Acceptor& acceptor = doors.emplace_back(control.get_executor()).acceptor;
  error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error && !unix_socket) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (!error) return;
  doors.pop_back();  // stop() must not remove the socket file of somebody else
  throw StartupError(fmt::format("cannot bind {} (admin.address): {}",
                                 config::to_string(*settings.address), error.message()));
}

void AdminServer::Core::admit(const std::shared_ptr<Core>& self, Socket socket,
                              const Generic::endpoint& peer) {
  if (sessions.size() >= most_clients) {
    protocol::Buffer out;
    // Ahead of the greeting there are no capabilities, hence no SQL state.
    protocol::append_err(out, {protocol::server_error::con_count, {}, "Too many connections"}, 0,
                         0);
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(out), ignored);
    return;
  }
  tune(socket);
  const bool unix_socket = settings.address->kind == config::Address::Kind::unix_socket;
  const std::uint32_t id = next_id;
  next_id = std::max(next_id + 1, first_admin_id);
  AdminSessionParams params{
      id,
      host_of(peer, *settings.address),
      unix_socket ? protocol::Channel::unix_socket : protocol::Channel::plain,
      settings,
      accounts,
      rsa_key,
      tls.get(),
      target,
      serving_since,
      [this](std::uint64_t other, KillScope scope) { return kill(other, scope); }};
  const auto session = sessions.emplace(sessions.end(), std::move(socket), std::move(params));
  auto ended = [self, session](std::exception_ptr exception) {
    self->sessions.erase(session);
    if (!exception) return;
    try {
      std::rethrow_exception(exception);
    } catch (const std::exception& error) {
      log::error("admin", "a client's session failed: {}", error.what());
    }
  };
  asio::co_spawn(control.get_executor(), session->run(), std::move(ended));
}

bool AdminServer::Core::kill(std::uint64_t id, KillScope scope) {
  for (AdminSession& session : sessions) {
    if (session.id() != id) continue;
    if (scope == KillScope::connection) session.close();
    return true;
  }
  return false;
}

Task<> AdminServer::Core::accept(std::shared_ptr<Core> core, Door& door) {
  while (!core->stopping) {
    Socket socket(core->control);
    Generic::endpoint peer;
    auto [error] = co_await door.acceptor.async_accept(socket, peer, use_result);
    if (core->stopping || error == asio::error::operation_aborted) co_return;
    if (!error) {
      core->admit(core, std::move(socket), peer);
    } else if (error != asio::error::connection_aborted) {
      log::error("admin", "cannot accept: {}", error.message());
      door.pause.expires_after(breath);
      co_await door.pause.async_wait(use_result);
    }
  }
}

AdminServer::AdminServer(asio::io_context& control, const config::Admin& settings,
                         const protocol::RsaKey& rsa_key, std::shared_ptr<TlsContext> tls,
                         AdminTarget& target)
    : core_(std::make_shared<Core>(control, settings, rsa_key, std::move(tls), target)) {}

AdminServer::~AdminServer() { stop(); }

void AdminServer::listen() {
  if (!core_->settings.is_open()) return;
  const config::Address& address = *core_->settings.address;
  if (address.kind == config::Address::Kind::unix_socket) {
    remove_stale_socket(address.path);
    core_->bind(asio::local::stream_protocol::endpoint(address.path));
    // Who may connect is decided by the login, as with a server's own socket.
    ::chmod(address.path.c_str(), 0777);
  } else {
    asio::ip::tcp::resolver resolver(core_->control);
    error_code error;
    const auto found = resolver.resolve(address.host, std::to_string(address.port),
                                        asio::ip::tcp::resolver::passive, error);
    if (error)
      throw StartupError(fmt::format("cannot bind {} (admin.address): {}",
                                     config::to_string(address), error.message()));
    for (const auto& entry : found) core_->bind(entry.endpoint());
  }
  for (Core::Door& door : core_->doors) {
    asio::co_spawn(core_->control.get_executor(), Core::accept(core_, door), rethrow);
  }
}

void AdminServer::stop() {
  if (std::exchange(core_->stopping, true)) return;
  for (Core::Door& door : core_->doors) {
    error_code ignored;
    door.acceptor.close(ignored);
    door.pause.cancel();
  }
  const config::Admin& settings = core_->settings;
  if (!core_->doors.empty() && settings.address->kind == config::Address::Kind::unix_socket)
    ::unlink(settings.address->path.c_str());
  for (AdminSession& session : core_->sessions) session.close();
}

std::uint16_t AdminServer::port() const {
  if (core_->doors.empty() || core_->settings.address->kind != config::Address::Kind::tcp) return 0;
  error_code ignored;
  return tcp_of(core_->doors.front().acceptor.local_endpoint(ignored)).port();
}

}  // namespace sluice::proxy
