#include "proxy/backend_hand.hpp"

namespace sluice::proxy {

std::string BackendHand::connect(TimePoint deadline) {
  if (client_ && client_->connected()) return {};
  client_ = std::make_unique<SqlClient>();
  const auto error = client_->connect(target_, deadline);
  return error ? error->text : std::string();
}

std::string BackendHand::run(const Statements& statements, TimePoint deadline) {
  if (statements.empty()) return {};
  if (std::string trouble = connect(deadline); !trouble.empty()) return trouble;
  for (const std::string& statement : statements) {
    const SqlReply reply = client_->ask(statement, deadline);
    // The statement may hold a password: it is not repeated.
    if (reply.error)
      return statement.substr(0, statement.find_first_of("='")) + ": " + reply.error->text;
  }
  return {};
}

std::string BackendHand::ask(std::string_view statement, TimePoint deadline, SqlTable& table) {
  if (std::string trouble = connect(deadline); !trouble.empty()) return trouble;
  SqlReply reply = client_->ask(statement, deadline);
  if (reply.error) return reply.error->text;
  if (reply.tables.empty()) return "it gave no rows";
  table = std::move(reply.tables.front());
  return {};
}

}  // namespace sluice::proxy
