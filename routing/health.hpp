/// Whether a backend can be trusted with traffic: a state machine with hysteresis.
///
///            any failure            down_failures probes failed, or
///   ┌────┐ ───────────► ┌─────────┐ down_after since the first    ┌──────┐
///   │ up │ ◄─────────── │ suspect │ ────────────────────────────► │ down │
///   └────┘  a good probe└─────────┘                               └──────┘
///      ▲                  up_successes good probes in a row, then    │
///      └───────────────── slow start ────────────────────────────────┘
///
/// A suspect gets no new reads while another backend is up, but is not given up:
/// the primary keeps its role. `unknown` lasts until the first result.
/// A flapping backend (good, bad, good, bad) goes down: failures are forgiven
/// only by `up_successes` good probes in a row.
///
/// Drive it from the control thread: one tracker per backend, `on` for each
/// event, `tick` from a timer. Copies are snapshots.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "routing/clock.hpp"

namespace sluice::routing {

enum class Health { unknown, up, suspect, down };
[[nodiscard]] std::string_view to_string(Health health) noexcept;

enum class HealthEvent {
  probe_ok,       ///< a probe was answered
  probe_failed,   ///< a probe was refused, broke off, or met its deadline
  probe_overdue,  ///< a probe has had half its deadline without an answer; not yet a failure
  traffic_error,  ///< a client's link was refused or reset; the monitor should probe at once
};
[[nodiscard]] std::string_view to_string(HealthEvent event) noexcept;

struct HealthPolicy {
  unsigned down_failures = 3;            ///< failed probes that make a suspect down
  milliseconds down_after{1000};         ///< or this long a suspicion, with one failed probe in it
  unsigned up_successes = 2;             ///< good probes in a row that bring it back
  milliseconds slow_start{5000};         ///< how long its share of reads grows after coming back
  double slow_start_floor = 0.1;         ///< the share it begins with
  milliseconds suspect_interval{100};    ///< how often the monitor should probe a suspect
  milliseconds fail_open_window{10000};  ///< "all at once" for fail_open
};

/// What the tracker says; a value that snapshots carry.
struct HealthStatus {
  Health state = Health::unknown;
  TimePoint since{};                       ///< when `state` began
  std::optional<TimePoint> warming_since;  ///< set when it came back from down
  milliseconds slow_start{0};
  double slow_start_floor = 0.1;

  /// The share of reads it may take, from the floor to 1.
  [[nodiscard]] double warmth(TimePoint now) const noexcept;

  friend bool operator==(const HealthStatus&, const HealthStatus&) = default;
};

class HealthTracker {
 public:
  explicit HealthTracker(HealthPolicy policy = {}) noexcept : policy_(policy) {}

  /// Takes an event; returns the state after it.
  Health on(HealthEvent event, TimePoint now) noexcept;

  /// Lets time pass: a suspicion that has lasted too long becomes certainty.
  Health tick(TimePoint now) noexcept;

  [[nodiscard]] const HealthStatus& status() const noexcept { return status_; }

  /// A changed configuration applies from the next event on.
  void set_policy(HealthPolicy policy) noexcept { policy_ = policy; }

 private:
  void enter(Health state, TimePoint now) noexcept;
  void succeed(TimePoint now) noexcept;
  void suspect(TimePoint now) noexcept;

  HealthPolicy policy_;
  HealthStatus status_;
  unsigned failures_ = 0;   // failed probes not yet forgiven
  unsigned successes_ = 0;  // good probes in a row
};

/// True if the probe deserves more distrust than the world: every backend is
/// down, and they went down within `window` of each other. Backends are then
/// tried all the same. False for an empty list.
[[nodiscard]] bool fail_open(std::span<const HealthStatus> backends, milliseconds window) noexcept;

}  // namespace sluice::routing
