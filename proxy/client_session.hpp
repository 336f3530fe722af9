/// One client connection's life: login, commands one after the other, end.
///
///   accepted ──► logging in ──► idle ⇄ serving a command ──► ended
///
/// The commands that only concern the session are answered here; whatever needs a
/// backend goes to the StatementRunner.
/// Lifetime: owned by its worker; `run` is the only coroutine that uses it, but
/// for a KILL's, which the worker runs beside it.
/// Thread: its worker's.
#pragma once

#include <memory>
#include <optional>

#include "protocol/client_login.hpp"
#include "protocol/command.hpp"
#include "proxy/packet_stream.hpp"
#include "proxy/statement_runner.hpp"
#include "proxy/worker.hpp"

namespace sluice::proxy {

class ClientSession {
 public:
  ClientSession(Worker& worker, Socket socket, std::shared_ptr<SessionRecord> record,
                protocol::Channel channel);
  ~ClientSession();

  /// Returns when the session has ended.
  Task<> run();

  /// Ends the session now if it is idle and free, else as soon as it is.
  void drain() noexcept;
  void close() noexcept {
    stream_.close();
    runner_.abort();
  }
  Task<> kill(KillScope scope);

  [[nodiscard]] std::uint32_t id() const noexcept { return record_->id; }
  /// KILLs under way that still use this session.
  unsigned visitors = 0;

 private:
  Task<bool> log_in();
  Task<std::optional<protocol::Buffer>> check_account(const protocol::ClientIdentity& identity,
                                                      const config::User& user);
  Task<> begin(const protocol::ClientIdentity& identity, const config::User& user);
  Task<Next> serve();
  [[nodiscard]] bool begin_quick(Work& work, std::optional<protocol::ClientCommand>& command);
  Task<Next> serve_command(Work& work, const protocol::ClientCommand& command);
  Task<Next> query(Work& work, const protocol::ClientCommand& command);
  Task<Next> prepare(Work& work, const protocol::ClientCommand& command);
  Task<Next> with_statement(Work& work, const protocol::ClientCommand& command);
  Task<Next> change_user(Work& work);
  Task<Next> kill_other(Work& work, std::uint64_t id, KillScope scope);
  [[nodiscard]] protocol::ClientLoginParams login_params(const protocol::Nonce& nonce) const;

  Worker& worker_;
  std::shared_ptr<SessionRecord> record_;
  PacketStream stream_;
  protocol::Channel channel_;
  protocol::Nonce nonce_{};
  std::optional<protocol::ClientIdentity> identity_;
  StatementRunner runner_;
  std::optional<routing::Statement> classified_;  ///< what the command at hand was found to be
  bool idle_ = false;
  bool doomed_ = false;  ///< KILL CONNECTION: the present statement is the last
};

}  // namespace sluice::proxy
