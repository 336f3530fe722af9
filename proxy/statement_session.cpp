/// StatementRunner's session as a whole: its beginning, its resets, the dialect it speaks.
#include <array>
#include <utility>

#include "protocol/command.hpp"
#include "proxy/statement_runner.hpp"

namespace sluice::proxy {
namespace {

using routing::LinkRole;
namespace errors = protocol::server_error;

bool is_unsafe_multibyte(std::string_view charset) {
  static constexpr std::array<std::string_view, 5> names{"sjis", "cp932", "gbk", "gb18030", "big5"};
  for (const std::string_view name : names)
    if (charset == name) return true;
  return false;
}

}  // namespace

void StatementRunner::begin_session(const protocol::ClientIdentity& identity, std::uint16_t status,
                                    config::Secret password, routing::RoutePolicy policy) {
  give_up_links();  // before the state goes by which they are judged
  user_ = identity.user;
  password_ = std::move(password);
  capabilities_ = identity.capabilities;
  if (identity.collation != 0) collation_ = identity.collation;
  login_status_ = status_ = status;
  after_reset_.reset();
  policy_ = policy;
  reset();
  note_own_answer(protocol::Command::ping, {});  // the login's OK
  wanted_.schema = identity.schema;
  state_changed();
  show();
}

/// What a reset does is known from the first link to the primary on.
Task<> StatementRunner::learn_after_reset() {
  const auto& topology = *worker_.topology();
  if (after_reset_ || !topology.primary) co_return;
  const auto until = Clock::now() + worker_.shared().settings->failover.hold;
  co_await obtain(primary_, *topology.primary, LinkRole::primary, until);
}

Task<Next> StatementRunner::reset_connection(Work& work) {
  co_await learn_after_reset();
  reset();
  if (after_reset_) {
    for (const auto& [name, value] : after_reset_->variables()) wanted_.set(name, value);
    if (wanted_.schema.empty()) wanted_.erase("collation_database");  // it is so already
    state_changed();
    update_dialect();
  }
  co_return co_await answer_ok(work);
}

Task<> StatementRunner::forget_login_modes() {
  if ((capabilities_ & protocol::capability::ignore_space) == 0 || !dialect_.mariadb) co_return;
  co_await learn_after_reset();
  if (!after_reset_) co_return;
  if (const std::string* modes = after_reset_->find("sql_mode")) wanted_.set("sql_mode", *modes);
  state_changed();
  update_dialect();
}

/// All that a login and a reset have in common.
void StatementRunner::reset() {
  give_up_links();
  const std::string schema = wanted_.schema;
  wanted_.clear();
  wanted_.schema = schema;  // COM_RESET_CONNECTION keeps the schema
  pins_.clear();
  status_ = login_status_;
  insert_id_ = std::make_shared<InsertId>(worker_.executor());
  user_variables_.clear();
  unsettled_.clear();
  uncarried_.clear();
  held_.clear();
  statements_.clear();
  previous_rows_.reset();
  state_changed();
  own_answers_.clear();
  warnings_ = 0;
  failed_ = false;
  update_dialect();
  show();
}

void StatementRunner::set_multi_statements(bool on) {
  if (on) {
    capabilities_ |= protocol::capability::multi_statements;
  } else {
    capabilities_ &= ~protocol::capability::multi_statements;
  }
  state_changed();
  update_dialect();
  // The link that cannot be left is switched by the command itself.
  if (home_ != nullptr && home_->place) home_->place->dirty = true;
}

void StatementRunner::update_dialect() {
  const auto& topology = *worker_.topology();
  const auto* primary = topology.primary_view();
  if (primary == nullptr) primary = topology.find(topology.last_primary);
  if (primary != nullptr && primary->seen) {
    dialect_.mariadb = primary->seen->flavour == routing::Flavour::mariadb;
    dialect_.version = primary->seen->version_number;
  }
  const std::string* modes = wanted_.find("sql_mode");
  dialect_.ansi_quotes = modes != nullptr && modes->find("ANSI_QUOTES") != std::string::npos;
  dialect_.no_backslash_escapes = (status_ & protocol::status::no_backslash_escapes) != 0;
  if (modes != nullptr && modes->find("NO_BACKSLASH_ESCAPES") != std::string::npos)
    dialect_.no_backslash_escapes = true;
  dialect_.multi_statements = (capabilities_ & protocol::capability::multi_statements) != 0;
  const std::string* charset = wanted_.find("character_set_client");
  dialect_.unsafe_multibyte = charset != nullptr && is_unsafe_multibyte(*charset);
}

}  // namespace sluice::proxy
