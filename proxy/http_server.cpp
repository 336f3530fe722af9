#include "proxy/http_server.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstring>
#include <list>

#include "proxy/log.hpp"
#include "proxy/startup_error.hpp"
#include "proxy/unix_socket.hpp"

namespace sluice::proxy {
namespace {

namespace http = boost::beast::http;
using namespace std::chrono_literals;

using Generic = asio::generic::stream_protocol;
using Acceptor = asio::basic_socket_acceptor<Generic, Executor>;
using Stream = asio::basic_stream_socket<Generic, Executor>;
using Parser = http::request_parser<http::string_body>;

constexpr auto read_deadline = 30s;
constexpr auto write_deadline = 30s;
constexpr auto farewell = 1s;   // for a client to hear why it is let go
constexpr auto breath = 100ms;  // when descriptors have run out

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

/// Response to what is not HTTP, or too much of it; nullopt: the client went away.
std::optional<HttpResponse> refusal_of(error_code error) {
  if (error == http::error::body_limit) return http_text(413, "the body is too big");
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return http_text(431, "the header is too big");
  const bool left = error == http::error::end_of_stream || error == http::error::partial_message;
  if (left || error.category() != http::make_error_code(http::error::bad_method).category())
    return {};
  return http_text(400, "this is no HTTP request: " + error.message());
}

HttpRequest request_of(const Parser& parser, const std::string& peer, bool& well_formed) {
  const auto& message = parser.get();
  HttpRequest request;
  request.method = std::string(message.method_string());
  well_formed = request.set_target(std::string_view(message.target()));
  for (const auto& field : message)
    request.fields.emplace_back(std::string(field.name_string()), std::string(field.value()));
  request.body = message.body();
  request.peer = peer;
  return request;
}

enum class After { keep, close };

std::string head_of(const HttpResponse& response, After after) {
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::string head = fmt::format(
      "HTTP/1.1 {} {}\r\nDate: {:%a, %d %b %Y %H:%M:%S GMT}\r\nContent-Type: {}\r\n"
      "Content-Length: {}\r\nConnection: {}\r\nX-Content-Type-Options: nosniff\r\n",
      response.status,
      std::string_view(http::obsolete_reason(static_cast<http::status>(response.status))),
      fmt::gmtime(now), response.type, response.body.size(),
      after == After::keep ? "keep-alive" : "close");
  for (const auto& [name, value] : response.fields) head += fmt::format("{}: {}\r\n", name, value);
  return head + "\r\n";
}

}  // namespace

class HttpServer::Core {
 public:
  Core(asio::io_context& context, config::Address where, HttpRouter answers)
      : control(context), address(std::move(where)), router(std::move(answers)) {}

  struct Door {
    explicit Door(const Executor& executor) : acceptor(executor), pause(executor) {}
    Acceptor acceptor;
    Timer pause;
  };

  struct Client {
    Client(Stream connected, std::string host)
        : stream(std::move(connected)), peer(std::move(host)), pause(stream.get_executor()) {}
    void close() noexcept {
      error_code ignored;
      stream.close(ignored);
      pause.cancel();
    }
    Stream stream;
    std::string peer;
    Timer pause;
  };

  void bind(const Generic::endpoint& endpoint);
  void admit(const std::shared_ptr<Core>& self, Stream stream, const Generic::endpoint& peer);
  [[nodiscard]] HttpResponse respond(const HttpRequest& request) const;

  // It holds the Core, as the end of each client does: the last one lets it go.
  static Task<> accept(std::shared_ptr<Core> core, Door& door);
  Task<> serve(Client& client);
  Task<error_code> send(Client& client, HttpResponse response, After after, bool body_wanted);
  static Task<> let_go(Client& client);

  [[nodiscard]] bool unix_socket() const {
    return address.kind == config::Address::Kind::unix_socket;
  }

  asio::io_context& control;
  const config::Address address;
  const HttpRouter router;
  std::list<Door> doors;
  std::list<Client> clients;
  bool stopping = false;
};

void HttpServer::Core::bind(const Generic::endpoint& endpoint) {
  Acceptor& acceptor = doors.emplace_back(control.get_executor()).acceptor;
  error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error && !unix_socket()) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (!error) return;
  doors.pop_back();  // stop() must not remove the socket file of somebody else
  throw StartupError(fmt::format("cannot bind {} (http.address): {}", config::to_string(address),
                                 error.message()));
}

void HttpServer::Core::admit(const std::shared_ptr<Core>& self, Stream stream,
                             const Generic::endpoint& peer) {
  if (clients.size() >= http_max_clients) {
    const HttpResponse full = http_text(503, "too many clients");
    const std::string text = head_of(full, After::close) + full.body;
    error_code ignored;
    stream.non_blocking(true, ignored);
    stream.write_some(asio::buffer(text), ignored);
    return;
  }
  if (!unix_socket()) {
    error_code ignored;
    stream.set_option(asio::ip::tcp::no_delay(true), ignored);
  }
  const auto client = clients.emplace(clients.end(), std::move(stream), host_of(peer, address));
  auto ended = [self, client](std::exception_ptr exception) {
    self->clients.erase(client);
    if (!exception) return;
    try {
      std::rethrow_exception(exception);
    } catch (const std::exception& error) {
      log::error("http", "a client's connection failed: {}", error.what());
    }
  };
  asio::co_spawn(control.get_executor(), serve(*client), std::move(ended));
}

