#include "config/validate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

#include "config/keys.hpp"

namespace sluice::config {
namespace {

using Severity = Problem::Severity;

// A key's place among the settings.
struct At {
  std::string_view section;
  std::size_t entry = 0;
  std::string_view key;
};

class Check {
 public:
  Check(const Settings& settings, const Places& places) : settings_(settings), places_(places) {}

  std::vector<Problem> run() && {
    for (const Key& key : keys()) {
      const std::size_t entries = find_section(key.section)->entries(settings_);
      for (std::size_t entry = 0; entry < entries; ++entry) check_rules(key, entry);
    }
    check_entries();
    check_names();
    check_addresses();
    check_accounts();
    check_http();
    check_tls();
    return std::move(problems_);
  }

 private:
  void add(At at, std::string what, std::string mend, Severity severity = Severity::error) {
    const Places::Place place = places_.find(at.section, at.entry, at.key);
    problems_.push_back({severity, places_.file(), place.line, place.column,
                         path_of(settings_, at.section, at.entry, at.key), std::move(what),
                         std::move(mend)});
  }

  // "in line 7", if the file is known, to point at the first of two.
  std::string line_of(At at) const {
    const Places::Place place = places_.find(at.section, at.entry, at.key);
    return place.line == 0 ? std::string() : fmt::format(" in line {}", place.line);
  }

  void check_rules(const Key& key, std::size_t entry) {
    const At at{key.section, entry, key.name};
    const Field field = key.field(settings_, entry);
    std::visit([&](auto* value) { check_value(key, at, *value); }, field);
    check_later(key, at, field);
  }

  void check_range(const Key& key, At at, std::uint64_t value, auto print) {
    const Range range = key.rules.range;
    if (value >= range.least && value <= range.most) return;
    add(at, fmt::format("{} is out of range", print(value)),
        fmt::format("allowed is {} to {}", print(range.least), print(range.most)));
  }

  template <class T>
  void check_value(const Key& key, At at, const T& value) {
    if constexpr (std::is_same_v<T, std::uint32_t>) {
      check_range(key, at, value, [](std::uint64_t n) { return std::to_string(n); });
    } else if constexpr (std::is_same_v<T, milliseconds>) {
      check_range(key, at, static_cast<std::uint64_t>(value.count()), [](std::uint64_t n) {
        return fmt::format("\"{}\"", to_string(milliseconds(n)));
      });
    } else if constexpr (std::is_same_v<T, ByteSize>) {
      check_range(key, at, value.bytes,
                  [](std::uint64_t n) { return fmt::format("\"{}\"", to_string(ByteSize{n})); });
    } else if constexpr (std::is_same_v<T, std::optional<std::uint32_t>> ||
                         std::is_same_v<T, std::optional<milliseconds>>) {
      if (value) check_value(key, at, *value);
    } else if constexpr (std::is_same_v<T, std::string> ||
                         std::is_same_v<T, std::vector<Address>>) {
      require(key, at, !value.empty());
    } else if constexpr (std::is_same_v<T, Address>) {
      require(key, at, value != Address{});
    }
  }

  void require(const Key& key, At at, bool present) {
    // What stands in the file and came to nothing has been faulted by the reader.
    if (present || !key.rules.required || places_.has(at.section, at.entry, at.key)) return;
    const Section& section = *find_section(at.section);
    add(at, "is missing",
        fmt::format("add {} = … to {}{}", key.name, section.repeated() ? "this " : "",
                    section.heading()));
  }

  void check_later(const Key& key, At at, const Field& field) {
    if (key.rules.later.empty()) return;
    Settings defaults;
    const Section& section = *find_section(key.section);
    if (section.repeated()) section.append(defaults);
    if (same_value(key, settings_, at.entry, defaults, 0)) return;
    if (key.rules.later != "*") {
      const std::string word = fmt::format(" {} ", words(field)[word_index(field)]);
      if (fmt::format(" {} ", key.rules.later).find(word) == std::string::npos) return;
    }
    add(at, fmt::format("{} has no effect yet", print_value(key, settings_, at.entry)),
        fmt::format("this version acts as with {}", print_value(key, defaults, 0)),
        Severity::warning);
  }

  void check_entries() {
    if (settings_.backends.empty())
      add({}, "no [[backend]]", "add one with name and address for each of your databases");
    if (settings_.users.empty())
      add({}, "no [[user]]", "add one with name and password for each account that logs in");
  }

  template <class T, class Value>
  void check_unique(const std::vector<T>& all, std::string_view section, std::string_view key,
                    Value T::*member, auto print) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto first = std::find_if(all.begin(), all.end(),
                                      [&](const T& one) { return one.*member == all[i].*member; });
      const auto j = static_cast<std::size_t>(first - all.begin());
      if (j == i || all[i].*member == Value{}) continue;
      add({section, i, key},
          fmt::format("{} is taken already{}", print(all[i].*member), line_of({section, j, key})),
          fmt::format("each {} needs its own", section));
    }
  }

