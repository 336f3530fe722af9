// Over real sockets, with libmysqlclient as the client that nobody here wrote.
#include "proxy/admin_server.hpp"

#include <gmock/gmock.h>
#include <mysql.h>

#include <boost/asio/executor_work_guard.hpp>
#include <cstring>
#include <future>
#include <thread>

#include "proxy/startup_error.hpp"
#include "proxy/tls_contexts.hpp"
#include "tests/proxy/admin_stage.hpp"

namespace sluice::proxy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const protocol::RsaKey& test_key() {
  static const auto key = protocol::RsaKey::generate();
  return *key;
}

// The port, served by a thread of its own as the control thread would.
class Port {
 public:
  explicit Port(std::shared_ptr<TlsContext> tls = nullptr)
      : server_(control_, stage.settings_.admin, test_key(), std::move(tls), stage) {
    server_.listen();
    number = server_.port();
    thread_ = std::thread([this] { control_.run(); });
  }
  ~Port() {
    stop();
    work_.reset();
    thread_.join();
  }
  void stop() {
    std::promise<void> stopped;
    asio::post(control_, [&] {
      server_.stop();
      stopped.set_value();
    });
    stopped.get_future().wait();
  }

  AdminStage stage;
  std::uint16_t number = 0;

 private:
  asio::io_context control_{1};
  asio::executor_work_guard<Executor> work_{control_.get_executor()};
  AdminServer server_;
  std::thread thread_;
};

class Console {
 public:
  enum class Tls { as_offered, enforced };

  explicit Console(const Port& port, const char* user = "admin", const char* password = "secret",
                   const char* plugin = nullptr, Tls tls = Tls::as_offered) {
    if (plugin != nullptr) mysql_options(mysql_, MYSQL_DEFAULT_AUTH, plugin);
#ifdef MARIADB_PACKAGE_VERSION
    const my_bool enforce = 1;
    if (tls == Tls::enforced) mysql_options(mysql_, MYSQL_OPT_SSL_ENFORCE, &enforce);
#else
    const unsigned mode = SSL_MODE_REQUIRED;
    if (tls == Tls::enforced) mysql_options(mysql_, MYSQL_OPT_SSL_MODE, &mode);
#endif
    connected = mysql_real_connect(mysql_, "127.0.0.1", user, password, nullptr, port.number,
                                   nullptr, 0) != nullptr;
  }
  ~Console() { mysql_close(mysql_); }
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  using Rows = std::vector<std::vector<std::string>>;
  /// The rows; an error as the only cell: "1064 42000 …".
  Rows ask(const std::string& sql) {
    if (mysql_real_query(mysql_, sql.data(), sql.size()) != 0) return {{error()}};
    MYSQL_RES* result = mysql_store_result(mysql_);
    if (result == nullptr) return {};
    Rows rows;
    while (MYSQL_ROW row = mysql_fetch_row(result)) {
      auto& cells = rows.emplace_back();
      for (unsigned i = 0; i < mysql_num_fields(result); ++i)
        cells.emplace_back(row[i] != nullptr ? row[i] : "NULL");
    }
    mysql_free_result(result);
    return rows;
  }
  [[nodiscard]] std::string error() {
    return std::to_string(mysql_errno(mysql_)) + " " + mysql_sqlstate(mysql_) + " " +
           mysql_error(mysql_);
  }
  [[nodiscard]] MYSQL* raw() const { return mysql_; }

  bool connected = false;

 private:
  MYSQL* mysql_ = mysql_init(nullptr);
};

TEST(AdminServer, LogsInByEitherPlugin) {
  const Port port;
  for (const char* plugin : {"caching_sha2_password", "mysql_native_password"}) {
    Console console(port, "admin", "secret", plugin);
    EXPECT_TRUE(console.connected) << plugin << ": " << console.error();
    EXPECT_THAT(console.ask("SELECT 1"), ElementsAre(ElementsAre("1"))) << plugin;
  }
}

TEST(AdminServer, SpeaksTlsIfItHasACertificate) {
  const Port port(make_client_tls(config::Listen{}));
  Console console(port, "admin", "secret", nullptr, Console::Tls::enforced);
  ASSERT_TRUE(console.connected) << console.error();
  EXPECT_NE(mysql_get_ssl_cipher(console.raw()), nullptr);
  EXPECT_THAT(console.ask("SELECT 1"), ElementsAre(ElementsAre("1")));
}

