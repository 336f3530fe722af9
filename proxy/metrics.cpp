#include "proxy/metrics.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "proxy/admin_views.hpp"
#include "proxy/exposition.hpp"
#include "proxy/readiness.hpp"
#include "proxy/version.hpp"
#include "routing/session_state.hpp"

namespace sluice::proxy {
namespace {

using Type = Exposition::Type;

#if defined(__clang__)
constexpr std::string_view compiler = "clang " __clang_version__;
#else
constexpr std::string_view compiler = "gcc " __VERSION__;
#endif

double seconds(std::chrono::milliseconds time) { return static_cast<double>(time.count()) / 1e3; }

class Metrics {
 public:
  Metrics(const AdminTarget& target, const ProcessFacts& process, routing::TimePoint now)
      : target_(target),
        counters_(target.counters()),
        settings_(target.settings()),
        topology_(target.topology()),
        process_(process),
        now_(now) {}

  std::string text() && {
    build();
    clients();
    sessions();
    statements();
    backends();
    links();
    topology();
    process();
    return std::move(out_).take();
  }

 private:
  void counter(std::string_view name, const Count& count, std::string_view help) {
    out_.family(name, Type::counter, help);
    out_.sample(read(count));
  }

  template <class T>
  void gauge(std::string_view name, T value, std::string_view help) {
    out_.family(name, Type::gauge, help);
    out_.sample(value);
  }

  /// One sample for each backend that has counters.
  void each_backend(std::string_view name, Type type, std::string_view help, auto sample) {
    out_.family(name, type, help);
    const std::size_t count = std::min(topology_->backends.size(), counters_.backends.size());
    for (std::size_t i = 0; i < count; ++i) sample(topology_->backends[i], *counters_.backends[i]);
  }

  void backend_counter(std::string_view name, Count BackendCounters::*counter, Type type,
                       std::string_view help) {
    each_backend(name, type, help,
                 [&](const routing::BackendView& backend, const BackendCounters& counted) {
                   out_.sample(read(counted.*counter), {{"backend", backend.name}});
                 });
  }

  void backend_gauge(std::string_view name, std::string_view help, auto value_of) {
    out_.family(name, Type::gauge, help);
    for (const routing::BackendView& backend : topology_->backends)
      out_.sample(value_of(backend), {{"backend", backend.name}});
  }

  /// A state as Prometheus likes it: 1 for the present one, 0 for the others.
  template <class E>
  void backend_state(std::string_view name, std::string_view label, std::initializer_list<E> states,
                     std::string_view help, auto state_of) {
    out_.family(name, Type::gauge, help);
    for (const routing::BackendView& backend : topology_->backends)
      for (const E state : states)
        out_.sample(state_of(backend) == state,
                    {{"backend", backend.name}, {label, routing::to_string(state)}});
  }

  void build() {
    out_.family("sluice_build_info", Type::gauge, "The version and the compiler; always 1.");
    out_.sample(true, {{"version", version}, {"compiler", compiler}});
    const Readiness state = readiness(target_, now_);
    gauge("sluice_ready", state.ready, "Whether /readyz says 200.");
  }

  void clients() {
    counter("sluice_clients_accepted_total", counters_.clients_accepted,
            "Connections of clients that were accepted.");
    counter("sluice_clients_refused_total", counters_.clients_refused,
            "Clients that were let go: a limit, or a login that failed.");
    gauge("sluice_clients_limit", std::uint64_t{settings_.listen.max_connections},
          "The setting listen.max_connections.");
  }

  void sessions() {
    const Sessions all = target_.sessions().all();
    std::uint64_t busy = 0;
    std::uint64_t in_transaction = 0;
    std::uint64_t pinned = 0;
    std::array<std::uint64_t, routing::pin_count> pins{};
    constexpr auto relaxed = std::memory_order_relaxed;
    for (const auto& session : all) {
      if (session->busy.load(relaxed)) ++busy;
      if (session->in_transaction.load(relaxed)) ++in_transaction;
      const auto held = session->pinned();
      if (!held.empty()) ++pinned;
      for (const SessionRecord::Pinned& one : held) ++pins[static_cast<std::size_t>(one.pin)];
    }
    gauge("sluice_sessions", std::uint64_t{all.size()}, "Clients that are connected.");
    gauge("sluice_sessions_busy", busy, "Sessions whose statement is under way.");
    gauge("sluice_sessions_in_transaction", in_transaction, "Sessions with an open transaction.");
    gauge("sluice_sessions_pinned", pinned, "Sessions that are bound to one link.");
    out_.family("sluice_session_pins", Type::gauge, "Sessions by what binds them.");
    for (std::size_t i = 0; i < pins.size(); ++i)
      out_.sample(pins[i], {{"pin", routing::to_string(static_cast<routing::Pin>(i))}});
  }

