/// How far replicas are behind, in milliseconds, from GTIDs alone.
///
/// Samples of the primary (when, what it had executed) are kept. A replica that
/// has executed all of a sample shows, from then on, at least what the primary
/// showed when that sample was taken. So:
///
///   lag(now) = now − the time of the newest sample that it has wholly executed
///
/// It is an upper bound of the age of a read, and the age of our knowledge is in
/// it (P8): no probe, no progress. A healthy replica of a quiet or busy primary
/// shows between 0 and about two probe intervals, whatever the true lag below
/// that. A bound (`max_lag`) under two intervals therefore excludes replicas.
/// Without a covered sample the lag is unknown, which is infinite.
/// `lag_at_least` is the age of the oldest sample that it has *not* executed.
///
/// When the primary is down there is nothing newer to be had: time stops at the
/// last sample, and replicas that have all of it show 0. A suspect primary may
/// still be committing, so for it time goes on.
///
/// When another backend becomes primary, samples that it does not cover are
/// forgotten: that history is lost. The others stay good.
///
/// Bounded: equal samples are one; when full, old ones are thinned, which makes
/// the lag of far replicas coarser but never smaller.
///
/// Source: design.md, section 4; traps.md, 29.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "routing/clock.hpp"
#include "routing/gtid.hpp"
#include "routing/topology.hpp"

namespace sluice::routing {

struct LagReading {
  std::optional<milliseconds> at_most;  ///< nullopt: unknown
  milliseconds at_least{0};
  friend bool operator==(const LagReading&, const LagReading&) = default;
};

class LagTracker {
 public:
  static constexpr std::size_t default_capacity = 128;

  explicit LagTracker(std::size_t capacity = default_capacity);

  /// The primary had executed `gtid` at `taken_at`: the start of the probe that
  /// read it. A sample older than the newest is ignored. Time runs again.
  void sample(TimePoint taken_at, const GtidSet& gtid);

  /// The primary is down: time stands still until the next sample.
  void stop_time() noexcept { stopped_ = true; }
  [[nodiscard]] bool time_stopped() const noexcept { return stopped_; }

  /// How far a replica is behind that had executed `executed` when last seen.
  [[nodiscard]] LagReading read(const GtidSet& executed, TimePoint now) const noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return samples_.size(); }
  void clear() noexcept;

 private:
  struct Sample {
    TimePoint first_at;  // when it was first seen: since then, a replica without it is behind
    TimePoint last_at;   // when it was last seen: until then, a replica with it is fresh
    GtidSet gtid;
  };

  void thin();

  std::vector<Sample> samples_;  // by time, and each covers the one before
  std::size_t capacity_;
  bool stopped_ = false;
};

/// Keeps a replica that has been above the bound out until it is well below it,
/// so that one that is always a poll behind does not flap.
class LagGate {
 public:
  /// The part of the bound that readmits at once.
  static constexpr double return_part = 0.8;
  /// Successive probes within the bound that readmit as well.
  static constexpr unsigned return_probes = 2;

  /// `probe` is the start of the replica's probe: each counts once. Returns
  /// whether the replica is within the bound; nullopt (unknown) never is.
  bool within(std::optional<milliseconds> lag, milliseconds bound, TimePoint probe) noexcept;

  [[nodiscard]] bool open() const noexcept { return open_; }

 private:
  bool open_ = true;
  unsigned good_ = 0;
  std::optional<TimePoint> last_probe_;
};

/// What lag measuring remembers from one snapshot to the next.
class LagState {
 public:
  explicit LagState(std::size_t capacity = LagTracker::default_capacity) : tracker_(capacity) {}

  /// Takes the primary's GTIDs from a fresh snapshot as a sample, and fills in the
  /// lag fields of every backend. `bound` is the configured `max_lag`; the gates
  /// are run against it.
  void measure(Topology& topology, milliseconds bound, TimePoint now);

  [[nodiscard]] const LagTracker& tracker() const noexcept { return tracker_; }

 private:
  LagTracker tracker_;
  std::map<std::string, LagGate, std::less<>> gates_;  // by backend name
};

}  // namespace sluice::routing