TEST(AdminServer, AnswersAWrongPasswordAsTheServerDoes) {
  const Port port;
  EXPECT_EQ(Console(port, "admin", "wrong").error(),
            "1045 28000 Access denied for user 'admin'@'127.0.0.1' (using password: YES)");
  EXPECT_EQ(Console(port, "nobody", "").error(),
            "1045 28000 Access denied for user 'nobody'@'127.0.0.1' (using password: NO)");
}

TEST(AdminServer, HasNoReadOnlyAccountWithoutAPassword) {
  config::Admin closed;
  closed.password = config::Secret("secret");
  asio::io_context control;
  AdminStage stage;
  ASSERT_TRUE(closed.readonly_password.empty());
  closed.address = config::Address::tcp("127.0.0.1", 0);
  AdminServer server(control, closed, test_key(), nullptr, stage);
  server.listen();
  std::thread thread([&control] { control.run(); });
  MYSQL* mysql = mysql_init(nullptr);
  EXPECT_EQ(mysql_real_connect(mysql, "127.0.0.1", "stats", "", nullptr, server.port(), nullptr, 0),
            nullptr);
  EXPECT_EQ(mysql_errno(mysql), 1045U);
  mysql_close(mysql);
  asio::post(control, [&server] { server.stop(); });
  thread.join();
}

TEST(AdminServer, SetsABackendAndTellsIt) {
  const Port port;
  Console console(port);
  EXPECT_THAT(console.ask("SET BACKEND r1 OFFLINE BECAUSE 'test'"), IsEmpty());
  const auto rows = console.ask("SHOW BACKENDS LIKE 'r1'\\G");
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_THAT(rows[0][3], "OFFLINE");
  EXPECT_THAT(rows[0][15], "admin@127.0.0.1");
}

TEST(AdminServer, KeepsTheReadOnlyAccountFromChanges) {
  const Port port;
  Console console(port, "stats", "glass");
  EXPECT_THAT(console.ask("SELECT USER()"), ElementsAre(ElementsAre("stats@127.0.0.1")));
  EXPECT_THAT(console.ask("SET BACKEND r1 ONLINE")[0][0], HasSubstr("1227 42000 Access denied"));
}

TEST(AdminServer, AnswersTheCommandsThatAreNoQueries) {
  const Port port;
  Console console(port);
  EXPECT_EQ(mysql_ping(console.raw()), 0);
  EXPECT_EQ(mysql_select_db(console.raw(), "shop"), 0);
  EXPECT_THAT(console.ask("SELECT DATABASE()"), ElementsAre(ElementsAre("shop")));
  EXPECT_THAT(mysql_stat(console.raw()), HasSubstr("Uptime: "));
  EXPECT_EQ(mysql_set_server_option(console.raw(), MYSQL_OPTION_MULTI_STATEMENTS_OFF), 0);
  MYSQL_RES* fields = mysql_list_fields(console.raw(), "t", nullptr);
  EXPECT_NE(fields, nullptr) << console.error();
  mysql_free_result(fields);
  EXPECT_EQ(mysql_reset_connection(console.raw()), 0);
  EXPECT_THAT(console.ask("SELECT DATABASE()"), ElementsAre(ElementsAre("NULL")));
  EXPECT_EQ(mysql_change_user(console.raw(), "stats", "glass", nullptr), 0) << console.error();
  EXPECT_THAT(console.ask("SELECT USER()"), ElementsAre(ElementsAre("stats@127.0.0.1")));
  EXPECT_THAT(console.ask("KILL 1")[0][0], HasSubstr("1227"));
}

TEST(AdminServer, ServesPreparedStatementsInBinary) {
  const Port port;
  Console console(port);
  MYSQL_STMT* statement = mysql_stmt_init(console.raw());
  const std::string sql = "SHOW BACKENDS LIKE ?";
  ASSERT_EQ(mysql_stmt_prepare(statement, sql.data(), sql.size()), 0) << console.error();
  EXPECT_EQ(mysql_stmt_param_count(statement), 1U);
  ASSERT_EQ(mysql_stmt_field_count(statement), 18U);
  char pattern[] = "r%";
  MYSQL_BIND parameter;
  std::memset(&parameter, 0, sizeof parameter);
  parameter.buffer_type = MYSQL_TYPE_STRING;
  parameter.buffer = pattern;
  parameter.buffer_length = 2;
  mysql_stmt_bind_param(statement, &parameter);
  // The second time the client does not say the types again.
  for (int round = 0; round < 2; ++round) {
    ASSERT_EQ(mysql_stmt_execute(statement), 0) << mysql_stmt_error(statement);
    std::vector<MYSQL_BIND> cells(18);
    std::memset(cells.data(), 0, sizeof(MYSQL_BIND) * cells.size());
    char name[16] = "";
    long long reads = 0;
    cells[0].buffer_type = MYSQL_TYPE_STRING;
    cells[0].buffer = name;
    cells[0].buffer_length = sizeof name;
    cells[8].buffer_type = MYSQL_TYPE_LONGLONG;
    cells[8].buffer = &reads;
    mysql_stmt_bind_result(statement, cells.data());
    ASSERT_NE(mysql_stmt_fetch(statement), MYSQL_NO_DATA);
    EXPECT_STREQ(name, "r1");
    EXPECT_EQ(reads, 7);
    EXPECT_EQ(mysql_stmt_fetch(statement), MYSQL_NO_DATA);
    mysql_stmt_free_result(statement);
  }
  mysql_stmt_close(statement);
  EXPECT_THAT(console.ask("SELECT 1"), ElementsAre(ElementsAre("1")));
}

