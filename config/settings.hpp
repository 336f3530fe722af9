/// Every knob that an operator can turn, as plain values with their defaults.
///
/// A default is written once: here. The TOML name, the limits and the kind of
/// each knob are one line in keys.cpp; what it means to an operator is in
/// example.toml. `load_file()` fills a Settings; nothing else parses TOML.
///
/// A Settings that came out of loading without an error-level Problem keeps what
/// validate.hpp checks (at least one backend, unique names, known ranges …).
/// Units live in the types. Zero means "no limit" only where it says so.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/address.hpp"
#include "config/quantity.hpp"
#include "config/secret.hpp"

namespace sluice::config {

using std::chrono::milliseconds;

/// What the applications' port says about TLS.
enum class ClientTls { off, offer, require };

/// How a link to a backend uses TLS: `prefer` falls back to plain text, `require`
/// encrypts without checking who answers, `verify` checks certificate and name.
enum class BackendTls { off, prefer, require, verify };

/// Whose writes a read must see.
enum class Causal { off, session, user, global };

/// When the primary serves plain reads: only when no replica may, or with a share.
enum class ReadsOnPrimary { fallback, share };

/// What Sluice does about a lost primary: `follow` takes whoever becomes the single
/// writable backend, `promote` makes one, `off` waits for the old one.
enum class FailoverMode { off, follow, promote };

enum class LogLevel { error, warning, info, debug };
enum class LogFormat { human, json };

/// [listen] The applications' port.
struct Listen {
  std::vector<Address> addresses{Address::tcp("127.0.0.1", 6033)};  ///< TOML: address
  ClientTls tls = ClientTls::offer;
  std::filesystem::path certificate;  ///< PEM; empty: one is made up at start
  std::filesystem::path key;          ///< PEM; empty exactly when `certificate` is
  milliseconds login_timeout{10'000};
  std::uint32_t max_connections = 10'000;  ///< the next one hears ERR 1040
  std::string server_version;              ///< told to clients; empty: the primary's own
  std::uint32_t backlog = 1024;            ///< of listen(2)

  friend bool operator==(const Listen&, const Listen&) = default;
};

/// [admin] The admin port. Without a password it stays closed: see `is_open()`.
struct Admin {
  std::optional<Address> address = Address::tcp("127.0.0.1", 6032);  ///< none: "off"
  std::string user = "admin";
  Secret password;
  std::string readonly_user = "stats";  ///< may look, not touch
  Secret readonly_password;             ///< empty: there is no such account

  [[nodiscard]] bool is_open() const { return address.has_value() && !password.empty(); }
  friend bool operator==(const Admin&, const Admin&) = default;
};

/// [http] Metrics, health, dashboard. The accounts are those of [admin].
struct Http {
  std::optional<Address> address = Address::tcp("127.0.0.1", 6080);  ///< none: "off"
  bool login_required = false;  ///< to look; to change something it always is
  Secret token;                 ///< "Authorization: Bearer": may look; empty: there is none

  friend bool operator==(const Http&, const Http&) = default;
};

/// [monitor] The probes of the backends. They use the backend's `tls`.
struct Monitor {
  std::string user;  ///< required; needs REPLICATION CLIENT only
  Secret password;
  milliseconds interval{250};
  milliseconds timeout{1'000};  ///< deadline of one probe, connecting included

  friend bool operator==(const Monitor&, const Monitor&) = default;
};

/// [routing] Who may serve a read.
struct Routing {
  milliseconds max_lag{1'000};
  Causal causal = Causal::session;
  ReadsOnPrimary reads_on_primary = ReadsOnPrimary::fallback;

  friend bool operator==(const Routing&, const Routing&) = default;
};

/// [[backend]] One MySQL or MariaDB. Its role is discovered, not configured.
struct Backend {
  std::string name;  ///< required, unique
  Address address;   ///< required, unique; the port defaults to 3306
  std::uint32_t weight = 1;
  std::optional<std::uint32_t> max_links;  ///< none: pool.max_links
  BackendTls tls = BackendTls::off;
  std::filesystem::path tls_ca;         ///< PEM; empty: the system's
  std::optional<milliseconds> max_lag;  ///< none: the user's or routing.max_lag
  bool promote = true;                  ///< may become primary by our doing

