#include "routing/gtid.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

namespace sluice::routing {
namespace {

using protocol::Errc;

// A transaction number ends before 2^63 - 1 (MySQL's GNO_END).
constexpr std::uint64_t max_transaction = (std::uint64_t{1} << 63) - 2;
constexpr std::size_t max_tag = 32;

constexpr bool is_space(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}
constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
constexpr int hex_value(char c) noexcept {
  c = lower(c);
  if (is_digit(c)) return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/// Reads tokens; white space in front of each is skipped.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool at_end() {
    skip_space();
    return text_.empty();
  }

  bool accept(char wanted) {
    skip_space();
    if (text_.empty() || text_.front() != wanted) return false;
    text_.remove_prefix(1);
    return true;
  }

  char peek() {
    skip_space();
    return text_.empty() ? '\0' : text_.front();
  }

  template <class Number>
  bool number(Number& out) {
    if (!is_digit(peek())) return false;
    const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), out);
    if (error != std::errc{}) return false;
    text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
    return true;
  }

  bool uuid(std::array<std::uint8_t, 16>& out) {
    skip_space();
    constexpr std::size_t length = 36;
    if (text_.size() < length) return false;
    std::size_t nibble = 0;
    for (std::size_t i = 0; i < length; ++i) {
      if (i == 8 || i == 13 || i == 18 || i == 23) {
        if (text_[i] != '-') return false;
        continue;
      }
      const int value = hex_value(text_[i]);
      if (value < 0) return false;
      auto& byte = out[nibble / 2];
      byte = static_cast<std::uint8_t>(nibble % 2 == 0 ? value << 4 : byte | value);
      ++nibble;
    }
    text_.remove_prefix(length);
    return true;
  }

  bool tag(std::string& out) {
    out.clear();
    while (!text_.empty()) {
      const char c = lower(text_.front());
      const bool first_may = (c >= 'a' && c <= 'z') || c == '_';
      if (!first_may && (out.empty() || !is_digit(c))) break;
      out.push_back(c);
      if (out.size() > max_tag) return false;
      text_.remove_prefix(1);
    }
    return !out.empty();
  }

 private:
  void skip_space() {
    while (!text_.empty() && is_space(text_.front())) text_.remove_prefix(1);
  }

  std::string_view text_;
};

/// Sorts and joins what overlaps or touches.
void normalise(std::vector<GtidInterval>& intervals) {
  std::sort(intervals.begin(), intervals.end());
  std::size_t kept = 0;
  for (const auto& interval : intervals) {
    if (kept > 0 && interval.first <= intervals[kept - 1].last + 1) {
      intervals[kept - 1].last = std::max(intervals[kept - 1].last, interval.last);
    } else {
      intervals[kept++] = interval;
    }
  }
  intervals.resize(kept);
}

void normalise(std::vector<GtidIntervals>& sources) {
  std::stable_sort(sources.begin(), sources.end(),
                   [](const auto& a, const auto& b) { return a.source < b.source; });
  std::vector<GtidIntervals> joined;
  for (auto& entry : sources) {
    if (!joined.empty() && joined.back().source == entry.source) {
      auto& into = joined.back().intervals;
      into.insert(into.end(), entry.intervals.begin(), entry.intervals.end());
    } else {
      joined.push_back(std::move(entry));
    }
  }
  for (auto& entry : joined) normalise(entry.intervals);
  sources = std::move(joined);
}

/// Sorts by domain; of each the highest sequence number stands.
void normalise(std::vector<GtidPosition>& positions) {
  std::sort(positions.begin(), positions.end(), [](const auto& a, const auto& b) {
    return a.domain != b.domain ? a.domain < b.domain : a.sequence > b.sequence;
  });
  positions.erase(std::unique(positions.begin(), positions.end(),
                              [](const auto& a, const auto& b) { return a.domain == b.domain; }),
                  positions.end());
}

// uuid ( ':' ( interval | tag ) )+ , where intervals follow the tag that they belong to.
bool parse_mysql_item(Reader& in, std::vector<GtidIntervals>& out) {
  GtidSource source;
  if (!in.uuid(source.uuid)) return false;
  std::vector<GtidInterval> intervals;
  bool waiting_for_interval = true;
  while (in.accept(':')) {
    if (is_digit(in.peek())) {
      GtidInterval interval;
      if (!in.number(interval.first)) return false;
      interval.last = interval.first;
      if (in.accept('-') && !in.number(interval.last)) return false;
      if (interval.first == 0 || interval.last < interval.first || interval.last > max_transaction)
        return false;
      intervals.push_back(interval);
      waiting_for_interval = false;
      continue;
    }
    // A tag may follow the UUID at once, or the intervals of what stood before it.
    if (waiting_for_interval && !source.tag.empty()) return false;
    if (!intervals.empty()) out.push_back({source, std::exchange(intervals, {})});
    if (!in.tag(source.tag)) return false;
    waiting_for_interval = true;
  }
  if (waiting_for_interval) return false;
  out.push_back({std::move(source), std::move(intervals)});
  return true;
}

