#include "proxy/admin_session.hpp"

#include <fmt/format.h>
#include <openssl/rand.h>

#include "protocol/response.hpp"
#include "proxy/drive.hpp"
#include "proxy/log.hpp"

namespace sluice::proxy {
namespace {

namespace cap = protocol::capability;
namespace code = protocol::server_error;
using protocol::Command;
using protocol::RowFormat;
using namespace std::chrono_literals;

constexpr auto login_deadline = 10s;
constexpr auto write_deadline = 30s;
constexpr auto idle_deadline = 8h;  // as servers' wait_timeout
constexpr std::size_t most_statements = 256;
constexpr std::uint16_t too_many_statements = 1461;
constexpr std::uint16_t wrong_arguments = 1210;
constexpr std::uint8_t collation_utf8mb4_general_ci = 45;

// What is not here, clients do without: query attributes, session trackers,
// several statements at once, metadata left out.
constexpr protocol::Capabilities offered =
    cap::long_password | cap::found_rows | cap::long_flag | cap::connect_with_db | cap::odbc |
    cap::ignore_space | cap::protocol_41 | cap::interactive | cap::ignore_sigpipe |
    cap::transactions | cap::reserved | cap::secure_connection | cap::multi_results |
    cap::ps_multi_results | cap::plugin_auth | cap::connect_attrs | cap::plugin_auth_lenenc_data |
    cap::deprecate_eof;

protocol::Nonce fresh_nonce() {
  std::array<std::uint8_t, protocol::nonce_size> random{};
  RAND_bytes(random.data(), static_cast<int>(random.size()));
  return protocol::make_nonce(random);
}

Moment present() { return {Clock::now(), std::chrono::system_clock::now()}; }

}  // namespace

AdminSession::AdminSession(Socket socket, AdminSessionParams params)
    : stream_(std::move(socket)), params_(std::move(params)), nonce_(fresh_nonce()) {
  client_.id = params_.id;
  client_.host = params_.host;
  client_.kill_admin = params_.kill_admin;
}

void AdminSession::close() noexcept {
  closing_ = true;
  stream_.close();
}

Task<> AdminSession::run() {
  const bool logged_in = co_await log_in(nullptr);
  if (logged_in) co_await serve();
  stream_.close();
}

Task<bool> AdminSession::log_in(const protocol::Buffer* change_user) {
  protocol::ClientLoginParams params;
  params.greeting.server_version = std::string(admin_version);
  params.greeting.connection_id = client_.id;
  params.greeting.nonce = nonce_;
  params.greeting.capabilities = offered;
  params.greeting.collation = collation_utf8mb4_general_ci;
  params.greeting.auth_plugin = std::string(protocol::auth_plugin::caching_sha2);
  const bool tls = params_.tls != nullptr && !stream_.encrypted();
  params.tls = tls ? protocol::ClientTls::offered : protocol::ClientTls::off;
  params.channel = stream_.encrypted() ? protocol::Channel::tls : params_.channel;
  params.client_host = client_.host;
  params.rsa_key = &params_.rsa_key;
  protocol::ClientLogin login(std::move(params), params_.accounts);

  const auto until = Clock::now() + login_deadline;
  const DriveOptions options{until, params_.tls, TlsRole::server, {}};
  const protocol::Want first =
      change_user == nullptr ? login.start() : login.start_change_user(*change_user, 0, identity_);
  const error_code error = co_await drive(login, stream_, options, first);
  if (error) {
    if (error == protocol::Errc::authentication_failed)
      log::warning("admin", "login of '{}' from {} was denied", login.identity().user,
                   client_.host);
    co_return false;
  }
  login.accept();
  out_ = login.outgoing();
  identity_ = login.take_identity();
  client_.user = identity_.user;
  client_.schema = identity_.schema;
  client_.rights = client_.user == params_.settings.user ? AdminClient::Rights::change
                                                         : AdminClient::Rights::look;
  auto cut = [this] { stream_.close(); };
  const Deadline deadline(stream_.executor(), until, cut);
  const error_code sent = co_await stream_.write_all(out_);
  co_return !sent;
}

Task<> AdminSession::serve() {
  Packet packet;
  auto cut = [this] { stream_.close(); };
  while (!closing_) {
    {
      stream_.release_input();
      const Deadline idle(stream_.executor(), Clock::now() + idle_deadline, cut);
      const error_code error = co_await stream_.read_packet(packet, admin_max_packet);
      out_.clear();
      if (error == protocol::Errc::too_large) {
        sequence_ = 1;
        put_error(code::packet_too_large, "08S01", "Got a packet bigger than an admin command");
        closing_ = true;
      } else if (error) {
        co_return;
      }
    }
    if (!closing_) {
      sequence_ = static_cast<std::uint8_t>(packet.sequence + 1);
      const auto command = protocol::decode_command(packet.payload, identity_.capabilities);
      if (!command) {
        put_error(code::malformed_packet, "HY000", "Malformed communication packet");
      } else if (command->command == Command::change_user) {
        reset();
        const bool logged_in = co_await log_in(&packet.payload);
        if (!logged_in) co_return;
        continue;
      } else if (!reply_to(*command)) {
        co_return;
      }
    }
    const Deadline late(stream_.executor(), Clock::now() + write_deadline, cut);
    if (out_.empty()) continue;
    const error_code error = co_await stream_.write_all(out_);
    if (error) co_return;
  }
}

bool AdminSession::reply_to(const protocol::ClientCommand& command) {
  switch (command.command) {
    case Command::quit: return false;
    case Command::query: put(run_line(command.text), RowFormat::text); break;
    case Command::init_db:
      client_.schema = command.text;
      put_ok();
      break;
    case Command::ping: put_ok(); break;
    case Command::statistics: {
      const auto& counters = params_.target.counters();
      const auto uptime =
          std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - params_.serving_since);
      // Clients cut this text at its double blanks, as the server writes it.
      const std::string text =
          fmt::format("Uptime: {}  Threads: {}  Questions: {}", uptime.count(),
                      params_.target.sessions().size(), read(counters.statements));
      sequence_ = protocol::append_packet(out_, protocol::as_bytes(text), sequence_);
      break;
    }
    // There are no tables, hence no fields.
    case Command::field_list:
    case Command::set_option:
    case Command::debug: put_end(); break;
    case Command::process_kill: {
      const KillCommand kill{command.connection, KillScope::connection};
      put(answer(kill, client_, params_.target, present()), RowFormat::text);
      break;
    }
    case Command::reset_connection:
      reset();
      put_ok();
      break;
    case Command::stmt_prepare: prepare(command.text); break;
    case Command::stmt_execute: execute(command); break;
    case Command::stmt_send_long_data:
      if (const auto found = statements_.find(command.statement); found != statements_.end())
        found->second.add_long_data(command.parameter, command.rest);
      break;
    case Command::stmt_reset:
      if (AdminPrepared* found = find_statement(command.statement, "mysqld_stmt_reset")) {
        found->reset();
        put_ok();
      }
      break;
    case Command::stmt_close: statements_.erase(command.statement); break;
    // No execute has ever opened a cursor.
    case Command::stmt_fetch: find_statement(0, "mysqld_stmt_fetch"); break;
    default: put_error(code::unknown_command, "08S01", "Unknown command");
  }
  return true;
}

