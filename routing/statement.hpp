/// Says what an SQL statement may do, from its text alone: may a replica answer
/// it, why not, and what does it do to the session it runs in.
///
/// Drive it: `classify(sql, dialect)` once per COM_QUERY or COM_STMT_PREPARE.
/// `Access::read` is a proof, `Access::write` the default: whatever is not
/// understood is a write (P8). A read may still have effects, and the session
/// decides about them (a plain read of `@a` needs a link that knows `@a`).
///
/// Errors: none; any byte sequence has an answer.
/// Cost: linear in the statement, no allocation, no recursion.
/// Lifetime: `Statement::name` points into the text given to classify().
/// Sources: MySQL 9 Reference Manual, chapters 11 to 15; MariaDB Knowledge Base,
/// "SQL Statements", "Built-in Functions", "Comment Syntax".
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace sluice::routing {

class KnownRoutines;

enum class Access : std::uint8_t {
  read,   // proven to change nothing and to mean the same on a replica
  write,  // everything else
};

/// Why a statement has its access. Where several apply, the first one met
/// while scanning counts, but a plain_read never hides another.
enum class Cause : std::uint8_t {
  plain_read,
  empty,               // nothing but white space and comments; the backend answers it
  unknown,             // not understood, or not finished
  oversized,           // longer than is worth scanning
  several_statements,  // parts that are not all reads, or not allowed to be several
  executable_comment,  // the two readings of `/*! … */` disagree
  locks_rows,          // FOR UPDATE, FOR SHARE, LOCK IN SHARE MODE
  writes_data,         // INSERT, UPDATE, DELETE, REPLACE, LOAD DATA, …
  defines_schema,      // CREATE, ALTER, DROP, RENAME, TRUNCATE
  into,                // SELECT … INTO
  assigns_variable,    // SELECT @a := …
  transaction,         // BEGIN, COMMIT, ROLLBACK, SAVEPOINT, SET TRANSACTION, XA
  session_setting,     // SET, USE
  asks_role,           // @@read_only, @@global.…: asks what the primary is
  one_server,          // speaks of one server's inner life: processlist, status, …
  session_local,       // LAST_INSERT_ID(), SHOW WARNINGS, …: speaks of this session's past
  routine,             // CALL, DO, or a function that is not known to be pure
  sequence,            // NEXTVAL, NEXT VALUE FOR, …
  user_lock,           // GET_LOCK, RELEASE_LOCK, …
  table_lock,          // LOCK TABLES, FLUSH TABLES WITH READ LOCK, BACKUP STAGE, …
  temporary_table,     // CREATE or DROP TEMPORARY TABLE
  handler,             // HANDLER t OPEN, READ, CLOSE
  prepares,            // text PREPARE and DEALLOCATE
  executes,            // text EXECUTE
  administers,         // KILL, FLUSH, GRANT, CHANGE REPLICATION SOURCE, …
};
inline constexpr int cause_count = static_cast<int>(Cause::administers) + 1;

/// What a statement does to its session, or needs of it. Bit flags.
enum class Effect : std::uint64_t {
  begins_transaction = 1ULL << 0,            // BEGIN, START TRANSACTION, AND CHAIN
  begins_read_only_transaction = 1ULL << 1,  // START TRANSACTION READ ONLY; begins_transaction too
  consistent_snapshot = 1ULL << 2,           // WITH CONSISTENT SNAPSHOT
  ends_transaction = 1ULL << 3,              // COMMIT, ROLLBACK (not ROLLBACK TO)
  implicit_commit = 1ULL << 4,               // commits an open transaction on the way
  savepoint = 1ULL << 5,                     // SAVEPOINT, RELEASE SAVEPOINT, ROLLBACK TO
  xa = 1ULL << 6,
  sets_autocommit = 1ULL << 7,        // to either value; the status flags tell which
  sets_next_transaction = 1ULL << 8,  // SET TRANSACTION: shapes only the next transaction
  sets_variables = 1ULL << 9,         // any session variable of the server, SET NAMES too
  sets_charset = 1ULL << 10,      // SET NAMES, SET CHARACTER SET, character_set_…, collation_…
  sets_sql_mode = 1ULL << 11,     // may change what quotes and backslashes mean
  session_tracking = 1ULL << 12,  // sets session_track_…: what the proxy itself relies on
  sets_global = 1ULL << 13,       // SET GLOBAL, PERSIST, PERSIST_ONLY
  sets_role = 1ULL << 14,         // SET ROLE
  sets_user_variables = 1ULL << 15,  // SET @v, @v :=, INTO @v
  reads_user_variables = 1ULL << 16,
  changes_schema = 1ULL << 17,  // USE
  creates_temporary_table = 1ULL << 18,
  drops_temporary_table = 1ULL << 19,  // DROP TABLE without TEMPORARY may drop one too: not flagged
  locks_tables = 1ULL << 20,           // LOCK TABLES
  unlocks_tables = 1ULL << 21,         // UNLOCK TABLES; ends what global_lock began, too
  global_lock = 1ULL << 22,            // FLUSH TABLES … WITH READ LOCK, … FOR EXPORT
  takes_user_lock = 1ULL << 23,        // GET_LOCK
  releases_user_lock = 1ULL << 24,     // RELEASE_LOCK, RELEASE_ALL_LOCKS
  opens_handler = 1ULL << 25,
  closes_handler = 1ULL << 26,
  prepares = 1ULL << 27,       // text PREPARE; Statement::name
  executes = 1ULL << 28,       // text EXECUTE, EXECUTE IMMEDIATE; may do anything; Statement::name
  deallocates = 1ULL << 29,    // DEALLOCATE or DROP PREPARE; Statement::name
  calls_routine = 1ULL << 30,  // CALL or an unknown function; may do anything
  speaks_of_previous = 1ULL << 31,   // answers about the statement before it
  sets_last_insert_id = 1ULL << 32,  // LAST_INSERT_ID(expr)
  counts_found_rows = 1ULL << 33,    // SQL_CALC_FOUND_ROWS
  asks_connection_id = 1ULL << 34,   // CONNECTION_ID(), @@pseudo_thread_id
  kills = 1ULL << 35,                // KILL; Statement::kill
  load_local = 1ULL << 36,           // LOAD … LOCAL INFILE: the client will be asked for a file
  several = 1ULL << 37,              // more than one statement, or not provably one
  disconnects = 1ULL << 38,          // COMMIT RELEASE, ROLLBACK RELEASE, SHUTDOWN
  takes_backup_lock = 1ULL << 39,    // LOCK INSTANCE, BACKUP STAGE START, BACKUP LOCK
  ends_backup_lock = 1ULL << 40,     // UNLOCK INSTANCE, BACKUP STAGE END, BACKUP UNLOCK
  calls_reading_function = 1ULL << 41,  // a stored one that Dialect::routines knows to read only
};
inline constexpr int effect_count = 42;

/// A set of effects.
class Effects {
 public:
  constexpr Effects() = default;
  constexpr Effects(std::initializer_list<Effect> list) {
    for (Effect e : list) set(e);
  }
  [[nodiscard]] constexpr bool has(Effect e) const { return (bits_ & bit(e)) != 0; }
  /// True if any effect of `other` is in this set.
  [[nodiscard]] constexpr bool any(Effects other) const { return (bits_ & other.bits_) != 0; }
  [[nodiscard]] constexpr bool none() const { return bits_ == 0; }
  [[nodiscard]] constexpr std::uint64_t bits() const { return bits_; }
  constexpr void set(Effect e) { bits_ |= bit(e); }
  constexpr void set(Effects other) { bits_ |= other.bits_; }
  friend constexpr bool operator==(Effects, Effects) = default;

 private:
  static constexpr std::uint64_t bit(Effect e) { return static_cast<std::uint64_t>(e); }
  std::uint64_t bits_ = 0;
};

/// What a leading comment asks for: `/* sluice: primary */ SELECT …`.
/// `replica` never turns a write into a read.
enum class Hint : std::uint8_t { none, primary, replica };

/// What the reading of a statement depends on besides its text. Take the SQL
/// modes and the charset from what the session tracks; when in doubt about
/// `multi_statements`, the CLIENT_MULTI_STATEMENTS bit of the login decides.
struct Dialect {
  bool mariadb = true;
  std::uint32_t version = 101100;     // 10.11.19 is 101119, 9.7.4 is 90704
  bool ansi_quotes = false;           // "x" is a name
  bool no_backslash_escapes = false;  // \ is a byte like any other
  bool ignore_space = false;          // COUNT (*) is a call of the built-in function
  bool multi_statements = false;
  /// The client's charset is sjis, cp932, gbk, gb18030 or big5, where the
  /// second byte of a character may look like a backslash or a backtick.
  bool unsafe_multibyte = false;
  /// Who knows stored functions; null: nobody, all of them may do anything. Borrowed.
  const KnownRoutines* routines = nullptr;
  friend bool operator==(const Dialect&, const Dialect&) = default;
};

/// Whom a KILL means. The id is the one the client knows: the session's, not
/// a backend's. Both are unset (0) for KILL USER, KILL QUERY ID and KILL @v.
struct Kill {
  std::uint64_t id = 0;
  bool query_only = false;  // KILL QUERY
  friend bool operator==(const Kill&, const Kill&) = default;
};

struct Statement {
  Access access = Access::write;
  Cause cause = Cause::unknown;
  Hint hint = Hint::none;
  Effects effects;
  Kill kill;
  /// The name in text PREPARE, EXECUTE and DEALLOCATE as written, without the
  /// quotes around it; empty in all other statements.
  std::string_view name;
};

/// Longer statements are not scanned to their end, see classify_beginning().
inline constexpr std::size_t classify_limit = 16U << 20;

[[nodiscard]] Statement classify(std::string_view sql, const Dialect& dialect) noexcept;

/// The same for a statement of which only the beginning is at hand: never a
/// read, Cause::oversized. Effects are those of what can be seen, and `several`
/// unless it is known that nothing that matters can follow: INSERT, REPLACE,
/// UPDATE, DELETE and LOAD DATA from a client that sends one statement at a time.
[[nodiscard]] Statement classify_beginning(std::string_view sql, const Dialect& dialect) noexcept;

/// True for the schemas whose tables speak of one server: mysql, sys and
/// performance_schema. Where one is a session's default schema, its reads
/// belong to the primary although their text does not say so.
[[nodiscard]] bool is_system_schema(std::string_view schema) noexcept;

/// The words of tests/data/statements.tsv, the log and the admin port.
[[nodiscard]] std::string_view to_string(Access access) noexcept;
[[nodiscard]] std::string_view to_string(Cause cause) noexcept;
[[nodiscard]] std::string_view to_string(Effect effect) noexcept;
[[nodiscard]] std::string_view to_string(Hint hint) noexcept;

}  // namespace sluice::routing