bool parse_mariadb_item(Reader& in, std::vector<GtidPosition>& out) {
  GtidPosition position;
  if (!in.number(position.domain) || !in.accept('-') || !in.number(position.server_id) ||
      !in.accept('-') || !in.number(position.sequence))
    return false;
  out.push_back(position);
  return true;
}

const GtidIntervals* find(const std::vector<GtidIntervals>& sources,
                          const GtidSource& source) noexcept {
  const auto at =
      std::lower_bound(sources.begin(), sources.end(), source,
                       [](const auto& entry, const auto& key) { return entry.source < key; });
  return at != sources.end() && at->source == source ? &*at : nullptr;
}

const GtidPosition* find(const std::vector<GtidPosition>& positions,
                         std::uint32_t domain) noexcept {
  const auto at =
      std::lower_bound(positions.begin(), positions.end(), domain,
                       [](const auto& entry, std::uint32_t key) { return entry.domain < key; });
  return at != positions.end() && at->domain == domain ? &*at : nullptr;
}

bool covers(const std::vector<GtidInterval>& ours, const std::vector<GtidInterval>& theirs) {
  auto at = ours.begin();
  for (const auto& wanted : theirs) {
    at = std::lower_bound(
        at, ours.end(), wanted.last,
        [](const GtidInterval& interval, std::uint64_t last) { return interval.last < last; });
    if (at == ours.end() || at->first > wanted.first) return false;
  }
  return true;
}

bool intersect(const std::vector<GtidInterval>& a, const std::vector<GtidInterval>& b) {
  for (auto x = a.begin(), y = b.begin(); x != a.end() && y != b.end();) {
    if (x->last < y->first) {
      ++x;
    } else if (y->last < x->first) {
      ++y;
    } else {
      return true;
    }
  }
  return false;
}

std::vector<GtidInterval> subtract(const std::vector<GtidInterval>& from,
                                   const std::vector<GtidInterval>& what) {
  std::vector<GtidInterval> left;
  auto cut = what.begin();
  for (GtidInterval rest : from) {
    while (cut != what.end() && cut->last < rest.first) ++cut;
    // A cut may reach into the next interval too, so `cut` itself stays.
    for (auto c = cut; c != what.end() && c->first <= rest.last; ++c) {
      if (c->first > rest.first) left.push_back({rest.first, c->first - 1});
      rest.first = c->last + 1;
      if (rest.first > rest.last) break;
    }
    if (rest.first <= rest.last) left.push_back(rest);
  }
  return left;
}

void append_uuid(std::string& out, const std::array<std::uint8_t, 16>& uuid) {
  constexpr char digits[] = "0123456789abcdef";
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += digits[uuid[i] >> 4];
    out += digits[uuid[i] & 15];
  }
}

}  // namespace

std::string_view to_string(Flavour flavour) noexcept {
  return flavour == Flavour::mysql ? "mysql" : "mariadb";
}

std::string_view to_string(GtidOrder order) noexcept {
  switch (order) {
    case GtidOrder::equal: return "equal";
    case GtidOrder::ahead: return "ahead";
    case GtidOrder::behind: return "behind";
    case GtidOrder::incomparable: return "incomparable";
  }
  return "?";
}

protocol::Result<GtidSet> GtidSet::parse(std::string_view text, Flavour flavour) {
  GtidSet set;
  Reader in(text);
  while (!in.at_end()) {
    // Servers write "a,\nb"; an operator may leave a comma at either end.
    if (in.accept(',')) continue;
    const bool good = flavour == Flavour::mysql ? parse_mysql_item(in, set.mysql_)
                                                : parse_mariadb_item(in, set.mariadb_);
    if (!good || (!in.at_end() && in.peek() != ',')) return make_error_code(Errc::malformed);
  }
  normalise(set.mysql_);
  normalise(set.mariadb_);
  return set;
}

