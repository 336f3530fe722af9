#include "proxy/sql_client.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <mysql.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <mutex>

namespace sluice::proxy {
namespace {

using Clock = std::chrono::steady_clock;
using TimePoint = SqlClient::TimePoint;

// mysql_init() would do it, but not safely from two threads at once.
void initialise_library() {
  static std::once_flag once;
  std::call_once(once, [] { mysql_library_init(0, nullptr, nullptr); });
}

// Oracle's library keeps memory per thread that it wants back.
void enter_thread() {
  struct Scope {
    Scope() { mysql_thread_init(); }
    ~Scope() { mysql_thread_end(); }
  };
  static thread_local const Scope scope;
  static_cast<void>(scope);
}

std::chrono::milliseconds until(TimePoint deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
  return std::max(left, std::chrono::milliseconds{0});
}

unsigned whole_seconds(std::chrono::milliseconds time) {
  return static_cast<unsigned>(
      std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(time).count()));
}

SqlTable read_table(MYSQL_RES* result) {
  SqlTable table;
  const unsigned width = mysql_num_fields(result);
  const MYSQL_FIELD* fields = mysql_fetch_fields(result);
  for (unsigned i = 0; i < width; ++i) table.columns.emplace_back(fields[i].name);
  while (MYSQL_ROW row = mysql_fetch_row(result)) {
    const unsigned long* sizes = mysql_fetch_lengths(result);
    auto& cells = table.rows.emplace_back(width);
    for (unsigned i = 0; i < width; ++i)
      if (row[i] != nullptr) cells[i].emplace(row[i], sizes[i]);
  }
  return table;
}

}  // namespace

const std::string* SqlTable::find(std::size_t row, std::string_view column) const noexcept {
  if (row >= rows.size()) return nullptr;
  const auto same = [column](const std::string& name) {
    return name.size() == column.size() &&
           ::strncasecmp(name.data(), column.data(), name.size()) == 0;
  };
  const auto found = std::find_if(columns.begin(), columns.end(), same);
  if (found == columns.end()) return nullptr;
  const auto& cell = rows[row][static_cast<std::size_t>(found - columns.begin())];
  return cell ? &*cell : nullptr;
}

