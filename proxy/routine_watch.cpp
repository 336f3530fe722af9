#include "proxy/routine_watch.hpp"

#include <pthread.h>

#include <csignal>
#include <utility>

#include "proxy/log.hpp"

namespace sluice::proxy {
namespace {

constexpr std::chrono::seconds patience{5};
/// A new catalogue is not asked for sooner than this after the last.
constexpr std::chrono::milliseconds pause{50};

std::string cell(const SqlTable& table, std::size_t row, std::string_view column) {
  const std::string* text = table.find(row, column);
  return text != nullptr ? *text : std::string();
}

}  // namespace

std::string routines_statement(routing::Flavour flavour) {
  // The limits keep the answer within bounds, whatever the server has.
  std::string statement =
      "SELECT routine_schema AS s, routine_name AS n, sql_mode AS m, routine_definition AS d"
      " FROM information_schema.routines WHERE routine_type = 'FUNCTION'"
      " AND sql_data_access IN ('NO SQL', 'READS SQL DATA')"
      " AND routine_schema NOT IN ('mysql', 'sys')"
      " AND LENGTH(routine_definition) <= 8192 LIMIT " +
      std::to_string(routing::RoutineCatalogue::most_functions);
  if (flavour == routing::Flavour::mariadb) {
    statement +=
        "; SELECT DISTINCT routine_name AS n FROM information_schema.routines"
        " WHERE routine_type LIKE 'PACKAGE%'";
  }
  return statement;
}

void read_functions(const SqlTable& table, routing::Flavour flavour,
                    routing::RoutineCatalogue& catalogue) {
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    const std::string* body = table.find(row, "d");
    const std::string modes = cell(table, row, "m");
    const auto has = [&modes](std::string_view mode) { return modes.find(mode) != modes.npos; };
    if (body == nullptr || has("ORACLE")) continue;
    routing::Dialect dialect;
    dialect.mariadb = flavour == routing::Flavour::mariadb;
    if (!dialect.mariadb) dialect.version = 80000;  // what all that are supported have
    dialect.ansi_quotes = has("ANSI_QUOTES");
    dialect.no_backslash_escapes = has("NO_BACKSLASH_ESCAPES");
    dialect.ignore_space = has("IGNORE_SPACE");
    catalogue.add_function(cell(table, row, "s"), cell(table, row, "n"), *body, dialect);
  }
}

RoutineWatch::RoutineWatch(std::shared_ptr<const config::Settings> settings,
                           Published<routing::Topology>& topology)
    : settings_(std::move(settings)),
      topology_(topology),
      published_(std::make_shared<const Routines>()) {}

RoutineWatch::~RoutineWatch() { stop(); }

void RoutineWatch::start() {
  thread_ = std::thread([this] {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    run();
  });
}

void RoutineWatch::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    if (client_) client_->interrupt();
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void RoutineWatch::changed() noexcept {
  changed_at_.store(Clock::now().time_since_epoch().count(), std::memory_order_relaxed);
  {
    const std::scoped_lock lock(mutex_);
    wanted_ = true;
  }
  wake_.notify_all();
}

bool RoutineWatch::holds(const Routines& routines, Clock::time_point now) const noexcept {
  const Clock::time_point changed_at{Clock::duration(changed_at_.load(std::memory_order_relaxed))};
  return routines.asked_at > changed_at && now - routines.asked_at < oldest;
}

void RoutineWatch::run() {
  for (;;) {
    refresh();
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, pause, [this] { return stopping_; });
    wake_.wait_for(lock, interval, [this] { return stopping_ || wanted_; });
    if (stopping_) return;
    wanted_ = false;
  }
}

void RoutineWatch::refresh() {
  const auto topology = topology_.load();
  const routing::BackendView* primary = topology->primary_view();
  if (primary == nullptr || !primary->seen) return;
  if (!connect(*primary)) return;
  auto routines = std::make_shared<Routines>();
  routines->asked_at = Clock::now();
  const routing::Flavour flavour = primary->seen->flavour;
  const SqlReply reply = client_->ask(routines_statement(flavour), Clock::now() + patience);
  const std::size_t expected = flavour == routing::Flavour::mariadb ? 2 : 1;
  if (reply.error || reply.tables.size() != expected) {
    log::debug("routines", "the catalogue of {} cannot be read: {}", primary->name,
               reply.error ? reply.error->text : "an incomplete answer");
    return;
  }
  if (expected > 1)
    for (std::size_t row = 0; row < reply.tables[1].rows.size(); ++row)
      routines->catalogue.add_package(cell(reply.tables[1], row, "n"));
  read_functions(reply.tables[0], flavour, routines->catalogue);
  published_.publish(std::move(routines));
}

bool RoutineWatch::connect(const routing::BackendView& primary) {
  if (client_ && client_->connected() && connected_to_ == primary.name) return true;
  const config::Backend* backend = config::find_backend(*settings_, primary.name);
  if (backend == nullptr) return false;
  {
    const std::scoped_lock lock(mutex_);
    if (stopping_) return false;
    client_ = std::make_unique<SqlClient>();
  }
  const SqlTarget target{.address = backend->address,
                         .user = settings_->monitor.user,
                         .password = settings_->monitor.password,
                         .tls = backend->tls,
                         .tls_ca = backend->tls_ca};
  connected_to_ = primary.name;
  return !client_->connect(target, Clock::now() + patience);
}

}  // namespace sluice::proxy