protocol::Result<std::vector<GtidPosition>> parse_positions(std::string_view text) {
  std::vector<GtidPosition> positions;
  Reader in(text);
  while (!in.at_end()) {
    if (in.accept(',')) continue;
    if (!parse_mariadb_item(in, positions) || (!in.at_end() && in.peek() != ','))
      return make_error_code(Errc::malformed);
  }
  return positions;
}

bool GtidSet::covers(const GtidSet& other) const noexcept {
  return std::all_of(other.mysql_.begin(), other.mysql_.end(),
                     [&](const GtidIntervals& theirs) {
                       const auto* ours = find(mysql_, theirs.source);
                       return ours && routing::covers(ours->intervals, theirs.intervals);
                     }) &&
         std::all_of(other.mariadb_.begin(), other.mariadb_.end(), [&](const GtidPosition& theirs) {
           const auto* ours = find(mariadb_, theirs.domain);
           return ours && ours->sequence >= theirs.sequence;
         });
}

bool GtidSet::shares_history(const GtidSet& other) const noexcept {
  return std::any_of(other.mysql_.begin(), other.mysql_.end(),
                     [&](const GtidIntervals& theirs) {
                       const auto* ours = find(mysql_, theirs.source);
                       return ours && intersect(ours->intervals, theirs.intervals);
                     }) ||
         std::any_of(other.mariadb_.begin(), other.mariadb_.end(),
                     [&](const GtidPosition& theirs) { return find(mariadb_, theirs.domain); });
}

GtidSet GtidSet::merge(const GtidSet& other) const {
  GtidSet all = *this;
  all.mysql_.insert(all.mysql_.end(), other.mysql_.begin(), other.mysql_.end());
  all.mariadb_.insert(all.mariadb_.end(), other.mariadb_.begin(), other.mariadb_.end());
  normalise(all.mysql_);
  normalise(all.mariadb_);
  return all;
}

GtidSet GtidSet::merge_all(std::span<const GtidSet> sets) {
  GtidSet all;
  for (const GtidSet& set : sets) {
    all.mysql_.insert(all.mysql_.end(), set.mysql_.begin(), set.mysql_.end());
    all.mariadb_.insert(all.mariadb_.end(), set.mariadb_.begin(), set.mariadb_.end());
  }
  normalise(all.mysql_);
  normalise(all.mariadb_);
  return all;
}

GtidSet GtidSet::subtract(const GtidSet& other) const {
  GtidSet left;
  for (const auto& ours : mysql_) {
    const auto* theirs = find(other.mysql_, ours.source);
    auto intervals = theirs ? routing::subtract(ours.intervals, theirs->intervals) : ours.intervals;
    if (!intervals.empty()) left.mysql_.push_back({ours.source, std::move(intervals)});
  }
  for (const auto& ours : mariadb_) {
    const auto* theirs = find(other.mariadb_, ours.domain);
    if (!theirs || theirs->sequence < ours.sequence) left.mariadb_.push_back(ours);
  }
  return left;
}

GtidOrder GtidSet::compare(const GtidSet& other) const noexcept {
  const bool has_theirs = covers(other);
  const bool has_ours = other.covers(*this);
  if (has_theirs) return has_ours ? GtidOrder::equal : GtidOrder::ahead;
  return has_ours ? GtidOrder::behind : GtidOrder::incomparable;
}

std::optional<std::uint64_t> GtidSet::transaction_count() const noexcept {
  if (!mariadb_.empty()) return std::nullopt;
  constexpr auto most = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t count = 0;
  for (const auto& entry : mysql_) {
    for (const auto& interval : entry.intervals) {
      const std::uint64_t more = interval.last - interval.first + 1;
      count = count > most - more ? most : count + more;
    }
  }
  return count;
}

std::string GtidSet::to_string() const {
  std::string out;
  const GtidSource* before = nullptr;
  for (const auto& entry : mysql_) {
    // Tags of one UUID share its mention, as the server writes it.
    if (!before || before->uuid != entry.source.uuid) {
      if (!out.empty()) out += ',';
      append_uuid(out, entry.source.uuid);
    }
    before = &entry.source;
    if (!entry.source.tag.empty()) out.append(1, ':').append(entry.source.tag);
    for (const auto& interval : entry.intervals) {
      out.append(1, ':').append(std::to_string(interval.first));
      if (interval.last != interval.first) out.append(1, '-').append(std::to_string(interval.last));
    }
  }
  for (const auto& position : mariadb_) {
    if (!out.empty()) out += ',';
    out += std::to_string(position.domain);
    out.append(1, '-').append(std::to_string(position.server_id));
    out.append(1, '-').append(std::to_string(position.sequence));
  }
  return out;
}

}  // namespace sluice::routing