struct SqlClient::Connection {
  Connection() {
    initialise_library();
    enter_thread();
    ::mysql_init(&mysql);
  }
  ~Connection() {
    // Without this, closing a connection to a paused backend could wait for it.
    if (!usable) break_off();
    ::mysql_close(&mysql);
    const std::scoped_lock lock(mutex);
    if (twin >= 0) ::close(twin);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int descriptor() noexcept {
#ifdef MARIADB_BASE_VERSION
    const auto number = ::mysql_get_socket(&mysql);
    return number == static_cast<my_socket>(-1) ? -1 : static_cast<int>(number);
#else
    return mysql.net.vio != nullptr ? static_cast<int>(mysql.net.fd) : -1;
#endif
  }

  void interrupt() noexcept {
    interrupted = true;
    break_off();
  }

  // Shuts down a duplicate of the descriptor: the library may close its own at
  // any moment, and the number may then be another socket's.
  void break_off() noexcept {
    const std::scoped_lock lock(mutex);
    if (twin >= 0) ::shutdown(twin, SHUT_RDWR);
  }

  // The library may try one address of a name after the other.
  void follow_descriptor() {
    const int number = descriptor();
    if (number == twin_of || number < 0) return;
    const std::scoped_lock lock(mutex);
    if (twin >= 0) ::close(twin);
    twin = ::fcntl(number, F_DUPFD_CLOEXEC, 0);
    twin_of = number;
  }

  // Waits for `events` of poll(2). False: the deadline or an interruption came first.
  bool wait(short events, TimePoint deadline, std::chrono::milliseconds at_most) {
    follow_descriptor();
    pollfd watched{.fd = descriptor(), .events = events, .revents = 0};
    while (!interrupted) {
      const auto left = until(deadline);
      if (left.count() == 0) {
        late = true;
        return false;
      }
      const int ready = ::poll(&watched, 1, static_cast<int>(std::min(left, at_most).count()));
      if (interrupted) return false;
      if (ready > 0 || (ready == 0 && at_most < left)) {
        got = watched.revents;
        return true;
      }
    }
    return false;
  }

#ifdef MARIADB_BASE_VERSION
  // The library's coroutine asks for events and is told what came. Once a wait
  // has failed it hears only of timeouts, so that it unwinds and frees all it has.
  template <class Continue>
  void drive(int wanted, TimePoint deadline, Continue go_on) {
    while (wanted != 0) {
      short events = 0;
      if ((wanted & MYSQL_WAIT_READ) != 0) events |= POLLIN;
      if ((wanted & MYSQL_WAIT_WRITE) != 0) events |= POLLOUT;
      if ((wanted & MYSQL_WAIT_EXCEPT) != 0) events |= POLLPRI;
      int came = 0;
      if (!late && !interrupted && wait(events, deadline, std::chrono::hours{1})) {
        // An error or hang-up is told as what was waited for: the next call finds it.
        const bool broken = (got & (POLLERR | POLLHUP | POLLNVAL)) != 0;
        if ((got & POLLIN) != 0 || broken) came |= wanted & MYSQL_WAIT_READ;
        if ((got & POLLOUT) != 0 || broken) came |= wanted & MYSQL_WAIT_WRITE;
        if ((got & POLLPRI) != 0) came |= MYSQL_WAIT_EXCEPT;
      } else {
        came = MYSQL_WAIT_TIMEOUT;
      }
      wanted = go_on(came);
    }
    follow_descriptor();
  }

  bool connect(const char* host, const char* user, const char* password, unsigned port,
               const char* path, TimePoint deadline) {
    MYSQL* done = nullptr;
    drive(::mysql_real_connect_start(&done, &mysql, host, user, password, nullptr, port, path,
                                     CLIENT_MULTI_STATEMENTS),
          deadline, [&](int came) { return ::mysql_real_connect_cont(&done, &mysql, came); });
    return done != nullptr;
  }
  bool query(std::string_view sql, TimePoint deadline) {
    int failed = 1;
    drive(::mysql_real_query_start(&failed, &mysql, sql.data(), sql.size()), deadline,
          [&](int came) { return ::mysql_real_query_cont(&failed, &mysql, came); });
    return failed == 0;
  }
  MYSQL_RES* store(TimePoint deadline) {
    MYSQL_RES* result = nullptr;
    drive(::mysql_store_result_start(&result, &mysql), deadline,
          [&](int came) { return ::mysql_store_result_cont(&result, &mysql, came); });
    return result;
  }
  int next(TimePoint deadline) {
    int more = 1;
    drive(::mysql_next_result_start(&more, &mysql), deadline,
          [&](int came) { return ::mysql_next_result_cont(&more, &mysql, came); });
    return more;
  }
#else
  // This library does not say what it waits for: look again soon.
  template <class Step>
  net_async_status drive(TimePoint deadline, Step step) {
    for (;;) {
      const net_async_status status = step();
      if (status != NET_ASYNC_NOT_READY) return status;
      if (!wait(POLLIN, deadline, std::chrono::milliseconds{2})) return NET_ASYNC_ERROR;
    }
  }

  bool connect(const char* host, const char* user, const char* password, unsigned port,
               const char* path, TimePoint deadline) {
    return drive(deadline, [&] {
             return ::mysql_real_connect_nonblocking(&mysql, host, user, password, nullptr, port,
                                                     path, CLIENT_MULTI_STATEMENTS);
           }) == NET_ASYNC_COMPLETE;
  }
  bool query(std::string_view sql, TimePoint deadline) {
    return drive(deadline, [&] {
             return ::mysql_real_query_nonblocking(&mysql, sql.data(), sql.size());
           }) == NET_ASYNC_COMPLETE;
  }
  MYSQL_RES* store(TimePoint deadline) {
    MYSQL_RES* result = nullptr;
    static_cast<void>(
        drive(deadline, [&] { return ::mysql_store_result_nonblocking(&mysql, &result); }));
    return result;
  }
  int next(TimePoint deadline) {
    const auto status = drive(deadline, [&] { return ::mysql_next_result_nonblocking(&mysql); });
    if (status == NET_ASYNC_COMPLETE) return 0;
    return status == NET_ASYNC_COMPLETE_NO_MORE_RESULTS ? -1 : 1;
  }
#endif

  void set_options(const SqlTarget& target, TimePoint deadline) {
    const bool tcp = target.address.kind == config::Address::Kind::tcp;
    const unsigned protocol = tcp ? MYSQL_PROTOCOL_TCP : MYSQL_PROTOCOL_SOCKET;
    ::mysql_options(&mysql, MYSQL_OPT_PROTOCOL, &protocol);
    const unsigned no = 0;
    ::mysql_options(&mysql, MYSQL_OPT_LOCAL_INFILE, &no);
    // The backstop for what the non-blocking calls wait for inside: the TLS handshake.
    const unsigned seconds = whole_seconds(until(deadline));
    ::mysql_options(&mysql, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
    ::mysql_options(&mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    ::mysql_options4(&mysql, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "sluice");
    set_tls(target);
  }

  void set_tls(const SqlTarget& target) {
    const bool check = target.tls == config::BackendTls::verify;
#ifdef MARIADB_BASE_VERSION
    ::mysql_options(&mysql, MYSQL_OPT_NONBLOCK, nullptr);
    const my_bool use = target.tls == config::BackendTls::off ? 0 : 1;
    const my_bool verify = check ? 1 : 0;
    ::mysql_options(&mysql, MYSQL_OPT_SSL_ENFORCE, &use);
    ::mysql_options(&mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
#else
    const bool yes = true;
    ::mysql_options(&mysql, MYSQL_OPT_GET_SERVER_PUBLIC_KEY, &yes);
    unsigned mode = SSL_MODE_DISABLED;
    if (target.tls == config::BackendTls::prefer) mode = SSL_MODE_PREFERRED;
    if (target.tls == config::BackendTls::require) mode = SSL_MODE_REQUIRED;
    if (check) mode = SSL_MODE_VERIFY_IDENTITY;
    ::mysql_options(&mysql, MYSQL_OPT_SSL_MODE, &mode);
#endif
    if (check && !target.tls_ca.empty())
      ::mysql_options(&mysql, MYSQL_OPT_SSL_CA, target.tls_ca.c_str());
  }

  SqlError error(std::string_view while_doing, TimePoint began) {
    if (interrupted)
      return {SqlError::Kind::interrupted, 0, fmt::format("interrupted while {}", while_doing)};
    if (late) {
      const auto waited =
          std::chrono::round<std::chrono::milliseconds>(Clock::now() - began).count();
      return {SqlError::Kind::late, 0,
              fmt::format("no answer within {} ms while {}", waited, while_doing)};
    }
    const unsigned code = ::mysql_errno(&mysql);
    const bool ours = code == 0 || (code >= 2000 && code < 3000);
    return {ours ? SqlError::Kind::lost : SqlError::Kind::refused, code,
            fmt::format("{} (error {})", ::mysql_error(&mysql), code)};
  }

  MYSQL mysql{};
  bool usable = false;
  bool late = false;
  short got = 0;
  std::atomic<bool> interrupted{false};

  std::mutex mutex;  // guards twin
  int twin = -1;     // a duplicate of the descriptor, for interrupt()
  int twin_of = -1;
};

SqlClient::SqlClient() : connection_(std::make_unique<Connection>()) {}
SqlClient::~SqlClient() = default;

bool SqlClient::connected() const noexcept { return connection_->usable; }

int SqlClient::descriptor() const noexcept {
  return connection_->usable ? connection_->descriptor() : -1;
}

void SqlClient::interrupt() noexcept { connection_->interrupt(); }

std::optional<SqlError> SqlClient::connect(const SqlTarget& target, TimePoint deadline) {
  assert(!connection_->usable && "connect() twice");
  auto& link = *connection_;
  const TimePoint began = Clock::now();
  link.set_options(target, deadline);
  const bool tcp = target.address.kind == config::Address::Kind::tcp;
  std::string password(target.password.reveal());
  const bool done = link.connect(tcp ? target.address.host.c_str() : nullptr, target.user.c_str(),
                                 password.c_str(), tcp ? target.address.port : 0U,
                                 tcp ? nullptr : target.address.path.c_str(), deadline);
  config::wipe(password);
  if (!done) return link.error("connecting", began);
  // Connector/C 3.3 goes on in plain text if the other side offers no TLS.
  const bool must_encrypt =
      target.tls == config::BackendTls::require || target.tls == config::BackendTls::verify;
  if (must_encrypt && ::mysql_get_ssl_cipher(&link.mysql) == nullptr)
    return SqlError{SqlError::Kind::lost, 0, "the backend offers no TLS, which `tls` requires"};
  link.usable = true;
  return std::nullopt;
}

SqlReply SqlClient::ask(std::string_view sql, TimePoint deadline) {
  auto& link = *connection_;
  SqlReply reply;
  if (!link.usable) {
    reply.error = SqlError{SqlError::Kind::lost, 0, "not connected"};
    return reply;
  }
  const TimePoint began = Clock::now();
  const auto fail = [&] {
    reply.error = link.error("waiting for the reply", began);
    link.usable = reply.error->kind == SqlError::Kind::refused;
    return std::move(reply);
  };
  if (!link.query(sql, deadline)) return fail();
  for (;;) {
    if (MYSQL_RES* result = link.store(deadline)) {
      reply.tables.push_back(read_table(result));
      ::mysql_free_result(result);
    } else if (::mysql_field_count(&link.mysql) != 0 || link.late || link.interrupted) {
      return fail();
    }
    const int more = link.next(deadline);
    if (more < 0) return reply;
    if (more > 0) return fail();
  }
}

}  // namespace sluice::proxy
