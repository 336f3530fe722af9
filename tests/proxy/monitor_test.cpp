// Against peers that are no databases: a port where nobody answers, one that is
// closed, one that hangs up. Those that need a database are in tests/integration.
#include "proxy/monitor.hpp"

#include <dirent.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <thread>

#include "proxy/probe_thread.hpp"
#include "proxy/sql_client.hpp"

namespace sluice::proxy {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
using routing::AdminState;
using routing::Health;
using routing::TimePoint;
using routing::Topology;

// The kernel completes connections to it; nothing is ever said on them.
class SilentPeer {
 public:
  [[nodiscard]] config::Address address() const {
    return config::Address::tcp("127.0.0.1", acceptor_.local_endpoint().port());
  }
  tcp::acceptor& acceptor() { return acceptor_; }

 private:
  asio::io_context context_;
  tcp::acceptor acceptor_{context_, {asio::ip::address_v4::loopback(), 0}};
};

config::Address closed_port() { return SilentPeer().address(); }

std::size_t open_descriptors() {
  std::size_t count = 0;
  DIR* directory = ::opendir("/proc/self/fd");
  while (::readdir(directory) != nullptr) ++count;
  ::closedir(directory);
  return count;
}

SqlTarget target(const config::Address& address, config::BackendTls tls) {
  return {.address = address,
          .user = "monitor",
          .password = config::Secret("x"),
          .tls = tls,
          .tls_ca = {}};
}

TEST(SqlClient, KeepsItsDeadlineAgainstAPeerThatNeverSpeaks) {
  const SilentPeer peer;
  for (const auto tls : {config::BackendTls::off, config::BackendTls::verify}) {
    SqlClient client;
    const auto began = Clock::now();
    const auto error = client.connect(target(peer.address(), tls), began + 100ms);
    const auto took = Clock::now() - began;
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind, SqlError::Kind::late) << error->text;
    EXPECT_GE(took, 100ms);
    EXPECT_LT(took, 600ms);
    EXPECT_FALSE(client.connected());
  }
}

TEST(SqlClient, SaysAtOnceThatAPortIsClosed) {
  SqlClient client;
  const auto error =
      client.connect(target(closed_port(), config::BackendTls::off), Clock::now() + 30s);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind, SqlError::Kind::lost);
  EXPECT_FALSE(error->text.empty());
}

TEST(SqlClient, NoticesAPeerThatHangsUp) {
  SilentPeer peer;
  std::thread hanging_up([&] { peer.acceptor().accept().close(); });
  SqlClient client;
  const auto error =
      client.connect(target(peer.address(), config::BackendTls::off), Clock::now() + 30s);
  hanging_up.join();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind, SqlError::Kind::lost);
}

TEST(SqlClient, IsInterruptedFromAnotherThreadWhileItConnects) {
  SilentPeer peer;
  SqlClient client;
  // Once accepted, the connection exists and the client waits for a greeting.
  std::thread interrupting([&] {
    const tcp::socket accepted = peer.acceptor().accept();
    client.interrupt();
  });
  const auto error =
      client.connect(target(peer.address(), config::BackendTls::off), Clock::now() + 30s);
  interrupting.join();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind, SqlError::Kind::interrupted);
}

TEST(SqlClient, LeavesNoDescriptorBehindWhenItFails) {
  const SilentPeer silent;
  const auto closed = closed_port();
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 5; ++i)
    for (const auto& address : {silent.address(), closed}) {
      SqlClient client;
      const auto error =
          client.connect(target(address, config::BackendTls::off), Clock::now() + 5ms);
      EXPECT_TRUE(error);
    }
  EXPECT_EQ(open_descriptors(), before);
}

TEST(Probe, GivesUpAtItsDeadlineAndSaysWhy) {
  const SilentPeer peer;
  Probe probe(target(peer.address(), config::BackendTls::off));
  const auto seen = probe.look(Clock::now() + 50ms);
  EXPECT_FALSE(seen.alive);
  EXPECT_NE(seen.error.find("no answer within"), std::string::npos) << seen.error;
  EXPECT_LE(seen.started_at, seen.finished_at);
  EXPECT_EQ(probe.descriptor(), -1);
}

TEST(Probe, DoesNotConnectOnceStopped) {
  const SilentPeer peer;
  Probe probe(target(peer.address(), config::BackendTls::off));
  probe.stop();
  const auto seen = probe.look(Clock::now() + 30s);
  EXPECT_FALSE(seen.alive);
}

TEST(ProbeThread, ProbesAtOnceWhenAsked) {
  const auto never = 24h;
  const ProbePace pace{.interval = never, .suspect_interval = never, .timeout = 1s};
  std::atomic<std::uint64_t> round{0};
  ProbeThread thread(target(closed_port(), config::BackendTls::off), pace,
                     {.began = [](std::uint64_t, TimePoint) {},
                      .ended =
                          [&](std::uint64_t ended, const routing::Observation&) {
                            round = ended;
                            round.notify_one();
                          }});
  round.wait(0);
  thread.probe_now();
  round.wait(1);
  EXPECT_EQ(round, 2U);
}