  void statements() {
    const auto decided = [this](routing::Reason reason) {
      return read(counters_.decisions[static_cast<std::size_t>(reason)]);
    };
    counter("sluice_statements_total", counters_.statements, "Commands of clients that were run.");
    out_.family("sluice_decisions_total", Type::counter,
                "Statements by why they went where they went.");
    for (std::size_t i = 0; i < routing::reason_count; ++i) {
      const auto reason = static_cast<routing::Reason>(i);
      out_.sample(decided(reason), {{"reason", routing::to_string(reason)}});
    }
    out_.family("sluice_statement_duration_seconds", Type::histogram,
                "From a command's arrival to the end of its answer, waiting included.");
    out_.histogram(counters_.reads_took.read(), {{"class", "read"}});
    out_.histogram(counters_.writes_took.read(), {{"class", "write"}});
    out_.family("sluice_stale_reads_prevented_total", Type::counter,
                "Reads that went to the primary because replicas were behind.");
    out_.sample(decided(routing::Reason::own_write) + decided(routing::Reason::lagging));
    counter("sluice_misroutes_total", counters_.misroutes,
            "Statements taken for reads that a replica refused as writes.");
    counter("sluice_reads_shared_total", counters_.reads_shared,
            "Reads served on a link that several sessions use.");
    counter("sluice_reads_moved_total", counters_.reads_moved,
            "Reads run again elsewhere after their link was lost.");
    counter("sluice_writes_held_total", counters_.writes_held,
            "Statements that had to wait for a primary.");
    counter("sluice_outcomes_unknown_total", counters_.outcomes_unknown,
            "Writes whose link was lost before their answer came.");
    counter("sluice_state_checks_total", counters_.state_checks,
            "Links whose state was read back before they were used again.");
    counter("sluice_state_mismatches_total", counters_.state_mismatches,
            "Links found in another state than they should have been in, and closed.");
    counter("sluice_state_syncs_total", counters_.state_syncs,
            "Commands that brought a link into a session's state.");
  }

  void backends() {
    out_.family("sluice_backend_info", Type::gauge, "Where and what a backend is; always 1.");
    for (const routing::BackendView& backend : topology_->backends)
      out_.sample(true, {{"backend", backend.name},
                         {"address", backend.address},
                         {"version", backend.seen ? backend.seen->version : std::string_view()}});
    using routing::AdminState;
    using routing::Health;
    using routing::Role;
    backend_state("sluice_backend_role", "role", {Role::primary, Role::replica, Role::unknown},
                  "The role that was discovered: 1 for the present one.",
                  [](const auto& backend) { return backend.role; });
    backend_state("sluice_backend_health", "state",
                  {Health::up, Health::suspect, Health::down, Health::unknown},
                  "What probes and traffic say: 1 for the present state.",
                  [](const auto& backend) { return backend.health.state; });
    backend_state("sluice_backend_admin_state", "state",
                  {AdminState::online, AdminState::drain, AdminState::offline},
                  "What SET BACKEND said: 1 for the present state.",
                  [](const auto& backend) { return backend.admin.state; });
    backend_gauge(
        "sluice_backend_serves_reads", "Whether plain reads may go there now.",
        [this](const auto& backend) { return excluded(backend, settings_, now_).empty(); });
    backend_gauge("sluice_backend_lag_seconds",
                  "How old a read there may be at most; +Inf if that is not known.",
                  [this](const auto& backend) {
                    const auto lag = backend.lag_at(now_);
                    return lag ? seconds(*lag) : std::numeric_limits<double>::infinity();
                  });
    backend_gauge("sluice_backend_weight", "Its share of the reads, relative to the others.",
                  [](const auto& backend) { return std::uint64_t{backend.weight}; });
    backend_counter("sluice_backend_reads_total", &BackendCounters::reads, Type::counter,
                    "Statements served as reads.");
    backend_counter("sluice_backend_writes_total", &BackendCounters::writes, Type::counter,
                    "Statements served as anything else.");
    backend_counter("sluice_backend_in_flight", &BackendCounters::in_flight, Type::gauge,
                    "Commands sent whose reply is not complete.");
    backend_counter("sluice_backend_received_bytes_total", &BackendCounters::bytes_received,
                    Type::counter, "Bytes of replies.");
    each_backend("sluice_backend_reply_seconds", Type::histogram,
                 "From a command sent to the end of its reply.",
                 [this](const routing::BackendView& backend, const BackendCounters& counted) {
                   out_.histogram(counted.replies.read(), {{"backend", backend.name}});
                 });
  }

