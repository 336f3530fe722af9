#include "proxy/tls_channel.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <numeric>

#include "proxy/tls_contexts.hpp"

namespace sluice::proxy {
namespace {

using Step = TlsChannel::Step;
using protocol::Buffer;
using protocol::Bytes;

/// A client and a server on the two ends of a pair of sockets, in one thread.
class Tls : public testing::Test {
 protected:
  Tls() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_.data()), 0); }
  ~Tls() override {
    hang_up(0);
    hang_up(1);
  }

  void hang_up(std::size_t end) {
    if (ends_[end] >= 0) ::close(std::exchange(ends_[end], -1));
  }
  void make(Bytes early = {}, const std::string& name = {}) {
    client_ =
        std::make_unique<TlsChannel>(*client_context_, TlsRole::client, ends_[0], Bytes{}, name);
    server_ = std::make_unique<TlsChannel>(*server_context_, TlsRole::server, ends_[1], early,
                                           std::string{});
  }
  /// Both sides in turn, until neither wants more or one fails.
  [[nodiscard]] bool shake_hands() {
    Step client = Step::want_read;
    Step server = Step::want_read;
    for (int turn = 0; turn < 20; ++turn) {
      client_->ready();
      server_->ready();
      if (client != Step::done) client = client_->handshake(error_);
      if (client == Step::failed || client == Step::ended) return false;
      if (server != Step::done) server = server_->handshake(error_);
      if (server == Step::failed || server == Step::ended) return false;
      if (client == Step::done && server == Step::done) return true;
    }
    return false;
  }

  config::Listen listen_;
  std::shared_ptr<TlsContext> server_context_ = make_client_tls(listen_);
  std::shared_ptr<TlsContext> client_context_ =
      std::make_shared<TlsContext>(TlsContext::tls_client);
  std::array<int, 2> ends_{-1, -1};
  std::unique_ptr<TlsChannel> client_;
  std::unique_ptr<TlsChannel> server_;
  boost::system::error_code error_;
};

TEST_F(Tls, PassesMoreThanTheSocketHolds) {
  make();
  ASSERT_TRUE(shake_hands()) << error_.message();
  Buffer sent(3'000'000);
  std::iota(sent.begin(), sent.end(), std::uint8_t{0});
  Buffer got;
  std::size_t written = 0;
  bool waited = false;
  std::array<std::uint8_t, 20'000> part{};
  while (got.size() < sent.size()) {
    std::size_t count = 0;
    Step step = Step::done;
    while (step == Step::done && written < sent.size()) {
      step = client_->write(Bytes(sent).subspan(written), count, error_);
      written += count;
    }
    waited = waited || step == Step::want_write;
    server_->ready();
    for (step = Step::done; step == Step::done;) {
      step = server_->read(part, count, error_);
      got.insert(got.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(count));
    }
    ASSERT_EQ(step, Step::want_read) << error_.message();
  }
  EXPECT_TRUE(waited);
  EXPECT_EQ(got, sent);
}

TEST_F(Tls, TakesWhatWasReadBeforeItBegan) {
  make();
  EXPECT_EQ(client_->handshake(error_), Step::want_read);
  std::array<std::uint8_t, 4096> hello{};
  const ssize_t size = ::recv(ends_[1], hello.data(), 100, 0);
  ASSERT_EQ(size, 100);
  server_ = std::make_unique<TlsChannel>(*server_context_, TlsRole::server, ends_[1],
                                         Bytes(hello).first(100), std::string{});
  EXPECT_TRUE(shake_hands()) << error_.message();
}

TEST_F(Tls, SaysThatItHasNothingUntilThereIsSomething) {
  make();
  ASSERT_TRUE(shake_hands());
  std::array<std::uint8_t, 100> into{};
  std::size_t count = 0;
  client_->ready();
  while (client_->read(into, count, error_) == Step::done) continue;  // session tickets are no data
  const Buffer word{'w', 'o', 'r', 'd'};
  ASSERT_EQ(server_->write(word, count, error_), Step::done);
  EXPECT_EQ(client_->read(into, count, error_), Step::want_read) << "nobody said that it is ready";
  client_->ready();
  ASSERT_EQ(client_->read(into, count, error_), Step::done);
  EXPECT_EQ(Buffer(into.begin(), into.begin() + static_cast<std::ptrdiff_t>(count)), word);
}

TEST_F(Tls, EndsWhenThePeerHangsUp) {
  make();
  ASSERT_TRUE(shake_hands());
  hang_up(1);
  std::array<std::uint8_t, 100> into{};
  std::size_t count = 0;
  // The last records come first; they may be all that a read finds.
  Step step = Step::done;
  for (int reads = 0; reads < 10 && (step == Step::done || step == Step::want_read); ++reads) {
    client_->ready();
    step = client_->read(into, count, error_);
  }
  EXPECT_NE(step, Step::want_read);
  EXPECT_TRUE(error_);
}

TEST_F(Tls, RefusesACertificateOfAnotherName) {
  client_context_->set_verify_mode(boost::asio::ssl::verify_peer);
  make({}, "db.example.org");
  EXPECT_FALSE(shake_hands());
  EXPECT_TRUE(error_);
}

TEST_F(Tls, RefusesWhatIsNotTls) {
  make();
  const std::string words = "GET / HTTP/1.1\r\n\r\n and more that is no record of TLS";
  ASSERT_GT(::send(ends_[0], words.data(), words.size(), 0), 0);
  server_->ready();
  EXPECT_EQ(server_->handshake(error_), Step::failed);
  EXPECT_TRUE(error_);
}

}  // namespace
}  // namespace sluice::proxy
