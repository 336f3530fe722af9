/// What has been learnt of each digest on each backend, and by it: may the next
/// statement of this digest share a link?
///
/// One that shares must be quick and its reply small, since others wait behind
/// it; so a digest shares only after some runs on links of its own have shown
/// that. A digest that is not yet known on a backend is judged by the others.
/// One that kept others waiting all the same, and not just once in a blue moon, goes
/// into the penalty box, for longer each time.
///
///   unknown ──► eligible ◄──► slow, big (by the means of its last runs)
///                  └────► penalised ──► eligible (when its time is over)
///
/// Bounded (P7): at most `budget` bytes; the digests that ran least recently go
/// first, and what comes back begins as unknown.
/// Cost: a hash lookup; a digest that is known costs no allocation.
/// Thread: one table belongs to one worker; rows() copies for the others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "routing/clock.hpp"
#include "routing/digest.hpp"

namespace sluice::routing {

enum class SharingVerdict : std::uint8_t {
  eligible,
  unknown,    ///< too few runs yet
  slow,       ///< its mean time is above the bound
  big,        ///< so are its replies
  penalised,  ///< it kept others waiting not long ago
};
[[nodiscard]] std::string_view to_string(SharingVerdict verdict) noexcept;

/// When a digest may share.
struct DigestRules {
  std::uint64_t least_runs = 3;
  float slow_micros = 2'000;     ///< mean time, no run counting for more than four times this
  float big_bytes = 16 * 1024;   ///< mean size of a reply
  float peak_bytes = 64 * 1024;  ///< the biggest of late
  milliseconds first_penalty{1'000};
  milliseconds most_penalty{300'000};  ///< each is twice the last, up to this
  float free_strikes = 2;              ///< a busy backend makes the quickest slow now and then
  float forgiven_a_run = 1.0F / 500;   ///< of its strikes
};

/// One run. `micros`: from when the backend could begin with it to the end of the
/// reply, without the time that it waited for others on the same link.
struct DigestSample {
  std::size_t backend = 0;
  std::uint32_t micros = 0;
  std::uint64_t bytes = 0;  ///< of the whole reply
  bool failed = false;      ///< it ended in an error: counted, but no measure of anything
};

/// A digest on one backend.
struct DigestStats {
  std::uint64_t count = 0;
  std::uint64_t errors = 0;  ///< of `count`
  std::uint64_t max_bytes = 0;
  float micros = 0;      ///< exponentially weighted mean; of the first runs, the plain one
  float judged = 0;      ///< the same of times cut to what one run may count for
  float bytes = 0;       ///< the same
  float peak_bytes = 0;  ///< maximum that fades with each run
  TimePoint penalised_until{};
  milliseconds penalty{0};  ///< the last one; 0: never
  float strikes = 0;        ///< times that it kept others waiting, not yet forgiven

  [[nodiscard]] std::uint64_t runs() const noexcept { return count - errors; }
  void add(const DigestSample& sample, const DigestRules& rules) noexcept;
  /// Counts of two workers together: means are weighted by their runs.
  void merge(const DigestStats& other) noexcept;
};

[[nodiscard]] SharingVerdict judge(const DigestStats& stats, const DigestRules& rules,
                                   TimePoint now) noexcept;
/// `backends` are a digest's on all of them; `backend` is the one asked about.
[[nodiscard]] SharingVerdict judge(const std::vector<DigestStats>& backends, std::size_t backend,
                                   const DigestRules& rules, TimePoint now) noexcept;

struct DigestRow {
  Digest digest = 0;
  std::string text;  ///< the normal form
  std::vector<DigestStats> backends;
};

/// The rows of several workers as those of one, by count, most first.
[[nodiscard]] std::vector<DigestRow> merge(std::vector<std::vector<DigestRow>> workers);

class DigestTable {
 public:
  /// `budget` in bytes; too small for one digest: nothing is ever known.
  DigestTable(std::size_t budget, std::size_t backends, DigestRules rules = {});
  DigestTable(const DigestTable&) = delete;
  DigestTable& operator=(const DigestTable&) = delete;

  /// Notes a run. `sql`, of which the digest is, is read only if it is new.
  void observe(Digest digest, const DigestSample& sample, std::string_view sql,
               const Dialect& dialect);
  [[nodiscard]] SharingVerdict verdict(Digest digest, std::size_t backend, TimePoint now) const;
  [[nodiscard]] bool eligible(Digest digest, std::size_t backend, TimePoint now) const {
    return verdict(digest, backend, now) == SharingVerdict::eligible;
  }
  /// It turned out slow or big on a shared link; if that happens too often, it does not
  /// share for a while.
  void penalise(Digest digest, std::size_t backend, TimePoint now);
  void clear() noexcept;

  /// The `most` digests that ran last, the last first.
  [[nodiscard]] std::vector<DigestRow> rows(std::size_t most) const;
  [[nodiscard]] const DigestRules& rules() const noexcept { return rules_; }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] std::size_t used_bytes() const noexcept { return used_; }
  [[nodiscard]] std::size_t budget() const noexcept { return budget_; }
  /// Digests that had to go since the start.
  [[nodiscard]] std::uint64_t evictions() const noexcept { return evictions_; }

 private:
  struct Entry {
    Digest digest = 0;
    Entry* newer = nullptr;
    Entry* older = nullptr;
    std::string text;
    std::vector<DigestStats> backends;
  };

  [[nodiscard]] std::size_t cost(const std::string& text) const noexcept;
  Entry* make(Digest digest, std::string_view sql, const Dialect& dialect);
  void unlink(Entry& entry) noexcept;
  void make_newest(Entry& entry) noexcept;
  void evict_oldest() noexcept;

  std::size_t budget_;
  std::size_t backends_;
  DigestRules rules_;
  std::unordered_map<Digest, Entry> entries_;
  Entry* newest_ = nullptr;
  Entry* oldest_ = nullptr;
  std::size_t used_ = 0;
  std::uint64_t evictions_ = 0;
};

}  // namespace sluice::routing
