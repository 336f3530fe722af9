/// Reads the catalogue of stored functions from the primary, again and again.
///
/// It asks information_schema.routines with the monitor's account, on a thread and
/// a connection of its own: a large catalogue must not delay a probe. What that
/// account does not see is unknown, and so a write; to see bodies it needs
/// SHOW_ROUTINE (MySQL) or SELECT on mysql.proc (MariaDB).
///
/// A catalogue holds until somebody may have changed a function through Sluice, and
/// no longer than `oldest`; what is changed behind its back shows within `interval`.
///
/// Thread: start() and stop() on the control thread, the rest from anywhere.
/// Lifetime: stop() before `topology` goes; the destructor does it too.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "config/settings.hpp"
#include "proxy/async.hpp"
#include "proxy/published.hpp"
#include "proxy/sql_client.hpp"
#include "routing/routines.hpp"
#include "routing/topology.hpp"

namespace sluice::proxy {

/// The catalogue, and when the question for it was asked.
struct Routines {
  routing::RoutineCatalogue catalogue;
  Clock::time_point asked_at{};
};

/// The two statements that read it: functions that are declared to read, with their
/// bodies, and packages (none on MySQL).
[[nodiscard]] std::string routines_statement(routing::Flavour flavour);
/// Takes the answer to the first into `catalogue`.
void read_functions(const SqlTable& table, routing::Flavour flavour,
                    routing::RoutineCatalogue& catalogue);

class RoutineWatch {
 public:
  static constexpr std::chrono::milliseconds interval{2'000};
  static constexpr std::chrono::milliseconds oldest{60'000};

  RoutineWatch(std::shared_ptr<const config::Settings> settings,
               Published<routing::Topology>& topology);
  ~RoutineWatch();
  RoutineWatch(const RoutineWatch&) = delete;
  RoutineWatch& operator=(const RoutineWatch&) = delete;

  void start();
  void stop();

  /// A statement that may change a function is on its way: what is known is void.
  void changed() noexcept;
  [[nodiscard]] const Published<Routines>& published() const noexcept { return published_; }
  /// Does what was asked at that moment still hold?
  [[nodiscard]] bool holds(const Routines& routines, Clock::time_point now) const noexcept;

 private:
  void run();
  void refresh();
  [[nodiscard]] bool connect(const routing::BackendView& primary);

  const std::shared_ptr<const config::Settings> settings_;
  Published<routing::Topology>& topology_;
  Published<Routines> published_;
  std::atomic<Clock::rep> changed_at_{Clock::time_point::min().time_since_epoch().count()};

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  bool stopping_ = false;
  bool wanted_ = false;
  std::unique_ptr<SqlClient> client_;  // made and used by the thread, interrupted by stop()

  std::string connected_to_;  // the thread's own
  std::thread thread_;
};

}  // namespace sluice::proxy