  friend bool operator==(const Backend&, const Backend&) = default;
};

/// [[user]] An account that applications log in with. Sluice logs in to the
/// backends with the same name and password.
struct User {
  std::string name;  ///< required, unique
  Secret password;   ///< empty: the account has none
  bool tls_required = false;
  std::string default_schema;           ///< when the client names none
  std::uint32_t max_connections = 0;    ///< 0: listen.max_connections is the only limit
  std::optional<milliseconds> max_lag;  ///< none: routing.max_lag

  friend bool operator==(const User&, const User&) = default;
};

/// [pool] Links to backends.
struct Pool {
  std::uint32_t max_links = 0;  ///< per backend, over all workers; 0: no limit
  milliseconds idle_timeout{60'000};
  milliseconds max_age{3'600'000};    ///< then a link is replaced when free; 0: never
  milliseconds login_timeout{5'000};  ///< of a link: connect, TLS, authenticate

  friend bool operator==(const Pool&, const Pool&) = default;
};

/// [failover]
struct Failover {
  FailoverMode mode = FailoverMode::follow;
  milliseconds hold{10'000};  ///< how long writes wait for a primary
  bool allow_loss = false;    ///< promote even if acknowledged writes may be missing
  std::string user;           ///< needed by `promote`
  Secret password;
  std::string
      replication_user;  ///< what replicas log in to a new primary with; empty: as set there
  Secret replication_password;
  std::filesystem::path state_file;  ///< needed by `promote`: what must outlive the process

  friend bool operator==(const Failover&, const Failover&) = default;
};

/// [limits] Memory: of a session, and of what is learnt of statements.
struct Limits {
  ByteSize statement_window = mebibytes(1);  ///< of a statement, kept to classify it
  ByteSize session_buffer = kibibytes(64);   ///< per direction; full means back-pressure
  ByteSize digest_memory = mebibytes(4);     ///< of SHOW DIGESTS, all workers together

  friend bool operator==(const Limits&, const Limits&) = default;
};

/// [process]
struct Process {
  std::uint32_t threads = 0;  ///< workers; 0: one per core

  friend bool operator==(const Process&, const Process&) = default;
};

/// [session]
struct Session {
  std::uint32_t verify_every = 0;  ///< paranoid: check every n-th reuse of a link; 0: none

  friend bool operator==(const Session&, const Session&) = default;
};

/// [log]
struct Log {
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::human;
  milliseconds slow{0};  ///< log statements that took longer; 0: none

  friend bool operator==(const Log&, const Log&) = default;
};

/// [shutdown]
struct Shutdown {
  milliseconds grace{30'000};  ///< how long SIGTERM waits for sessions to end

  friend bool operator==(const Shutdown&, const Shutdown&) = default;
};

/// The whole configuration.
struct Settings {
  Listen listen;
  Admin admin;
  Http http;
  Monitor monitor;
  Routing routing;
  std::vector<Backend> backends;  ///< TOML: [[backend]]
  std::vector<User> users;        ///< TOML: [[user]]
  Pool pool;
  Failover failover;
  Limits limits;
  Process process;
  Session session;
  Log log;
  Shutdown shutdown;

  friend bool operator==(const Settings&, const Settings&) = default;
};

/// The account with this name, or null. Lifetime: of `settings`.
[[nodiscard]] const User* find_user(const Settings& settings, std::string_view name);

/// The backend with this name, or null. Lifetime: of `settings`.
[[nodiscard]] const Backend* find_backend(const Settings& settings, std::string_view name);

}  // namespace sluice::config
