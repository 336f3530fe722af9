#include "routing/digest_table.hpp"

#include <algorithm>

namespace sluice::routing {
namespace {

/// The mean forgets as if it were over so many runs.
constexpr std::uint64_t mean_runs = 8;
constexpr float peak_fading = 1.0F / 128;
/// A single run counts for this many times the bound on the mean at most.
constexpr float most_counted = 4;

/// What the allocator adds to each block, and the table of buckets to each entry.
constexpr std::size_t block_overhead = 16;
constexpr std::size_t bucket_share = 2 * sizeof(void*);

float mix(float a, std::uint64_t a_runs, float b, std::uint64_t b_runs) {
  const auto all = static_cast<float>(a_runs + b_runs);
  return all == 0 ? 0 : (a * static_cast<float>(a_runs) + b * static_cast<float>(b_runs)) / all;
}

}  // namespace

std::string_view to_string(SharingVerdict verdict) noexcept {
  switch (verdict) {
    case SharingVerdict::eligible: return "eligible";
    case SharingVerdict::unknown: return "unknown";
    case SharingVerdict::slow: return "slow";
    case SharingVerdict::big: return "big";
    case SharingVerdict::penalised: return "penalised";
  }
  return "";
}

void DigestStats::add(const DigestSample& sample, const DigestRules& rules) noexcept {
  ++count;
  strikes = std::max(0.0F, strikes - rules.forgiven_a_run);
  if (sample.failed) {
    ++errors;
    return;
  }
  const auto size = static_cast<float>(sample.bytes);
  const float weight = 1 / static_cast<float>(std::min(runs(), mean_runs));
  micros += (static_cast<float>(sample.micros) - micros) * weight;
  const float counted =
      std::min(static_cast<float>(sample.micros), rules.slow_micros * most_counted);
  judged += (counted - judged) * weight;
  bytes += (size - bytes) * weight;
  max_bytes = std::max(max_bytes, sample.bytes);
  peak_bytes = std::max(size, peak_bytes - peak_bytes * peak_fading);
}

void DigestStats::merge(const DigestStats& other) noexcept {
  micros = mix(micros, runs(), other.micros, other.runs());
  judged = mix(judged, runs(), other.judged, other.runs());
  strikes = std::max(strikes, other.strikes);
  bytes = mix(bytes, runs(), other.bytes, other.runs());
  count += other.count;
  errors += other.errors;
  max_bytes = std::max(max_bytes, other.max_bytes);
  peak_bytes = std::max(peak_bytes, other.peak_bytes);
  penalised_until = std::max(penalised_until, other.penalised_until);
  penalty = std::max(penalty, other.penalty);
}

SharingVerdict judge(const DigestStats& stats, const DigestRules& rules, TimePoint now) noexcept {
  if (stats.penalised_until > now) return SharingVerdict::penalised;
  if (stats.runs() < rules.least_runs) return SharingVerdict::unknown;
  if (stats.bytes > rules.big_bytes || stats.peak_bytes > rules.peak_bytes)
    return SharingVerdict::big;
  if (stats.judged > rules.slow_micros) return SharingVerdict::slow;
  return SharingVerdict::eligible;
}

SharingVerdict judge(const std::vector<DigestStats>& backends, std::size_t backend,
                     const DigestRules& rules, TimePoint now) noexcept {
  if (backend >= backends.size()) return SharingVerdict::unknown;
  const SharingVerdict own = judge(backends[backend], rules, now);
  if (own != SharingVerdict::unknown) return own;
  SharingVerdict worst = SharingVerdict::unknown;
  for (const DigestStats& other : backends) {
    const SharingVerdict verdict = judge(other, rules, now);
    if (verdict == SharingVerdict::unknown) continue;
    if (verdict != SharingVerdict::eligible) return verdict;
    worst = verdict;
  }
  return worst;
}

std::vector<DigestRow> merge(std::vector<std::vector<DigestRow>> workers) {
  std::unordered_map<Digest, std::size_t> places;
  std::vector<DigestRow> all;
  for (auto& rows : workers) {
    for (DigestRow& row : rows) {
      const auto [at, fresh] = places.emplace(row.digest, all.size());
      if (fresh) {
        all.push_back(std::move(row));
        continue;
      }
      auto& backends = all[at->second].backends;
      backends.resize(std::max(backends.size(), row.backends.size()));
      for (std::size_t i = 0; i < row.backends.size(); ++i) backends[i].merge(row.backends[i]);
    }
  }
  const auto count = [](const DigestRow& row) {
    std::uint64_t sum = 0;
    for (const DigestStats& stats : row.backends) sum += stats.count;
    return sum;
  };
  std::stable_sort(all.begin(), all.end(), [&count](const DigestRow& a, const DigestRow& b) {
    return count(a) > count(b);
  });
  return all;
}

DigestTable::DigestTable(std::size_t budget, std::size_t backends, DigestRules rules)
    : budget_(budget), backends_(backends), rules_(rules) {}

std::size_t DigestTable::cost(const std::string& text) const noexcept {
  return sizeof(decltype(entries_)::value_type) + sizeof(void*) + bucket_share +
         backends_ * sizeof(DigestStats) + text.capacity() + 1 + 3 * block_overhead;
}

void DigestTable::observe(Digest digest, const DigestSample& sample, std::string_view sql,
                          const Dialect& dialect) {
  const auto at = entries_.find(digest);
  Entry* entry = at != entries_.end() ? &at->second : make(digest, sql, dialect);
  if (entry == nullptr || sample.backend >= backends_) return;
  if (entry != newest_) {
    unlink(*entry);
    make_newest(*entry);
  }
  entry->backends[sample.backend].add(sample, rules_);
}

SharingVerdict DigestTable::verdict(Digest digest, std::size_t backend, TimePoint now) const {
  const auto at = entries_.find(digest);
  return at == entries_.end() ? SharingVerdict::unknown
                              : judge(at->second.backends, backend, rules_, now);
}

void DigestTable::penalise(Digest digest, std::size_t backend, TimePoint now) {
  const auto at = entries_.find(digest);
  if (at == entries_.end() || backend >= backends_) return;
  DigestStats& stats = at->second.backends[backend];
  if (stats.penalised_until > now) return;  // for what was on its way when it began
  stats.strikes += 1;
  if (stats.strikes <= rules_.free_strikes) return;
  stats.strikes = 0;
  // One that has behaved for long begins anew.
  const bool reformed = now - stats.penalised_until > rules_.most_penalty;
  stats.penalty = stats.penalty.count() == 0 || reformed
                      ? rules_.first_penalty
                      : std::min(stats.penalty * 2, rules_.most_penalty);
  stats.penalised_until = now + stats.penalty;
}

void DigestTable::clear() noexcept {
  entries_.clear();
  newest_ = oldest_ = nullptr;
  used_ = 0;
}

std::vector<DigestRow> DigestTable::rows(std::size_t most) const {
  std::vector<DigestRow> rows;
  rows.reserve(std::min(most, entries_.size()));
  for (const Entry* entry = newest_; entry != nullptr && rows.size() < most; entry = entry->older)
    rows.push_back({entry->digest, entry->text, entry->backends});
  return rows;
}

DigestTable::Entry* DigestTable::make(Digest digest, std::string_view sql, const Dialect& dialect) {
  std::string text = normalised(sql, dialect);
  text.shrink_to_fit();
  const std::size_t needed = cost(text);
  if (needed > budget_) return nullptr;
  while (used_ + needed > budget_) evict_oldest();
  Entry& entry = entries_[digest];
  entry.digest = digest;
  entry.text = std::move(text);
  entry.backends.resize(backends_);
  used_ += needed;
  make_newest(entry);
  return &entry;
}

void DigestTable::unlink(Entry& entry) noexcept {
  (entry.newer != nullptr ? entry.newer->older : newest_) = entry.older;
  (entry.older != nullptr ? entry.older->newer : oldest_) = entry.newer;
}

void DigestTable::make_newest(Entry& entry) noexcept {
  entry.newer = nullptr;
  entry.older = newest_;
  (newest_ != nullptr ? newest_->newer : oldest_) = &entry;
  newest_ = &entry;
}

void DigestTable::evict_oldest() noexcept {
  Entry& entry = *oldest_;
  used_ -= cost(entry.text);
  unlink(entry);
  entries_.erase(entry.digest);
  ++evictions_;
}

}  // namespace sluice::routing
