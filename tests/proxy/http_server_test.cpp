// Over real sockets, byte by byte.
#include "proxy/http_server.hpp"

#include <gmock/gmock.h>
#include <sys/socket.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <future>
#include <list>
#include <stdexcept>
#include <thread>

#include "proxy/startup_error.hpp"

namespace sluice::proxy {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// The port, served by a thread of its own as the control thread would. Echoes.
class Port {
 public:
  Port() : server_(control_, config::Address::tcp("127.0.0.1", 0), echo) {
    server_.listen();
    number = server_.port();
    thread_ = std::thread([this] { control_.run(); });
  }
  ~Port() {
    std::promise<void> stopped;
    asio::post(control_, [&] {
      server_.stop();
      stopped.set_value();
    });
    stopped.get_future().wait();
    work_.reset();
    thread_.join();
  }

  std::uint16_t number = 0;

 private:
  static HttpResponse echo(const HttpRequest& request) {
    if (request.path == "/throw") throw std::runtime_error("not for clients");
    return http_text(200, request.method + " " + request.path + " [" + request.body + "] " +
                              std::string(request.field("x-word")));
  }

  asio::io_context control_{1};
  asio::executor_work_guard<Executor> work_{control_.get_executor()};
  HttpServer server_;
  std::thread thread_;
};

class Client {
 public:
  explicit Client(const Port& port) {
    socket_.connect({asio::ip::make_address("127.0.0.1"), port.number});
  }
  void send(std::string_view text) {
    error_code ignored;  // it may have hung up already, and said why
    asio::write(socket_, asio::buffer(text), ignored);
  }
  // All that comes until the server hangs up.
  std::string rest() {
    std::string text;
    error_code end;
    asio::read(socket_, asio::dynamic_buffer(text), end);
    return text;
  }
  std::string ask(std::string_view text) {
    send(text);
    return rest();
  }

 private:
  asio::io_context context_;
  asio::ip::tcp::socket socket_{context_};
};

TEST(HttpServer, AnswersAndHangsUpWhenAskedTo) {
  const Port port;
  const std::string said = Client(port).ask(
      "GET /a%20b?c HTTP/1.1\r\nHost: x\r\nX-Word: w\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(said, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(said, HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_THAT(said, EndsWith("\r\n\r\nGET /a b [] w\n"));
}

TEST(HttpServer, ServesOneRequestAfterTheOther) {
  const Port port;
  Client client(port);
  client.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\n");
  client.send("Content-Length: 3\r\n\r\nabc");
  client.send(
      "POST /3 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n0\r\n\r\n");
  const std::string said = client.ask("HEAD /4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(said, HasSubstr("GET /1 [] \n"));
  EXPECT_THAT(said, HasSubstr("POST /2 [abc] \n"));
  EXPECT_THAT(said, HasSubstr("POST /3 [xy] \n"));
  EXPECT_THAT(said, EndsWith("\r\n\r\n"));  // a HEAD has no body
  EXPECT_THAT(said, Not(HasSubstr("HEAD /4 []")));
}

TEST(HttpServer, HangsUpAfterARequestOfHttp10) {
  const Port port;
  EXPECT_THAT(Client(port).ask("GET / HTTP/1.0\r\n\r\n"), HasSubstr("Connection: close"));
}

TEST(HttpServer, RefusesWhatIsTooMuch) {
  const Port port;
  const std::string big(http_max_header + 1, 'a');
  EXPECT_THAT(Client(port).ask("GET / HTTP/1.1\r\nX: " + big + "\r\n\r\n"),
              StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(Client(port).ask("POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\nabc"),
              StartsWith("HTTP/1.1 413 "));
  const std::string body(http_max_body + 1, 'b');
  EXPECT_THAT(Client(port).ask("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n" +
                               body + "\r\n0\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "));
}

TEST(HttpServer, RefusesWhatIsNoRequest) {
  const Port port;
  EXPECT_THAT(Client(port).ask("\x16\x03\x01\x02 this is TLS \r\n\r\n"),
              StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Client(port).ask("GET nothing HTTP/1.1\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Client(port).ask("GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
              StartsWith("HTTP/1.1 400 "));
}

TEST(HttpServer, OwnsUpToItsFaultsWithoutDetails) {
  const Port port;
  const std::string said = Client(port).ask("GET /throw HTTP/1.0\r\n\r\n");
  EXPECT_THAT(said, StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(said, Not(HasSubstr("not for clients")));
}

TEST(HttpServer, TurnsTheHundredAndFirstClientAway) {
  const Port port;
  std::list<Client> clients;
  for (std::size_t i = 0; i < http_max_clients; ++i) {
    clients.emplace_back(port);
    clients.back().send("GET / HTTP/1.1\r\n");
  }
  EXPECT_THAT(Client(port).rest(), StartsWith("HTTP/1.1 503 "));
}

TEST(HttpServer, LetsClientsVanishAtAnyByte) {
  const Port port;
  const std::string request = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
  for (std::size_t size = 0; size < request.size(); ++size)
    Client(port).send(request.substr(0, size));
  EXPECT_THAT(Client(port).ask("GET / HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
}

TEST(HttpServer, SaysWhichAddressItCannotHave) {
  const Port port;
  asio::io_context control(1);
  HttpServer second(control, config::Address::tcp("127.0.0.1", port.number),
                    [](const HttpRequest&) { return HttpResponse(); });
  try {
    second.listen();
    FAIL() << "two servers share a port";
  } catch (const StartupError& error) {
    EXPECT_THAT(error.what(), HasSubstr("(http.address): Address already in use"));
  }
}

}  // namespace
}  // namespace sluice::proxy
