#include "proxy/failover_state.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>

namespace sluice::proxy {
namespace {

constexpr std::string_view first_line = "sluice failover state 1";

using Fields = std::vector<std::string>;

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\t')
      out += "\\t";
    else if (c == '\n')
      out += "\\n";
    else if (c == '\\')
      out += "\\\\";
    else
      out += c;
  }
  return out;
}

std::optional<Fields> split(std::string_view line) {
  Fields fields(1);
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\t') {
      fields.emplace_back();
    } else if (line[i] != '\\') {
      fields.back() += line[i];
    } else {
      if (++i == line.size()) return std::nullopt;
      const char c = line[i];
      if (c != 't' && c != 'n' && c != '\\') return std::nullopt;
      fields.back() += c == 't' ? '\t' : c == 'n' ? '\n' : '\\';
    }
  }
  return fields;
}

void put(std::string& out, std::initializer_list<std::string> fields) {
  bool first = true;
  for (const std::string& field : fields) {
    if (!std::exchange(first, false)) out += '\t';
    out += escape(field);
  }
  out += '\n';
}

template <class Number>
bool get(const std::string& text, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}

std::string bit(bool value) { return value ? "1" : "0"; }

bool take(const Fields& f, FailoverState& state) {
  if (f[0] == "appointed" && f.size() == 2) {
    state.appointed = f[1];
    return true;
  }
  if (f[0] == "deposed" && f.size() == 4) {
    state.deposed.push_back({f[1], f[2] == "1", f[3]});
    return true;
  }
  if (f[0] == "goal" && f.size() == 6) {
    state.goal = Goal{f[1], f[2], f[3], f[4], f[5] == "1"};
    return true;
  }
  if (f[0] == "look" && f.size() == 7) {
    LastLook look{f[1], f[2], f[3], 0, f[5], f[6]};
    if (!get(f[4], look.server_id)) return false;
    state.last_look = std::move(look);
    return true;
  }
  if (f[0] == "history" && f.size() == 12) {
    HistoryRow row{0, f[2], f[3], f[4], f[5], f[6], f[7], 0, 0, f[10], f[11]};
    if (!get(f[1], row.at_ms) || !get(f[8], row.took_ms) || !get(f[9], row.held_ms)) return false;
    state.history.push_back(std::move(row));
    return true;
  }
  return false;
}

std::string trouble(std::string_view doing, const std::filesystem::path& path) {
  return fmt::format("cannot {} {}: {}", doing, path.string(), std::strerror(errno));
}

// True if all of it reached the disk.
bool write_through(int file, std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return ::fsync(file) == 0;
}

}  // namespace

Deposed* FailoverState::find_deposed(std::string_view name) {
  const auto at = std::find_if(deposed.begin(), deposed.end(),
                               [&](const Deposed& one) { return one.name == name; });
  return at == deposed.end() ? nullptr : &*at;
}

void FailoverState::remember(HistoryRow row) {
  if (history.size() >= history_limit) history.erase(history.begin());
  history.push_back(std::move(row));
}

std::string write_state(const FailoverState& state) {
  std::string out(first_line);
  out += '\n';
  put(out, {"appointed", state.appointed});
  for (const Deposed& one : state.deposed)
    put(out, {"deposed", one.name, bit(one.quarantined), one.errant});
  if (const auto& goal = state.goal)
    put(out, {"goal", goal->kind, goal->from, goal->to, goal->step, bit(goal->decided)});
  if (const auto& look = state.last_look)
    put(out, {"look", look->name, look->flavour, look->server_uuid, std::to_string(look->server_id),
              look->gtid, look->written});
  for (const HistoryRow& row : state.history)
    put(out,
        {"history", std::to_string(row.at_ms), row.kind, row.from, row.to, row.result, row.reason,
         row.by, std::to_string(row.took_ms), std::to_string(row.held_ms), row.lost, row.text});
  return out;
}

std::optional<FailoverState> read_state(std::string_view text) {
  FailoverState state;
  bool first = true;
  while (!text.empty()) {
    const auto end = text.find('\n');
    // Each line was written whole, or the file was not.
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (std::exchange(first, false)) {
      if (line != first_line) return std::nullopt;
      continue;
    }
    const auto fields = split(line);
    if (!fields || !take(*fields, state)) return std::nullopt;
  }
  if (first) return std::nullopt;
  return state;
}

std::string load_state(const std::filesystem::path& path, FailoverState& state) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    state = {};
    return {};
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) return trouble("read", path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  auto found = read_state(text);
  if (!found)
    return fmt::format(
        "{} is no state file of Sluice, or it is damaged; move it away if you are "
        "sure which backend is the primary",
        path.string());
  state = std::move(*found);
  return {};
}

std::string save_state(const std::filesystem::path& path, const FailoverState& state) {
  const std::string aside = path.string() + ".new";
  const int file = ::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return trouble("write", aside);
  const bool written = write_through(file, write_state(state));
  const std::string failed = written ? std::string() : trouble("write", aside);
  ::close(file);
  if (!written) return failed;
  if (::rename(aside.c_str(), path.c_str()) != 0) return trouble("replace", path);
  const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return trouble("open", folder);
  const bool synced = ::fsync(directory) == 0;
  const std::string unsynced = synced ? std::string() : trouble("write", folder);
  ::close(directory);
  return unsynced;
}

}  // namespace sluice::proxy
