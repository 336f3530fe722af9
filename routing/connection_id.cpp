#include "routing/connection_id.hpp"

#include <algorithm>
#include <vector>

#include "routing/server_facts.hpp"
#include "routing/sql_scanner.hpp"
#include "routing/word_table.hpp"

namespace sluice::routing {
namespace {

/// Deeper than any server parses.
constexpr std::size_t most_parentheses = 5'000;
/// Both servers cut the names they make to this many characters.
constexpr std::size_t longest_name = 255;

/// Display widths in MariaDB: CONNECTION_ID() is INT(10), the variable BIGINT(21).
constexpr std::size_t function_width = 10;
constexpr std::size_t variable_width = 21;

std::string cast(std::uint64_t id, std::size_t width) {
  std::string digits = std::to_string(id);
  if (digits.size() < width) digits.insert(0, width - digits.size(), '0');
  return "CAST(" + digits + " AS UNSIGNED)";
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

/// Only an operand may follow, so a name behind it is no alias.
bool wants_operand(const Token& token) {
  switch (token.kind) {
    case TokenKind::punctuation: return !token.is(')') && !token.is('}');
    case TokenKind::assign:
    case TokenKind::system_variable: return true;
    case TokenKind::word: break;
    default: return false;
  }
  switch (token.word) {
    case Word::and_:
    case Word::between:
    case Word::binary:
    case Word::case_:
    case Word::collate:
    case Word::div:
    case Word::else_:
    case Word::escape:
    case Word::like:
    case Word::not_:
    case Word::or_:
    case Word::over:
    case Word::regexp:
    case Word::rlike:
    case Word::then:
    case Word::when:
    case Word::xor_: return true;
    default: return same_word(token.text, "is") || same_word(token.text, "mod");
  }
}

bool is_reserved_constant(const Token& token) {
  return token.kind == TokenKind::word &&
         (same_word(token.text, "null") || same_word(token.text, "true") ||
          same_word(token.text, "false"));
}

bool is_select_option(const Token& token) {
  switch (token.word) {
    case Word::all:
    case Word::distinct:
    case Word::distinctrow:
    case Word::high_priority:
    case Word::straight_join:
    case Word::sql_big_result:
    case Word::sql_calc_found_rows:
    case Word::sql_small_result: return true;
    default:
      return same_word(token.text, "sql_no_cache") || same_word(token.text, "sql_cache") ||
             same_word(token.text, "sql_buffer_result");
  }
}

/// One item of a select list.
struct Item {
  const char* begin = nullptr;  // null: it has no token yet
  const char* end = nullptr;
  std::size_t replaced_before = 0;
  Token last;
  Token before_last;
  std::uint32_t open_cases = 0;
  bool named = false;  // AS
  bool ends_case = false;

  /// True only if it surely has no alias: a second one would be an error.
  [[nodiscard]] bool unnamed() const {
    if (begin == nullptr || named) return false;
    const bool may_be_alias = last.is_name() || last.kind == TokenKind::string;
    return !may_be_alias || ends_case || wants_operand(before_last) || is_reserved_constant(last);
  }
};

/// What one pair of parentheses, or the statement, holds.
struct Level {
  bool lists = false;  // between SELECT and what ends its list
  bool first = false;  // item of the list
  Item item;
};

class Rewriter {
 public:
  Rewriter(std::string_view sql, const Dialect& dialect, std::uint64_t id)
      : sql_(sql),
        unsafe_multibyte_(dialect.unsafe_multibyte),
        id_(id),
        scanner_(sql, dialect, SqlScanner::ExecutableComments::enter) {}

  std::optional<std::string> run() {
    levels_.emplace_back();
    for (Token token;;) {
      scanner_.next(token);
      if (token.kind == TokenKind::broken || levels_.size() > most_parentheses) return {};
      finish_variable(token);
      look_for_call(token);
      look_for_variable(token);
      look_for_definition(token);
      if (asks_about_threads(token)) return {};
      follow_lists(token);
      if (token.kind == TokenKind::end) break;
      before_previous_ = previous_;
      previous_ = token;
    }
    if (replaced_ == 0) return {};
    result_.append(sql_.substr(copied_));
    return std::move(result_);
  }

 private:
  enum class Mode : std::uint8_t {
    evaluated,
    definition,        // up to the statement's end
    table_definition,  // up to SELECT
    stored_program,    // its semicolons end nothing
  };
  enum class Call : std::uint8_t { none, name, open };
  enum class Variable : std::uint8_t { none, name, after_scope, complete };

  void replace(const char* begin, const char* end, std::string_view text) {
    const auto from = static_cast<std::size_t>(begin - sql_.data());
    result_.append(sql_.substr(copied_, from - copied_)).append(text);
    copied_ = static_cast<std::size_t>(end - sql_.data());
  }

  void look_for_call(const Token& token) {
    switch (call_) {
      case Call::name: call_ = token.is('(') ? Call::open : Call::none; break;
      case Call::open:
        call_ = Call::none;
        if (!token.is(')')) break;
        replace(call_begin_, token.text.data() + 1, cast(id_, function_width));
        ++replaced_;
        return;
      case Call::none: break;
    }
    if (mode_ != Mode::evaluated || call_ != Call::none || !token.is_name()) return;
    // A table or procedure of this name, or another schema's function.
    const bool other = previous_.is('.') || previous_.is(Word::into) ||
                       previous_.is(Word::insert) || previous_.is(Word::replace) ||
                       previous_.is(Word::call) || previous_.is(Word::procedure) ||
                       previous_.kind == TokenKind::system_variable;
    if (other || !same_word(token.bare(), "connection_id")) return;
    call_ = Call::name;
    call_begin_ = token.text.data();
  }

  void look_for_variable(const Token& token) {
    if (token.kind == TokenKind::system_variable) {
      variable_ = mode_ == Mode::evaluated ? Variable::name : Variable::none;
      variable_begin_ = token.text.data();
      may_be_target_ = sets_ && (previous_.is(Word::set) || previous_.is(','));
      return;
    }
    switch (variable_) {
      case Variable::name:
        if (same_word(token.bare(), "pseudo_thread_id")) {
          variable_ = Variable::complete;
          variable_end_ = token.text.data() + token.text.size();
        } else {
          const bool scope = token.is(Word::session) || token.is(Word::local);
          variable_ = scope ? Variable::after_scope : Variable::none;
        }
        break;
      case Variable::after_scope:
        variable_ = token.is('.') ? Variable::name : Variable::none;
        break;
      default: break;
    }
  }

  /// Only the token behind its name tells whether it was the variable, and is read.
  void finish_variable(const Token& token) {
    if (variable_ != Variable::complete) return;
    variable_ = Variable::none;
    if (token.is('.')) return;
    if (may_be_target_ && (token.is('=') || token.kind == TokenKind::assign)) return;
    // Unlike the function's, the variable's type has no NOT NULL.
    replace(variable_begin_, variable_end_, "NULLIF(" + cast(id_, variable_width) + ",0)");
    ++replaced_;
  }

  void look_for_definition(const Token& token) {
    if (mode_ == Mode::stored_program) return;
    switch (token.word) {
      case Word::create:
      case Word::alter:
      case Word::kill:
        mode_ = Mode::definition;
        object_known_ = !token.is(Word::create) && !token.is(Word::alter);
        is_creation_ = token.is(Word::create);
        return;
      case Word::select:
        sets_ = false;
        if (mode_ == Mode::table_definition) mode_ = Mode::evaluated;
        return;
      case Word::set: sets_ = true; return;
      default: break;
    }
    if (token.kind == TokenKind::semicolon) {
      mode_ = Mode::evaluated;
      sets_ = false;
    }
    if (mode_ != Mode::definition || object_known_) return;
    switch (token.word) {
      case Word::procedure:
      case Word::function:
      case Word::trigger:
      case Word::event:
      case Word::package: mode_ = Mode::stored_program; break;
      case Word::table: mode_ = is_creation_ ? Mode::table_definition : mode_; break;
      case Word::view:
      case Word::index:
      case Word::database:
      case Word::schema: break;
      default: return;
    }
    object_known_ = true;
  }

  bool asks_about_threads(const Token& token) const {
    if (token.is('.')) {
      return previous_.is_name() && !before_previous_.is('.') && is_system_schema(previous_.bare());
    }
    if (!token.is_name()) return false;
    if (previous_.is('.')) {
      return before_previous_.is_name() &&
             same_word(before_previous_.bare(), "information_schema") &&
             is_one_server_table(token.bare());
    }
    return same_word(token.bare(), "is_used_lock") || same_word(token.bare(), "ps_thread_id");
  }

  void follow_lists(const Token& token) {
    if (token.ends_statement()) {
      for (; levels_.size() > 1; levels_.pop_back()) finish_item();
      finish_item();
      levels_.back() = {};
      return;
    }
    if (token.is('(')) {
      note(token);
      levels_.emplace_back();
      return;
    }
    if (token.is(')')) {
      finish_item();
      if (levels_.size() > 1) levels_.pop_back();
      note(token);
      return;
    }
    Level& level = levels_.back();
    if (token.is(Word::select) || (token.is(Word::returning) && levels_.size() == 1)) {
      finish_item();
      level.lists = level.first = true;
    } else if (token.is(',')) {
      finish_item();
      level.first = false;
    } else if (ends_list(token)) {
      finish_item();
      level.lists = false;
    } else {
      note(token);
    }
  }

  [[nodiscard]] bool ends_list(const Token& token) const {
    switch (token.word) {
      case Word::from:
      case Word::into:
      case Word::where:
      case Word::group:
      case Word::having:
      case Word::order:
      case Word::limit:
      case Word::union_:
      case Word::except:
      case Word::intersect:
      case Word::lock:
      case Word::on:
      case Word::procedure: return true;
      case Word::for_: return !previous_.is(Word::value);  // NEXT VALUE FOR s
      default: return false;
    }
  }

  void note(const Token& token) {
    Level& level = levels_.back();
    if (!level.lists) return;
    Item& item = level.item;
    if (item.begin == nullptr) {
      if (level.first && token.kind == TokenKind::word && is_select_option(token)) return;
      item.begin = token.text.data();
      item.replaced_before = replaced_;
    }
    item.end = token.text.data() + token.text.size();
    if (token.is(Word::as)) item.named = true;
    if (token.is(Word::case_)) ++item.open_cases;
    item.ends_case = token.is(Word::end) && item.open_cases > 0;
    if (item.ends_case) --item.open_cases;
    // 'a' 'b' is one string.
    if (token.kind != TokenKind::string || item.last.kind != TokenKind::string) {
      item.before_last = item.last;
    }
    item.last = token;
  }

  /// Gives the item that ends here the name that the server would have made.
  void finish_item() {
    Level& level = levels_.back();
    const Item item = level.item;
    level.item = {};
    if (!level.lists || !item.unnamed() || item.replaced_before == replaced_) return;
    std::string_view name(item.begin, static_cast<std::size_t>(item.end - item.begin));
    // A backtick in it may be half a character; a comment's end, only half of the comment.
    if (unsafe_multibyte_ && !is_ascii(name)) return;
    if (scanner_.saw_executable_comment() && name.find("*/") != name.npos) return;
    if (name.size() > longest_name) {
      if (!is_ascii(name)) return;
      name = name.substr(0, longest_name);
      if (name.back() == ' ') return;
    }
    std::string alias = " AS `";
    for (const char c : name) alias.append(c == '`' ? 2 : 1, c);
    alias += '`';
    replace(item.end, item.end, alias);
  }

  std::string_view sql_;
  bool unsafe_multibyte_;
  std::uint64_t id_;
  SqlScanner scanner_;
  std::string result_;
  std::size_t copied_ = 0;  // of sql_
  std::size_t replaced_ = 0;
  std::vector<Level> levels_;
  Token previous_;
  Token before_previous_;
  Mode mode_ = Mode::evaluated;
  bool object_known_ = false;
  bool is_creation_ = false;
  bool sets_ = false;  // behind SET
  Call call_ = Call::none;
  const char* call_begin_ = nullptr;
  Variable variable_ = Variable::none;
  const char* variable_begin_ = nullptr;
  const char* variable_end_ = nullptr;
  bool may_be_target_ = false;
};

}  // namespace

std::optional<std::string> with_connection_id(std::string_view sql, const Dialect& dialect,
                                              std::uint64_t id) {
  return Rewriter(sql, dialect, id).run();
}

}  // namespace sluice::routing