  void check_names() {
    const auto text = [](const std::string& name) { return fmt::format("\"{}\"", name); };
    check_unique(settings_.backends, "backend", "name", &Backend::name, text);
    check_unique(settings_.users, "user", "name", &User::name, text);
    check_unique(settings_.backends, "backend", "address", &Backend::address,
                 [](const Address& address) { return to_string(address); });
    for (std::size_t i = 0; i < settings_.backends.size(); ++i) {
      const Address& address = settings_.backends[i].address;
      if (address.kind == Address::Kind::tcp && !address.host.empty() && address.port == 0)
        add({"backend", i, "address"}, "nobody can connect to port 0",
            "give the port of the database, usually 3306");
      const std::string& name = settings_.backends[i].name;
      // Operators type it in the admin port; metrics carry it as a label.
      const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-' || c == '.';
      });
      if (!plain || name.size() > 64)
        add({"backend", i, "name"}, fmt::format("\"{}\" is not a plain word", name),
            "use up to 64 letters, digits, and _ - .");
    }
    const std::string& version = settings_.listen.server_version;
    const bool printable =
        std::all_of(version.begin(), version.end(), [](char c) { return c >= ' ' && c <= '~'; });
    if (!version.empty() && (!printable || version[0] < '1' || version[0] > '9'))
      add({"listen", 0, "server_version"}, fmt::format("\"{}\" is not a version", version),
          "drivers expect a number first, for instance \"8.0.36\"");
  }

  // Would binding both fail? A wildcard takes the port of every address of its family.
  static bool clash(const Address& a, const Address& b) {
    if (a.kind != b.kind) return false;
    if (a.kind == Address::Kind::unix_socket) return a.path == b.path;
    if (a.port != b.port || a.port == 0) return false;
    const auto host = [](const Address& one) {
      return one.host == "localhost" ? std::string("127.0.0.1") : one.host;
    };
    const auto is_v6 = [](const std::string& name) { return name.find(':') != std::string::npos; };
    const std::string left = host(a);
    const std::string right = host(b);
    if (left == right) return true;
    const bool wildcard = left == "0.0.0.0" || left == "::" || right == "0.0.0.0" || right == "::";
    return wildcard && is_v6(left) == is_v6(right);
  }

  void check_addresses() {
    struct Bound {
      const Address* address;
      At at;
    };
    std::vector<Bound> bound;
    for (const Address& address : settings_.listen.addresses)
      bound.push_back({&address, {"listen", 0, "address"}});
    if (settings_.admin.address)
      bound.push_back({&*settings_.admin.address, {"admin", 0, "address"}});
    if (settings_.http.address) bound.push_back({&*settings_.http.address, {"http", 0, "address"}});
    for (std::size_t i = 0; i < bound.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (!clash(*bound[i].address, *bound[j].address)) continue;
        add(bound[i].at,
            fmt::format("{} is taken by {}.address", to_string(*bound[i].address),
                        bound[j].at.section),
            "choose another port");
        break;
      }
      for (std::size_t k = 0; k < settings_.backends.size(); ++k)
        if (clash(*bound[i].address, settings_.backends[k].address))
          add({"backend", k, "address"},
              fmt::format("{} is where Sluice itself listens ({}.address)",
                          to_string(settings_.backends[k].address), bound[i].at.section),
              "give the address of the database");
    }
  }

  void check_accounts() {
    const Admin& admin = settings_.admin;
    if (!admin.readonly_password.empty() && admin.readonly_user == admin.user)
      add({"admin", 0, "readonly_user"},
          fmt::format("\"{}\" is the name of both admin accounts", admin.user),
          "choose another name for one of them");
    if (!admin.readonly_password.empty() && admin.readonly_user.empty())
      add({"admin", 0, "readonly_user"}, "is empty, but there is a readonly_password",
          "give the account a name");
    if (settings_.failover.mode == FailoverMode::promote && settings_.failover.user.empty())
      add({"failover", 0, "mode"}, "\"promote\" needs an account that may promote",
          "add user and password to [failover], or write mode = \"follow\"");
    if (settings_.failover.mode == FailoverMode::promote && settings_.failover.state_file.empty())
      add({"failover", 0, "mode"}, "\"promote\" needs a file for what must outlive a crash",
          "add state_file to [failover], in a folder that Sluice may write to");
    if (settings_.failover.mode == FailoverMode::promote &&
        settings_.failover.replication_user.empty())
      add({"failover", 0, "mode"},
          "\"promote\" without a replication_user: a former primary cannot become a replica",
          "add replication_user and replication_password to [failover]", Severity::warning);
  }

  void check_http() {
    const Http& http = settings_.http;
    if (!http.address) return;
    if (http.login_required && http.token.empty() && settings_.admin.password.empty() &&
        settings_.admin.readonly_password.empty())
      add({"http", 0, "login_required"}, "can never be met: nobody can log in",
          "add http.token or admin.password");
    if (!http.login_required && !is_local(*http.address))
      add({"http", 0, "address"},
          fmt::format("whoever reaches {} may look without a login", to_string(*http.address)),
          "write login_required = true, or listen on 127.0.0.1", Severity::warning);
  }

  void check_tls() {
    const Listen& listen = settings_.listen;
    if (listen.certificate.empty() != listen.key.empty()) {
      const bool key_missing = listen.key.empty();
      add({"listen", 0, key_missing ? "certificate" : "key"},
          fmt::format("comes without listen.{}", key_missing ? "key" : "certificate"),
          "give both files, or neither for a self-signed certificate");
    }
    for (std::size_t i = 0; i < settings_.users.size(); ++i)
      if (settings_.users[i].tls_required && listen.tls == ClientTls::off)
        add({"user", i, "tls_required"}, "can never be met: listen.tls is \"off\"",
            "write listen.tls = \"offer\"");
    for (std::size_t i = 0; i < settings_.backends.size(); ++i)
      if (!settings_.backends[i].tls_ca.empty() && settings_.backends[i].tls != BackendTls::verify)
        add({"backend", i, "tls_ca"}, "is not looked at", "it needs tls = \"verify\"",
            Severity::warning);
  }

  Settings settings_;  // a copy, since the table yields mutable members
  const Places& places_;
  std::vector<Problem> problems_;
};

}  // namespace

std::vector<Problem> validate(const Settings& settings, const Places& places) {
  return Check(settings, places).run();
}

}  // namespace sluice::config