struct MonitorTest : testing::Test {
  void watch(const std::vector<config::Address>& addresses, std::chrono::milliseconds timeout) {
    auto made = std::make_shared<config::Settings>();
    made->monitor.user = "monitor";
    made->monitor.interval = 20ms;
    made->monitor.timeout = timeout;
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      config::Backend backend;
      backend.name = "db" + std::to_string(i + 1);
      backend.address = addresses[i];
      made->backends.push_back(std::move(backend));
    }
    monitor = std::make_unique<Monitor>(
        control, std::move(made), topology, [this](const Topology&, const Topology&) { ++changes; },
        [this](std::size_t backend) { return backend == answering ? ++answers : 0; });
    monitor->start();
  }

  // Runs the control thread until `condition`; false if that takes too long.
  template <class Condition>
  bool run_until(Condition condition) {
    const auto patience = Clock::now() + 20s;
    while (!condition() && Clock::now() < patience) control.run_one_for(100ms);
    return condition();
  }

  Health health(std::size_t backend) { return topology.load()->backends[backend].health.state; }

  asio::io_context control;
  Published<Topology> topology{std::make_shared<const Topology>()};
  std::unique_ptr<Monitor> monitor;
  int changes = 0;
  std::size_t answering = SIZE_MAX;  // a backend that goes on answering clients
  std::uint64_t answers = 0;
};

TEST_F(MonitorTest, PublishesASnapshotOfTheUnseenBeforeTheFirstAnswer) {
  const SilentPeer peer;
  watch({peer.address()}, 1s);
  const auto snapshot = topology.load();
  ASSERT_EQ(snapshot->backends.size(), 1U);
  EXPECT_EQ(snapshot->backends[0].name, "db1");
  EXPECT_EQ(snapshot->backends[0].health.state, Health::unknown);
  EXPECT_FALSE(snapshot->primary);
  EXPECT_FALSE(monitor->first_round_done());
}

TEST_F(MonitorTest, GivesUpBackendsThatRefuseAndThoseThatNeverAnswer) {
  const SilentPeer silent;
  watch({closed_port(), silent.address()}, 100ms);
  EXPECT_TRUE(run_until([&] { return health(0) == Health::down && health(1) == Health::down; }));
  EXPECT_TRUE(monitor->first_round_done());
  EXPECT_FALSE(topology.load()->backends[0].last_error.empty());
  EXPECT_NE(topology.load()->backends[1].last_error.find("no answer"), std::string::npos);
}

TEST_F(MonitorTest, TrustsABackendThatAnswersClientsMoreThanItsProbe) {
  const SilentPeer silent;
  const SilentPeer busy;
  answering = 1;
  // Both never answer a probe; the one that clients hear from is not given up.
  watch({silent.address(), busy.address()}, 300ms);
  EXPECT_TRUE(run_until([&] { return health(0) == Health::down; }));
  EXPECT_NE(health(1), Health::down);
  answering = SIZE_MAX;
  EXPECT_TRUE(run_until([&] { return health(1) == Health::down; }));
}

TEST_F(MonitorTest, FailsABackendAtItsDeadlineWhileOthersGoOn) {
  const SilentPeer silent;
  watch({silent.address(), closed_port()}, 10s);
  EXPECT_TRUE(run_until([&] { return health(1) == Health::down; }));
  EXPECT_FALSE(monitor->first_round_done());
}

TEST_F(MonitorTest, StopsAtOnceThoughAProbeHangs) {
  SilentPeer silent;
  watch({silent.address()}, 60s);
  const tcp::socket hanging = silent.acceptor().accept();
  const auto began = Clock::now();
  monitor->stop();
  EXPECT_LT(Clock::now() - began, 900ms);
}

TEST_F(MonitorTest, IgnoresTrafficErrorsOfBackendsThatDoNotExist) {
  watch({closed_port()}, 100ms);
  monitor->traffic_error(7);
  EXPECT_TRUE(run_until([&] { return monitor->first_round_done(); }));
}

TEST_F(MonitorTest, KeepsWhatTheOperatorSaid) {
  const SilentPeer peer;
  watch({peer.address()}, 1s);
  const int before = changes;
  EXPECT_TRUE(monitor->set_admin_state("db1", AdminState::drain, "admin", "disk change"));
  EXPECT_EQ(changes, before + 1);
  const auto snapshot = topology.load();
  EXPECT_EQ(snapshot->backends[0].admin.state, AdminState::drain);
  EXPECT_EQ(snapshot->backends[0].admin.by, "admin");
  EXPECT_EQ(snapshot->backends[0].admin.why, "disk change");
  EXPECT_FALSE(monitor->set_admin_state("db9", AdminState::drain, "admin", ""));
}

}  // namespace
}  // namespace sluice::proxy