HttpResponse HttpServer::Core::respond(const HttpRequest& request) const {
  try {
    return router(request);
  } catch (const std::exception& error) {
    log::error("http", "{} {} failed: {}", request.method, request.path, error.what());
    return http_text(500, "this is a fault of Sluice; its log tells more");
  }
}

Task<> HttpServer::Core::accept(std::shared_ptr<Core> core, Door& door) {
  while (!core->stopping) {
    Stream stream(core->control.get_executor());
    Generic::endpoint peer;
    auto [error] = co_await door.acceptor.async_accept(stream, peer, use_result);
    if (core->stopping || error == asio::error::operation_aborted) co_return;
    if (!error) {
      core->admit(core, std::move(stream), peer);
    } else if (error != asio::error::connection_aborted) {
      log::error("http", "cannot accept: {}", error.message());
      door.pause.expires_after(breath);
      co_await door.pause.async_wait(use_result);
    }
  }
}

Task<> HttpServer::Core::serve(Client& client) {
  boost::beast::flat_buffer buffer(http_max_header + http_max_body);
  auto cut = [&client] { client.close(); };
  while (!stopping) {
    Parser parser;
    parser.header_limit(http_max_header);
    parser.body_limit(http_max_body);
    error_code error;
    {
      const Deadline late(client.stream.get_executor(), Clock::now() + read_deadline, cut);
      auto [failed, size] = co_await http::async_read(client.stream, buffer, parser, use_result);
      error = failed;
    }
    if (stopping || !client.stream.is_open()) co_return;
    if (error) {
      std::optional<HttpResponse> refusal = refusal_of(error);
      if (refusal) {
        HttpResponse response = std::move(*refusal);
        co_await send(client, std::move(response), After::close, true);
      }
      co_await let_go(client);
      co_return;
    }
    bool well_formed = false;
    const HttpRequest request = request_of(parser, client.peer, well_formed);
    const After after = parser.get().keep_alive() ? After::keep : After::close;
    HttpResponse response =
        well_formed ? respond(request) : http_text(400, "the address is malformed");
    if (response.delay > 0ms) {
      client.pause.expires_after(response.delay);
      co_await client.pause.async_wait(use_result);
    }
    error = co_await send(client, std::move(response), after, request.method != "HEAD");
    if (error) co_return;
    if (after == After::close) {
      co_await let_go(client);
      co_return;
    }
  }
}

Task<error_code> HttpServer::Core::send(Client& client, HttpResponse response, After after,
                                        bool body_wanted) {
  auto cut = [&client] { client.close(); };
  const Deadline late(client.stream.get_executor(), Clock::now() + write_deadline, cut);
  std::string text = head_of(response, after);
  if (body_wanted) text += response.body;
  auto [error, size] = co_await asio::async_write(client.stream, asio::buffer(text), use_result);
  co_return error;
}

/// Takes in what is still on its way: a socket that is closed over unread bytes
/// resets the connection, and the client may lose the response.
Task<> HttpServer::Core::let_go(Client& client) {
  auto cut = [&client] { client.close(); };
  const Deadline late(client.stream.get_executor(), Clock::now() + farewell, cut);
  error_code error;
  client.stream.shutdown(asio::socket_base::shutdown_send, error);
  std::array<char, 4096> waste;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  while (!error) {
    auto [failed, size] = co_await client.stream.async_read_some(asio::buffer(waste), use_result);
    error = failed;
  }
}

HttpServer::HttpServer(asio::io_context& control, config::Address address, HttpRouter router)
    : core_(std::make_shared<Core>(control, std::move(address), std::move(router))) {}

HttpServer::~HttpServer() { stop(); }

void HttpServer::listen() {
  const config::Address& address = core_->address;
  if (core_->unix_socket()) {
    remove_stale_socket(address.path);
    core_->bind(asio::local::stream_protocol::endpoint(address.path));
    // As with the TCP port: whoever is on this machine. Changes take a login.
    ::chmod(address.path.c_str(), 0777);
  } else {
    asio::ip::tcp::resolver resolver(core_->control);
    error_code error;
    const auto found = resolver.resolve(address.host, std::to_string(address.port),
                                        asio::ip::tcp::resolver::passive, error);
    if (error)
      throw StartupError(fmt::format("cannot bind {} (http.address): {}",
                                     config::to_string(address), error.message()));
    for (const auto& entry : found) core_->bind(entry.endpoint());
  }
  for (Core::Door& door : core_->doors)
    asio::co_spawn(core_->control.get_executor(), Core::accept(core_, door), rethrow);
}

void HttpServer::stop() {
  if (std::exchange(core_->stopping, true)) return;
  for (Core::Door& door : core_->doors) {
    error_code ignored;
    door.acceptor.close(ignored);
    door.pause.cancel();
  }
  if (!core_->doors.empty() && core_->unix_socket()) ::unlink(core_->address.path.c_str());
  for (Core::Client& client : core_->clients) client.close();
}

std::uint16_t HttpServer::port() const {
  if (core_->doors.empty() || core_->unix_socket()) return 0;
  error_code ignored;
  return tcp_of(core_->doors.front().acceptor.local_endpoint(ignored)).port();
}

}  // namespace sluice::proxy