AdminReply AdminSession::run_line(std::string_view line) {
  const auto parsed = parse_admin(line);
  if (const auto* problem = std::get_if<AdminProblem>(&parsed)) return answer(*problem);
  return answer(std::get<AdminCommand>(parsed), client_, params_.target, present());
}

void AdminSession::prepare(std::string_view text) {
  if (statements_.size() >= most_statements)
    return put_error(too_many_statements, "42000",
                     fmt::format("Can't create more than {} prepared statements", most_statements));
  AdminPrepared statement(text);
  const auto parsed = parse_admin(statement.sample());
  if (const auto* problem = std::get_if<AdminProblem>(&parsed))
    return put(answer(*problem), RowFormat::text);
  // The columns are those that an execute would answer with.
  std::vector<AdminTable::Column> columns;
  const auto& command = std::get<AdminCommand>(parsed);
  if (only_looks(command)) {
    const AdminReply reply = answer(command, client_, params_.target, present());
    if (std::holds_alternative<AdminError>(reply)) return put(reply, RowFormat::text);
    columns = std::get<AdminTable>(reply).columns;
  }
  const auto parameters = static_cast<std::uint16_t>(statement.parameters());
  const std::uint32_t id = next_statement_++;
  statements_.emplace(id, std::move(statement));

  protocol::PrepareOk ok;
  ok.statement_id = id;
  ok.columns = static_cast<std::uint16_t>(columns.size());
  ok.parameters = parameters;
  sequence_ = protocol::append_prepare_ok(out_, ok, identity_.capabilities, sequence_);
  put_definitions(std::vector<AdminTable::Column>(parameters, AdminTable::Column{"?"}));
  put_definitions(columns);
}

