/// One connection to a backend through libmysqlclient, with true deadlines.
///
/// For the control plane only, on threads that may wait. Drive it: construct,
/// `connect` once, `ask` as often as it stays `connected()`, destroy. A statement
/// or a whole connection attempt ends at its deadline to the millisecond, also
/// against a peer that accepts and never speaks: the library's non-blocking calls
/// are used, as its own timeouts count whole seconds. Two things escape: name
/// resolution, and a TLS handshake that stalls (which ends when `interrupt()` is
/// called, or at the deadline rounded up to a second).
///
/// It never sends a local file, whatever the backend asks for.
///
/// Errors: as values; after `lost`, `late` and `interrupted` the connection is
/// gone. `refused` is the backend's own ERR and leaves it usable, except by connect.
/// Thread: its owner's; interrupt() from any while the client lives.
/// Source: MariaDB Connector/C 3.3, "Non-blocking API"; MySQL 9 C API, "Asynchronous
/// Interface". Works with both; mysql.h is included nowhere else.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/address.hpp"
#include "config/secret.hpp"
#include "config/settings.hpp"

namespace sluice::proxy {

/// A result set as text. Cells are NULL where nullopt.
struct SqlTable {
  std::vector<std::string> columns;
  std::vector<std::vector<std::optional<std::string>>> rows;

  /// The cell of the column with this name, upper and lower case being the same;
  /// nullptr if there is no such row or column, or it is NULL.
  [[nodiscard]] const std::string* find(std::size_t row, std::string_view column) const noexcept;
};

struct SqlError {
  enum class Kind {
    refused,      ///< the backend sent an ERR
    lost,         ///< the connection could not be made, or broke
    late,         ///< the deadline passed
    interrupted,  ///< by interrupt()
  };
  Kind kind{};
  unsigned code = 0;  ///< the backend's error number, or the client library's (2000 to 2999)
  std::string text;
};

/// What a statement (or several, separated by semicolons) gave: the result sets
/// before the error, if there is one.
struct SqlReply {
  std::vector<SqlTable> tables;
  std::optional<SqlError> error;
};

/// Whom to talk to, and as whom.
struct SqlTarget {
  config::Address address;
  std::string user;
  config::Secret password;
  config::BackendTls tls = config::BackendTls::off;
  std::filesystem::path tls_ca;  ///< empty: the system's
};

class SqlClient {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  SqlClient();
  ~SqlClient();
  SqlClient(const SqlClient&) = delete;
  SqlClient& operator=(const SqlClient&) = delete;

  /// Connects and logs in. nullopt: it worked. Call it once.
  [[nodiscard]] std::optional<SqlError> connect(const SqlTarget& target, TimePoint deadline);

  /// Several statements may be separated by semicolons: one round trip for all.
  [[nodiscard]] SqlReply ask(std::string_view sql, TimePoint deadline);

  [[nodiscard]] bool connected() const noexcept;

  /// To poll for the peer's closing while nothing is asked; -1 if not connected.
  [[nodiscard]] int descriptor() const noexcept;

  /// Breaks the connection for good, and with it what is under way.
  void interrupt() noexcept;

 private:
  struct Connection;
  std::unique_ptr<Connection> connection_;
};

}  // namespace sluice::proxy
