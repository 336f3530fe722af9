#include "config/keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <type_traits>

namespace sluice::config {
namespace {

using namespace std::chrono_literals;

// One table [name] of TOML.
template <auto SectionMember, auto Member>
Field one(Settings& settings, std::size_t) {
  return &(settings.*SectionMember.*Member);
}

// Entry of a list of tables [[name]].
template <auto SectionMember, auto Member>
Field each(Settings& settings, std::size_t entry) {
  return &((settings.*SectionMember)[entry].*Member);
}

template <auto SectionMember>
std::size_t count(const Settings& settings) {
  return (settings.*SectionMember).size();
}

template <auto SectionMember>
void append(Settings& settings) {
  (settings.*SectionMember).emplace_back();
}

constexpr std::size_t once(const Settings&) { return 1; }

constexpr Range between(milliseconds least, milliseconds most) {
  return {static_cast<std::uint64_t>(least.count()), static_cast<std::uint64_t>(most.count())};
}
constexpr Range between(ByteSize least, ByteSize most) { return {least.bytes, most.bytes}; }
constexpr Range between(std::uint64_t least, std::uint64_t most) { return {least, most}; }

constexpr auto section_table = std::to_array<Section>({
    {"listen", once, nullptr},
    {"admin", once, nullptr},
    {"http", once, nullptr},
    {"monitor", once, nullptr},
    {"routing", once, nullptr},
    {"backend", count<&Settings::backends>, append<&Settings::backends>},
    {"user", count<&Settings::users>, append<&Settings::users>},
    {"pool", once, nullptr},
    {"failover", once, nullptr},
    {"limits", once, nullptr},
    {"process", once, nullptr},
    {"session", once, nullptr},
    {"log", once, nullptr},
    {"shutdown", once, nullptr},
});

using S = Settings;
constexpr std::uint64_t a_million = 1'000'000;

// clang-format off
constexpr auto key_table = std::to_array<Key>({
    {"listen", "address", one<&S::listen, &Listen::addresses>, {.required = true, .needs_restart = true}},
    {"listen", "tls", one<&S::listen, &Listen::tls>},
    {"listen", "certificate", one<&S::listen, &Listen::certificate>},
    {"listen", "key", one<&S::listen, &Listen::key>},
    {"listen", "login_timeout", one<&S::listen, &Listen::login_timeout>, {.range = between(100ms, 1h)}},
    {"listen", "max_connections", one<&S::listen, &Listen::max_connections>, {.range = between(1, a_million)}},
    {"listen", "server_version", one<&S::listen, &Listen::server_version>},
    {"listen", "backlog", one<&S::listen, &Listen::backlog>, {.range = between(1, 65'535), .needs_restart = true}},

    {"admin", "address", one<&S::admin, &Admin::address>, {.needs_restart = true}},
    {"admin", "user", one<&S::admin, &Admin::user>, {.required = true}},
    {"admin", "password", one<&S::admin, &Admin::password>},
    {"admin", "readonly_user", one<&S::admin, &Admin::readonly_user>},
    {"admin", "readonly_password", one<&S::admin, &Admin::readonly_password>},

    {"http", "address", one<&S::http, &Http::address>, {.needs_restart = true}},
    {"http", "login_required", one<&S::http, &Http::login_required>},
    {"http", "token", one<&S::http, &Http::token>},

    {"monitor", "user", one<&S::monitor, &Monitor::user>, {.required = true}},
    {"monitor", "password", one<&S::monitor, &Monitor::password>},
    {"monitor", "interval", one<&S::monitor, &Monitor::interval>, {.range = between(10ms, 1min)}},
    {"monitor", "timeout", one<&S::monitor, &Monitor::timeout>, {.range = between(50ms, 1min)}},

    {"routing", "max_lag", one<&S::routing, &Routing::max_lag>, {.range = between(1ms, 24h)}},
    {"routing", "causal", one<&S::routing, &Routing::causal>, {.later = "user global"}},
    {"routing", "reads_on_primary", one<&S::routing, &Routing::reads_on_primary>, {.also = "reads_on_master"}},

    {"backend", "name", each<&S::backends, &Backend::name>, {.required = true}},
    {"backend", "address", each<&S::backends, &Backend::address>, {.required = true, .default_port = 3306}},
    {"backend", "weight", each<&S::backends, &Backend::weight>, {.range = between(1, 1'000)}},
    {"backend", "max_links", each<&S::backends, &Backend::max_links>, {.range = between(1, 100'000)}},
    {"backend", "tls", each<&S::backends, &Backend::tls>},
    {"backend", "tls_ca", each<&S::backends, &Backend::tls_ca>},
    {"backend", "max_lag", each<&S::backends, &Backend::max_lag>, {.range = between(1ms, 24h)}},
    {"backend", "promote", each<&S::backends, &Backend::promote>},

    {"user", "name", each<&S::users, &User::name>, {.required = true}},
    {"user", "password", each<&S::users, &User::password>},
    {"user", "tls_required", each<&S::users, &User::tls_required>},
    {"user", "default_schema", each<&S::users, &User::default_schema>},
    {"user", "max_connections", each<&S::users, &User::max_connections>, {.range = between(0, a_million)}},
    {"user", "max_lag", each<&S::users, &User::max_lag>, {.range = between(1ms, 24h)}},

    {"pool", "max_links", one<&S::pool, &Pool::max_links>, {.range = between(0, 100'000)}},
    {"pool", "idle_timeout", one<&S::pool, &Pool::idle_timeout>, {.range = between(100ms, 24h)}},
    {"pool", "max_age", one<&S::pool, &Pool::max_age>, {.range = between(0ms, 720h)}},
    {"pool", "login_timeout", one<&S::pool, &Pool::login_timeout>, {.range = between(100ms, 10min)}},

    {"failover", "mode", one<&S::failover, &Failover::mode>},
    {"failover", "hold", one<&S::failover, &Failover::hold>, {.range = between(0ms, 1h)}},
    {"failover", "allow_loss", one<&S::failover, &Failover::allow_loss>},
    {"failover", "user", one<&S::failover, &Failover::user>},
    {"failover", "password", one<&S::failover, &Failover::password>},
    {"failover", "replication_user", one<&S::failover, &Failover::replication_user>},
    {"failover", "replication_password", one<&S::failover, &Failover::replication_password>},
    {"failover", "state_file", one<&S::failover, &Failover::state_file>, {.needs_restart = true, .is_output = true}},

    {"limits", "statement_window", one<&S::limits, &Limits::statement_window>, {.range = between(kibibytes(1), mebibytes(1'024))}},
    {"limits", "session_buffer", one<&S::limits, &Limits::session_buffer>, {.range = between(kibibytes(4), mebibytes(64))}},
    {"limits", "digest_memory", one<&S::limits, &Limits::digest_memory>, {.range = between(kibibytes(64), mebibytes(1'024)), .needs_restart = true}},

    {"process", "threads", one<&S::process, &Process::threads>, {.range = between(0, 1'024), .needs_restart = true}},

    {"session", "verify_every", one<&S::session, &Session::verify_every>, {.range = between(0, a_million)}},

    {"log", "level", one<&S::log, &Log::level>},
    {"log", "format", one<&S::log, &Log::format>},
    {"log", "slow", one<&S::log, &Log::slow>, {.range = between(0ms, 24h), .later = "*"}},

    {"shutdown", "grace", one<&S::shutdown, &Shutdown::grace>, {.range = between(0ms, 24h)}},
});
// clang-format on

template <class E>
struct Words;
template <>
struct Words<ClientTls> {
  static constexpr std::array<std::string_view, 3> list{"off", "offer", "require"};
};
template <>
struct Words<BackendTls> {
  static constexpr std::array<std::string_view, 4> list{"off", "prefer", "require", "verify"};
};
template <>
struct Words<Causal> {
  static constexpr std::array<std::string_view, 4> list{"off", "session", "user", "global"};
};
template <>
struct Words<ReadsOnPrimary> {
  static constexpr std::array<std::string_view, 2> list{"fallback", "share"};
};
template <>
struct Words<FailoverMode> {
  static constexpr std::array<std::string_view, 3> list{"off", "follow", "promote"};
};
template <>
struct Words<LogLevel> {
  static constexpr std::array<std::string_view, 4> list{"error", "warning", "info", "debug"};
};
template <>
struct Words<LogFormat> {
  static constexpr std::array<std::string_view, 2> list{"human", "json"};
};

std::string in_quotes(std::string_view text) { return fmt::format("\"{}\"", text); }

std::string spell(const std::string& value) { return in_quotes(value); }
std::string spell(const std::filesystem::path& value) { return in_quotes(value.string()); }
std::string spell(const Secret&) { return "***"; }
std::string spell(bool value) { return value ? "true" : "false"; }
std::string spell(std::uint32_t value) { return std::to_string(value); }
std::string spell(milliseconds value) { return in_quotes(to_string(value)); }
std::string spell(ByteSize value) { return in_quotes(to_string(value)); }
std::string spell(const Address& value) { return in_quotes(to_string(value)); }
std::string spell(const std::optional<Address>& value) {
  return in_quotes(value ? to_string(*value) : "off");
}
std::string spell(const std::vector<Address>& value) {
  std::string text;
  for (const Address& address : value) text += (text.empty() ? "" : ", ") + spell(address);
  return value.size() == 1 ? text : fmt::format("[{}]", text);
}
template <class T>
std::string spell(const std::optional<T>& value) {
  return value ? spell(*value) : std::string();
}
template <class E>
requires std::is_enum_v<E> std::string spell(E value) {
  return in_quotes(Words<E>::list[static_cast<std::size_t>(value)]);
}

// The table makes mutable fields; here they are only read.
Field read_only(const Key& key, const Settings& settings, std::size_t entry) {
  return key.field(const_cast<Settings&>(settings), entry);
}

}  // namespace

std::string Section::heading() const {
  return fmt::format("{}{}{}", repeated() ? "[[" : "[", name, repeated() ? "]]" : "]");
}

std::span<const Section> sections() { return section_table; }
std::span<const Key> keys() { return key_table; }

const Section* find_section(std::string_view name) {
  const auto found = std::find_if(section_table.begin(), section_table.end(),
                                  [&](const Section& section) { return section.name == name; });
  return found == section_table.end() ? nullptr : &*found;
}

std::vector<Spelling> spellings(std::string_view section) {
  // Only to ask for the types of the fields.
  Settings with_entries;
  for (const Section& one : section_table)
    if (one.repeated()) one.append(with_entries);
  std::vector<Spelling> all;
  for (const Key& key : key_table) {
    if (key.section != section) continue;
    all.push_back({&key, std::string(key.name), Source::inline_text});
    if (!key.rules.also.empty())
      all.push_back({&key, std::string(key.rules.also), Source::inline_text});
    if (!std::holds_alternative<Secret*>(key.field(with_entries, 0))) continue;
    all.push_back({&key, fmt::format("{}_env", key.name), Source::environment});
    all.push_back({&key, fmt::format("{}_file", key.name), Source::file});
  }
  return all;
}

std::span<const std::string_view> words(const Field& field) {
  return std::visit(
      [](auto* at) -> std::span<const std::string_view> {
        using T = std::remove_pointer_t<decltype(at)>;
        if constexpr (std::is_enum_v<T>) return Words<T>::list;
        return {};
      },
      field);
}

std::size_t word_index(const Field& field) {
  return std::visit(
      [](auto* at) -> std::size_t {
        if constexpr (std::is_enum_v<std::remove_pointer_t<decltype(at)>>)
          return static_cast<std::size_t>(*at);
        return 0;
      },
      field);
}

void set_word(const Field& field, std::size_t index) {
  std::visit(
      [&](auto* at) {
        using T = std::remove_pointer_t<decltype(at)>;
        if constexpr (std::is_enum_v<T>) *at = static_cast<T>(index);
      },
      field);
}

std::string path_of(const Settings& settings, std::string_view section, std::size_t entry,
                    std::string_view key) {
  std::string path(section);
  if (const Section* found = find_section(section); found != nullptr && found->repeated()) {
    std::string_view name;
    if (section == "backend" && entry < settings.backends.size())
      name = settings.backends[entry].name;
    if (section == "user" && entry < settings.users.size()) name = settings.users[entry].name;
    path += name.empty() ? fmt::format("[{}]", entry + 1) : fmt::format(".{}", name);
  }
  if (!key.empty()) path += fmt::format("{}{}", path.empty() ? "" : ".", key);
  return path;
}

std::string print_value(const Key& key, const Settings& settings, std::size_t entry) {
  return std::visit([](auto* at) { return spell(*at); }, read_only(key, settings, entry));
}

bool same_value(const Key& key, const Settings& a, std::size_t i, const Settings& b,
                std::size_t j) {
  const Field right = read_only(key, b, j);
  return std::visit([&](auto* left) { return *left == *std::get<decltype(left)>(right); },
                    read_only(key, a, i));
}

}  // namespace sluice::config