  void links() {
    backend_counter("sluice_links", &BackendCounters::links, Type::gauge,
                    "Connections to a backend, open or being opened.");
    backend_counter("sluice_links_opened_total", &BackendCounters::links_opened, Type::counter,
                    "Connections to a backend that were opened.");
    backend_counter("sluice_link_errors_total", &BackendCounters::link_errors, Type::counter,
                    "Connections that could not be opened, or broke while in use.");
    backend_gauge("sluice_links_limit", "The backend's max_links; +Inf if there is none.",
                  [this](const routing::BackendView& backend) {
                    const auto* configured = config::find_backend(settings_, backend.name);
                    const std::uint32_t limit = configured != nullptr && configured->max_links
                                                    ? *configured->max_links
                                                    : settings_.pool.max_links;
                    return limit > 0 ? double{static_cast<double>(limit)}
                                     : std::numeric_limits<double>::infinity();
                  });
  }

  void topology() {
    gauge("sluice_primary_known", topology_->primary.has_value(), "Whether somebody takes writes.");
    gauge("sluice_primary_epoch", topology_->epoch, "How often a backend has become primary.");
    out_.family("sluice_primary", Type::gauge, "Who takes writes, and why; always 1.");
    const routing::BackendView* primary = topology_->primary_view();
    out_.sample(true, {{"backend", primary != nullptr ? primary->name : std::string_view()},
                       {"reason", routing::to_string(topology_->primary_reason)}});
    gauge("sluice_fail_open", topology_->fail_open,
          "Whether the probes are distrusted because every backend looks dead at once.");
    out_.family("sluice_alerts", Type::gauge, "What SHOW ALERTS shows, by kind.");
    using routing::AlarmKind;
    for (const AlarmKind kind : {AlarmKind::two_writers, AlarmKind::wrong_cluster,
                                 AlarmKind::fail_open, AlarmKind::no_primary}) {
      const auto count =
          std::count_if(topology_->alarms.begin(), topology_->alarms.end(),
                        [kind](const routing::Alarm& alarm) { return alarm.kind == kind; });
      out_.sample(static_cast<std::uint64_t>(count), {{"kind", routing::to_string(kind)}});
    }
  }

  void process() {
    out_.family("process_cpu_seconds_total", Type::counter, "User and system time used.");
    out_.sample(process_.cpu_seconds);
    gauge("process_resident_memory_bytes", process_.resident_bytes, "Resident memory.");
    gauge("process_virtual_memory_bytes", process_.virtual_bytes, "Virtual memory.");
    gauge("process_start_time_seconds", process_.started_at,
          "When the process began, in seconds since 1970.");
    gauge("process_open_fds", process_.open_fds, "Open descriptors.");
    gauge("process_max_fds",
          process_.max_fds > 0 ? static_cast<double>(process_.max_fds)
                               : std::numeric_limits<double>::infinity(),
          "The most descriptors that may be open.");
    gauge("process_threads", process_.threads, "Threads.");
    gauge("sluice_session_buffer_limit_bytes", settings_.limits.session_buffer.bytes,
          "The setting limits.session_buffer: of a session, in each direction.");
    gauge("sluice_statement_window_limit_bytes", settings_.limits.statement_window.bytes,
          "The setting limits.statement_window: of a statement, kept to classify it.");
  }

  const AdminTarget& target_;
  const Counters& counters_;
  const config::Settings& settings_;
  const std::shared_ptr<const routing::Topology> topology_;
  const ProcessFacts& process_;
  const routing::TimePoint now_;
  Exposition out_;
};

}  // namespace

std::string metrics_text(const AdminTarget& target, const ProcessFacts& process,
                         routing::TimePoint now) {
  return Metrics(target, process, now).text();
}

}  // namespace sluice::proxy
