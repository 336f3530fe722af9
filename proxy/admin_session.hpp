/// One client of the admin port: logs it in and answers its commands, one by one.
///
/// run() returns when the client leaves, errs, is idle for eight hours, or close()
/// is called. The caller owns both the session and the running task.
///
/// Errors: none to the caller; what the client should know it is told.
/// Thread: the control thread.
/// Lifetime: everything that AdminSessionParams refers to outlives run().
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.hpp"
#include "protocol/client_login.hpp"
#include "protocol/command.hpp"
#include "protocol/resultset.hpp"
#include "proxy/admin_answer.hpp"
#include "proxy/admin_prepared.hpp"
#include "proxy/admin_target.hpp"
#include "proxy/packet_stream.hpp"

namespace sluice::proxy {

struct AdminSessionParams {
  std::uint32_t id = first_admin_id;
  std::string host;  ///< the client's, as errors and SHOW BACKENDS call it
  protocol::Channel channel = protocol::Channel::plain;
  const config::Admin& settings;
  const protocol::Accounts& accounts;
  const protocol::RsaKey& rsa_key;
  TlsContext* tls = nullptr;  ///< null: not offered
  AdminTarget& target;
  Clock::time_point serving_since;
  std::function<bool(std::uint64_t id, KillScope scope)> kill_admin;
};

class AdminSession {
 public:
  AdminSession(Socket socket, AdminSessionParams params);
  AdminSession(const AdminSession&) = delete;
  AdminSession& operator=(const AdminSession&) = delete;

  Task<> run();
  /// Ends it soon: what it waits for is cancelled.
  void close() noexcept;

  [[nodiscard]] std::uint32_t id() const noexcept { return client_.id; }

 private:
  Task<bool> log_in(const protocol::Buffer* change_user);
  Task<> serve();
  /// False: the client is to be let go.
  bool reply_to(const protocol::ClientCommand& command);

  void prepare(std::string_view text);
  void execute(const protocol::ClientCommand& command);
  void reset();
  [[nodiscard]] AdminReply run_line(std::string_view line);
  AdminPrepared* find_statement(std::uint32_t id, std::string_view command);

  void put(const AdminReply& reply, protocol::RowFormat format);
  void put_definitions(const std::vector<AdminTable::Column>& columns);
  void put_ok();
  void put_end();
  void put_error(std::uint16_t code, std::string_view sql_state, std::string_view message);

  PacketStream stream_;
  AdminSessionParams params_;
  protocol::Nonce nonce_;
  protocol::ClientIdentity identity_;
  AdminClient client_;
  std::map<std::uint32_t, AdminPrepared> statements_;
  std::uint32_t next_statement_ = 1;
  protocol::Buffer out_;  // the reply under way
  std::uint8_t sequence_ = 0;
  bool closing_ = false;
};

}  // namespace sluice::proxy