void AdminSession::put_definitions(const std::vector<AdminTable::Column>& columns) {
  if (columns.empty()) return;
  for (const AdminTable::Column& column : columns) {
    protocol::ColumnDefinition definition;
    definition.name = column.name;
    definition.original_name = column.name;
    if (column.type == protocol::ResultSetWriter::Type::integer) {
      definition.type = protocol::ColumnType::longlong;
      definition.collation = protocol::collation_binary;
      definition.flags = protocol::column_flag::binary | protocol::column_flag::numeric;
    }
    protocol::Buffer payload;
    protocol::encode_column(payload, definition, identity_.capabilities);
    sequence_ = protocol::append_packet(out_, payload, sequence_);
  }
  if ((identity_.capabilities & cap::deprecate_eof) == 0) put_end();
}

void AdminSession::execute(const protocol::ClientCommand& command) {
  AdminPrepared* statement = find_statement(command.statement, "mysqld_stmt_execute");
  if (statement == nullptr) return;
  const auto line = statement->bind(command, identity_.capabilities);
  if (!line)
    return put_error(wrong_arguments, "HY000",
                     "Incorrect arguments to mysqld_stmt_execute; the admin port takes strings and "
                     "numbers");
  put(run_line(*line), RowFormat::binary);
}

AdminPrepared* AdminSession::find_statement(std::uint32_t id, std::string_view command) {
  const auto found = statements_.find(id);
  if (found != statements_.end()) return &found->second;
  put_error(code::unknown_stmt, "HY000",
            fmt::format("Unknown prepared statement handler ({}) given to {}", id, command));
  return nullptr;
}

void AdminSession::reset() {
  statements_.clear();
  client_.schema.clear();
}

void AdminSession::put(const AdminReply& reply, RowFormat format) {
  if (const auto* error = std::get_if<AdminError>(&reply))
    return put_error(error->code, error->sql_state, error->message);
  if (const auto* done = std::get_if<AdminDone>(&reply)) {
    protocol::OkPacket ok;
    ok.affected_rows = done->affected;
    ok.status = protocol::status::autocommit;
    sequence_ = protocol::append_ok(out_, ok, identity_.capabilities, sequence_);
    return;
  }
  const auto& table = std::get<AdminTable>(reply);
  protocol::ResultSetWriter set(out_, identity_.capabilities, format, sequence_);
  set.columns(table.columns);
  for (const auto& row : table.rows) set.row(row);
  sequence_ = set.finish(protocol::status::autocommit);
}

void AdminSession::put_ok() { put(AdminDone{}, RowFormat::text); }

void AdminSession::put_end() {
  const protocol::EofPacket end{0, protocol::status::autocommit};
  sequence_ = protocol::append_end(out_, end, identity_.capabilities, sequence_);
}

void AdminSession::put_error(std::uint16_t error, std::string_view sql_state,
                             std::string_view message) {
  const protocol::ErrPacket packet{error, sql_state, message};
  sequence_ = protocol::append_err(out_, packet, identity_.capabilities, sequence_);
}

}  // namespace sluice::proxy