TEST(AdminServer, TakesParametersOfACommandThatChangesThings) {
  const Port port;
  Console console(port);
  MYSQL_STMT* statement = mysql_stmt_init(console.raw());
  const std::string sql = "KILL QUERY ?";
  ASSERT_EQ(mysql_stmt_prepare(statement, sql.data(), sql.size()), 0) << console.error();
  EXPECT_EQ(mysql_stmt_field_count(statement), 0U);
  int session = 1;
  MYSQL_BIND parameter;
  std::memset(&parameter, 0, sizeof parameter);
  parameter.buffer_type = MYSQL_TYPE_LONG;
  parameter.buffer = &session;
  mysql_stmt_bind_param(statement, &parameter);
  EXPECT_EQ(mysql_stmt_execute(statement), 0) << mysql_stmt_error(statement);
  session = -5;
  EXPECT_NE(mysql_stmt_execute(statement), 0);
  EXPECT_EQ(mysql_stmt_errno(statement), 1064U);
  mysql_stmt_close(statement);
}

TEST(AdminServer, RefusesAnOversizedCommandAndLetsItsClientGo) {
  const Port port;
  Console console(port);
  console.ask("SELECT '" + std::string(70'000, 'x') + "'");
  EXPECT_NE(mysql_ping(console.raw()), 0);
  EXPECT_TRUE(Console(port).connected);
}

TEST(AdminServer, RefusesTheHundredAndFirstClient) {
  const Port port;
  std::vector<std::unique_ptr<Console>> consoles;
  for (int i = 0; i < 100; ++i) {
    consoles.push_back(std::make_unique<Console>(port));
    ASSERT_TRUE(consoles.back()->connected) << i << ": " << consoles.back()->error();
  }
  EXPECT_THAT(Console(port).error(), HasSubstr("1040"));
}

TEST(AdminServer, KillsAnAdminClientButNoSessionOfTheSameNumber) {
  const Port port;
  Console first(port);
  Console second(port);
  const auto id = mysql_thread_id(first.raw());
  EXPECT_THAT(second.ask("KILL QUERY " + std::to_string(id)), IsEmpty());
  EXPECT_EQ(mysql_ping(first.raw()), 0);
  EXPECT_THAT(second.ask("KILL " + std::to_string(id)), IsEmpty());
  EXPECT_NE(mysql_ping(first.raw()), 0);
  EXPECT_FALSE(port.stage.killed_);
}

TEST(AdminServer, EndsItsClientsWhenItStops) {
  Port port;
  Console console(port);
  ASSERT_TRUE(console.connected);
  port.stop();
  EXPECT_NE(mysql_ping(console.raw()), 0);
  EXPECT_FALSE(Console(port).connected);
}

TEST(AdminServer, SaysWhichAddressItCannotBind) {
  Port port;
  asio::io_context control;
  config::Admin taken = port.stage.settings_.admin;
  taken.address = config::Address::tcp("127.0.0.1", port.number);
  AdminServer server(control, taken, test_key(), nullptr, port.stage);
  try {
    server.listen();
    FAIL() << "two listen on one port";
  } catch (const StartupError& error) {
    EXPECT_THAT(error.what(), HasSubstr("cannot bind 127.0.0.1:" + std::to_string(port.number)));
    EXPECT_THAT(error.what(), HasSubstr("in use"));
  }
}

TEST(AdminServer, StaysClosedWithoutAPassword) {
  asio::io_context control;
  AdminStage stage;
  config::Admin settings;
  settings.address = config::Address::tcp("127.0.0.1", 0);
  AdminServer server(control, settings, test_key(), nullptr, stage);
  server.listen();
  EXPECT_EQ(server.port(), 0);
}

}  // namespace
}  // namespace sluice::proxy
