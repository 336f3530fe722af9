#include "proxy/admin_command.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <string>

#include "config/nearest.hpp"
#include "proxy/admin_help.hpp"
#include "proxy/admin_scanner.hpp"
#include "proxy/admin_select.hpp"

namespace sluice::proxy {
namespace {

using Kind = AdminToken::Kind;
using Parsed = std::variant<AdminCommand, AdminProblem>;

struct ShowWords {
  std::string_view first;
  std::string_view second;  // may be empty; a `?` in front: need not be there
  AdminView view;
};

// clang-format off
constexpr auto show_table = std::to_array<ShowWords>({
    {"BACKENDS", "", AdminView::backends},
    {"PRIMARY", "?STATUS", AdminView::primary},
    {"MASTER", "?STATUS", AdminView::primary},
    {"REPLICAS", "", AdminView::replicas},
    {"SLAVES", "", AdminView::replicas},
    {"REPLICA", "STATUS", AdminView::replicas},
    {"SLAVE", "STATUS", AdminView::replicas},
    {"SESSIONS", "", AdminView::sessions},
    {"PROCESSLIST", "", AdminView::sessions},
    {"STATUS", "", AdminView::status},
    {"TOPOLOGY", "", AdminView::topology},
    {"ALERTS", "", AdminView::alerts},
    {"ALARMS", "", AdminView::alerts},
    {"VARIABLES", "", AdminView::variables},
    {"USERS", "", AdminView::users},
    {"DIGESTS", "", AdminView::digests},
    {"DECISIONS", "", AdminView::decisions},
    {"LATENCY", "", AdminView::latency},
    {"ROUTE", "HISTORY", AdminView::route_history},
    {"FAILOVER", "HISTORY", AdminView::failover_history},
    {"FAILOVER", "", AdminView::failover},
    {"DATABASES", "", AdminView::databases},
    {"SCHEMAS", "", AdminView::databases},
    {"TABLES", "", AdminView::tables},
    {"WARNINGS", "", AdminView::warnings},
    {"ERRORS", "", AdminView::warnings},
    {"COLUMNS", "", AdminView::other},
    {"FIELDS", "", AdminView::other},
    {"INDEX", "", AdminView::other},
    {"INDEXES", "", AdminView::other},
    {"KEYS", "", AdminView::other},
    {"TABLE", "STATUS", AdminView::other},
    {"OPEN", "TABLES", AdminView::other},
    {"ENGINES", "", AdminView::other},
    {"STORAGE", "ENGINES", AdminView::other},
    {"PLUGINS", "", AdminView::other},
    {"COLLATION", "", AdminView::other},
    {"CHARSET", "", AdminView::other},
    {"CHARACTER", "SET", AdminView::other},
    {"PROCEDURE", "STATUS", AdminView::other},
    {"FUNCTION", "STATUS", AdminView::other},
    {"TRIGGERS", "", AdminView::other},
    {"EVENTS", "", AdminView::other},
    {"GRANTS", "", AdminView::other},
});
// clang-format on

struct StateWord {
  std::string_view word;
  routing::AdminState state;
};
constexpr auto state_words = std::to_array<StateWord>({
    {"ONLINE", routing::AdminState::online},
    {"DRAIN", routing::AdminState::drain},
    {"OFFLINE", routing::AdminState::offline},
});

AdminProblem problem(std::string message) { return {std::move(message), false}; }

// A pattern that matches exactly this text.
std::string literal_pattern(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '%' || c == '_' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

class Parser {
 public:
  explicit Parser(std::string_view line) : line_(line), tokens_(scan_admin(line)) {}

  Parsed parse() {
    while (peek().kind == Kind::semicolon) ++at_;
    if (peek().kind == Kind::end) return AdminProblem{"Query was empty", true};
    if (tokens_.back().kind == Kind::broken)
      return problem(fmt::format("Unfinished {} near '{}'", tokens_.back().text,
                                 shorten(line_.substr(tokens_.back().begin))));
    while (peek().is('(')) ++at_;  // (SELECT 1)
    if (take("SHOW")) return show();
    if (take("SET")) return set();
    if (take("RESET")) return reset();
    if (take("KILL")) return kill();
    if (take("FAILOVER")) return failover();
    if (take("SWITCHOVER")) return switchover();
    if (take("HELP")) return help();
    if (take("USE")) return use();
    if (peek().is("SELECT")) return select_list(line_, tokens_, at_);
    if (take("BEGIN") || take("COMMIT") || take("ROLLBACK") || take("START")) return NoopCommand{};
    return unknown();
  }

 private:
  [[nodiscard]] const AdminToken& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  bool take(std::string_view word) {
    if (!peek().is(word)) return false;
    ++at_;
    return true;
  }
  static std::string shorten(std::string_view text) {
    constexpr std::size_t most = 60;
    return text.size() <= most ? std::string(text) : std::string(text.substr(0, most)) + "…";
  }

  // What follows a whole command: nothing, or semicolons.
  Parsed finish(AdminCommand command, std::string_view syntax) {
    const std::size_t extra = at_;
    while (peek().kind == Kind::semicolon) ++at_;
    if (peek().is_end()) return command;
    if (at_ > extra) return problem("One admin command at a time: send what follows ';' by itself");
    return unexpected(syntax);
  }

  Parsed unexpected(std::string_view syntax) {
    if (peek().is_end() || peek().kind == Kind::semicolon)
      return problem(fmt::format("Something is missing at the end; the syntax is: {}", syntax));
    return problem(fmt::format("Unexpected '{}'; the syntax is: {}",
                               shorten(line_.substr(peek().begin)), syntax));
  }

  static std::string_view syntax_of(std::string_view command) {
    const AdminTopic* topic = find_admin_topic(command);
    return topic != nullptr ? topic->syntax : command;
  }

  Parsed unknown() {
    const auto word = [](const AdminToken& token) {
      return token.kind == Kind::word ? std::string_view(token.text) : std::string_view{};
    };
    const auto nearest = nearest_admin_command(word(tokens_[at_]), word(peek(1)));
    return problem(unknown_text(nearest));
  }

  [[nodiscard]] std::string unknown_text(const std::optional<std::string>& nearest) const {
    const std::string line = shorten(line_.substr(tokens_.front().begin));
    if (nearest)
      return fmt::format("Unknown admin command '{}'; did you mean {}? HELP lists all", line,
                         *nearest);
    return fmt::format(
        "Unknown admin command '{}'. This is Sluice's admin port, applications connect to another "
        "one; HELP lists all commands",
        line);
  }

  Parsed show() {
    const std::size_t begin = at_;
    while (take("FULL") || take("GLOBAL") || take("SESSION") || take("LOCAL") || take("EXTENDED")) {
    }
    // SHOW COUNT(*) WARNINGS
    if (peek().is("COUNT") && peek(1).is('(')) return ShowCommand{AdminView::warnings, {}};
    for (const ShowWords& words : show_table) {
      if (!peek().is(words.first)) continue;
      const bool optional = words.second.starts_with('?');
      const std::string_view second = words.second.substr(optional ? 1 : 0);
      const bool matches = !second.empty() && peek(1).is(second);
      if (!second.empty() && !matches && !optional) continue;
      at_ += matches ? 2 : 1;
      ShowCommand command{words.view, {}};
      // Whatever is asked of what is empty: it is empty.
      if (words.view >= AdminView::databases) return command;
      if (words.view == AdminView::route_history && take("FOR")) return of_session(command);
      const std::string syntax = fmt::format("SHOW {} [LIKE 'pattern']", words.first);
      return filter(std::move(command), syntax);
    }
    at_ = begin - 1;
    return unknown();
  }

  // A number that is a session's id; nullopt: it is none, and stays unread.
  std::optional<std::uint64_t> session_id() {
    const std::string& digits = peek().text;
    std::uint64_t id = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
    if (!peek().is_text() || error != std::errc{} || end != digits.data() + digits.size())
      return {};
    ++at_;
    return id;
  }

  Parsed of_session(ShowCommand command) {
    const std::string_view syntax = syntax_of("SHOW ROUTE HISTORY");
    if (!take("SESSION")) return unexpected(syntax);
    command.session = session_id();
    if (!command.session) return unexpected(syntax);
    return finish(std::move(command), syntax);
  }

  Parsed filter(ShowCommand command, std::string_view syntax) {
    std::vector<std::string> patterns;
    if (take("LIKE")) {
      if (!peek().is_text()) return unexpected(syntax);
      patterns.push_back(tokens_[at_++].text);
    } else if (take("WHERE")) {
      // As drivers do: WHERE Variable_name = 'a' OR Variable_name IN ('b', 'c')
      do {
        if (!condition(patterns))
          return problem(
              "WHERE understands only name = '…', name LIKE '…' and name IN ('…', …), joined by "
              "OR; LIKE 'pattern' is shorter");
      } while (take("OR"));
    }
    command.filter = AdminFilter(std::move(patterns));
    return finish(std::move(command), syntax);
  }

  bool condition(std::vector<std::string>& patterns) {
    const std::string column = to_lower(peek().text);
    if (!peek().is_text() || (column != "name" && column != "variable_name")) return false;
    ++at_;
    if (take("LIKE")) {
      if (!peek().is_text()) return false;
      patterns.push_back(tokens_[at_++].text);
      return true;
    }
    const bool list = take("IN");
    if (!peek().is(list ? '(' : '=')) return false;
    do {
      ++at_;
      if (!peek().is_text()) return false;
      patterns.push_back(literal_pattern(tokens_[at_++].text));
    } while (list && peek().is(','));
    if (list && !peek().is(')')) return false;
    if (list) ++at_;
    return true;
  }

  Parsed set() {
    if (take("BACKEND")) return set_backend();
    if (take("NAMES") || take("CHARSET") || (peek().is("CHARACTER") && peek(1).is("SET")))
      return NoopCommand{};
    const std::size_t begin = at_;
    const bool global = take("GLOBAL") || take("PERSIST");
    if (!global && !take("SESSION")) take("LOCAL");
    if (take("TRANSACTION")) return NoopCommand{};
    const std::string name = to_lower(peek().text);
    // The colon of := is read as part of the name, or as a word of its own.
    if (!peek(1).is('=') && !(peek(1).is(":") && peek(2).is('='))) {
      at_ = begin - 1;
      return unknown();
    }
    // To accept a change that changes nothing would be a lie; what drivers set for
    // their own session is harmless.
    if (global || name.starts_with("@@global.") || name.starts_with("@@persist"))
      return problem(
          "There are no global variables here; settings are changed in the "
          "configuration file. HELP lists what can be set");
    const bool scoped = name.starts_with("@@session.") || name.starts_with("@@local.");
    if (!scoped && name.find('.') != std::string::npos)
      return problem(fmt::format(
          "'{}' cannot be set here; settings are changed in the configuration file", name));
    return NoopCommand{};
  }

  Parsed set_backend() {
    const std::string_view syntax = syntax_of("SET BACKEND");
    SetBackendCommand command;
    if (!peek().is_text()) return unexpected(syntax);
    command.backend = tokens_[at_++].text;
    if (peek().is('=')) ++at_;
    if (!peek().is_text()) return unexpected(syntax);
    const std::string word = to_upper(tokens_[at_++].text);
    const StateWord* found = nullptr;
    std::vector<std::string> known;
    for (const StateWord& state : state_words) {
      known.emplace_back(state.word);
      if (state.word == word) found = &state;
    }
    if (found == nullptr) {
      const auto nearest = config::nearest(word, known);
      return problem(fmt::format("'{}' is no state of a backend{} The syntax is: {}", word,
                                 nearest ? "; did you mean " + *nearest + "?" : ".", syntax));
    }
    command.state = found->state;
    if (take("BECAUSE")) {
      if (!peek().is_text()) return unexpected(syntax);
      command.why = tokens_[at_++].text;
    }
    return finish(std::move(command), syntax);
  }

  Parsed reset() {
    if (!take("DIGESTS")) return unexpected(syntax_of("RESET DIGESTS"));
    return finish(ResetCommand{}, syntax_of("RESET DIGESTS"));
  }

  Parsed kill() {
    const std::string_view syntax = syntax_of("KILL");
    KillCommand command;
    take("HARD") || take("SOFT");  // MariaDB's
    if (take("QUERY"))
      command.scope = KillScope::query;
    else
      take("CONNECTION");
    const std::optional<std::uint64_t> id = session_id();
    if (!id) return unexpected(syntax);
    command.session = *id;
    return finish(command, syntax);
  }

  Parsed failover() {
    const std::string_view syntax = syntax_of("FAILOVER PLAN");
    if (!take("PLAN")) return unexpected(syntax);
    return finish(FailoverPlanCommand{}, syntax);
  }

  Parsed switchover() {
    const std::string_view syntax = syntax_of("SWITCHOVER TO");
    if (!take("TO") || !peek().is_text()) return unexpected(syntax);
    SwitchoverCommand command{tokens_[at_++].text};
    return finish(std::move(command), syntax);
  }

  Parsed help() {
    HelpCommand command;
    while (peek().is_text()) {
      if (!command.topic.empty()) command.topic += ' ';
      command.topic += tokens_[at_++].text;
    }
    return finish(std::move(command), syntax_of("HELP"));
  }

  Parsed use() {
    if (!peek().is_text()) return unexpected("USE schema");
    UseCommand command{tokens_[at_++].text};
    return finish(std::move(command), "USE schema");
  }

  std::string_view line_;
  std::vector<AdminToken> tokens_;
  std::size_t at_ = 0;
};

bool same_letter(char a, char b) { return to_lower({&a, 1}) == to_lower({&b, 1}); }

}  // namespace

bool like(std::string_view text, std::string_view pattern) {
  constexpr auto none = std::string_view::npos;
  std::size_t at = 0;
  std::size_t p = 0;
  std::size_t star = none;  // behind the last % in the pattern
  std::size_t retry = 0;    // where in the text its match may end next
  while (at < text.size() || p < pattern.size()) {
    if (p < pattern.size() && pattern[p] == '%') {
      star = ++p;
      retry = at;
      continue;
    }
    if (p < pattern.size() && at < text.size()) {
      const bool escaped = pattern[p] == '\\' && p + 1 < pattern.size();
      const char wanted = pattern[p + (escaped ? 1 : 0)];
      if ((!escaped && wanted == '_') || same_letter(wanted, text[at])) {
        p += escaped ? 2 : 1;
        ++at;
        continue;
      }
    }
    if (star == none || retry >= text.size()) return false;
    p = star;
    at = ++retry;
  }
  return true;
}

bool AdminFilter::passes(std::string_view text) const {
  if (patterns_.empty()) return true;
  for (const std::string& pattern : patterns_)
    if (like(text, pattern)) return true;
  return false;
}

std::variant<AdminCommand, AdminProblem> parse_admin(std::string_view line) {
  return Parser(line).parse();
}

std::vector<std::size_t> admin_parameters(std::string_view line) {
  std::vector<std::size_t> places;
  for (const AdminToken& token : scan_admin(line))
    if (token.is('?')) places.push_back(token.begin);
  return places;
}

}  // namespace sluice::proxy
