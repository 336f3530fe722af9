#include "config/load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>
#include <type_traits>

#include "config/keys.hpp"
#include "config/load_secret.hpp"
#include "config/nearest.hpp"
#include "config/validate.hpp"

// toml++ 3.3 asserts, rather than checks, that a key follows the "[" of a table's
// head (parse_table_header): "[= 1]" would end a running process, or with NDEBUG be
// undefined behaviour. Here its assertions throw.
namespace sluice::config {
struct TomlAssertion {};
constexpr void require_of_toml(bool holds) {
  if (!holds) throw TomlAssertion();
}
}  // namespace sluice::config
#undef NDEBUG
#define TOML_ASSERT(expr) ::sluice::config::require_of_toml(static_cast<bool>(expr))
#include <toml++/toml.h>

namespace sluice::config {
namespace {

using Severity = Problem::Severity;

Places::Place place_of(const toml::source_region& region) {
  return {static_cast<unsigned>(region.begin.line), static_cast<unsigned>(region.begin.column)};
}

// `"abc"`, `250`, `true`, or what kind of thing it is.
std::string describe(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return fmt::format("\"{}\"", *text);
  if (const auto number = node.value_exact<std::int64_t>())
    return fmt::format("the integer {}", *number);
  if (const auto number = node.value_exact<double>()) return fmt::format("the number {}", *number);
  if (const auto flag = node.value_exact<bool>()) return *flag ? "true" : "false";
  if (node.is_array()) return "a list";
  if (node.is_table()) return "a table";
  return "a date or time";
}

// The first line with which the text makes toml++ fail an assertion. It reads from
// front to back, so halving finds it.
unsigned line_of_assertion(std::string_view text) {
  std::vector<std::size_t> line_ends;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] == '\n' || i + 1 == text.size()) line_ends.push_back(i + 1);
  const auto harmless = [&](std::size_t end) {
    try {
      (void)toml::parse(text.substr(0, end));
    } catch (const toml::parse_error&) {
      return true;
    } catch (const TomlAssertion&) {
      return false;
    }
    return true;
  };
  const auto first = std::partition_point(line_ends.begin(), line_ends.end(), harmless);
  return static_cast<unsigned>(first - line_ends.begin()) + 1;
}

std::string suggest(const std::optional<std::string>& word) {
  return word ? fmt::format("did you mean \"{}\"?", *word) : std::string();
}

class Reader {
 public:
  explicit Reader(const std::string& name)
      : places_(name), folder_(std::filesystem::path(name).parent_path()) {}

  Loaded read(std::string_view text) && {
    try {
      const toml::table root = toml::parse(text, places_.file());
      read_root(root);
    } catch (const toml::parse_error& error) {
      add(place_of(error.source()), {}, std::string(error.description()), "");
      return std::move(loaded_);
    } catch (const TomlAssertion&) {
      add({line_of_assertion(text), 0}, {}, "the head of a section is not understood",
          "write a name in brackets, such as [listen]");
      return std::move(loaded_);
    }
    for (Problem& problem : validate(loaded_.settings, places_))
      loaded_.problems.push_back(std::move(problem));
    std::stable_sort(loaded_.problems.begin(), loaded_.problems.end(),
                     [](const Problem& a, const Problem& b) { return a.line < b.line; });
    return std::move(loaded_);
  }

 private:
  // Where a value stands, for the problems about it.
  struct At {
    Places::Place place;
    std::string path;
  };

  void add(Places::Place place, std::string path, std::string what, std::string mend,
           Severity severity = Severity::error) {
    loaded_.problems.push_back({severity, places_.file(), place.line, place.column, std::move(path),
                                std::move(what), std::move(mend)});
  }
  void add(const At& at, std::string what, std::string mend, Severity severity = Severity::error) {
    add(at.place, at.path, std::move(what), std::move(mend), severity);
  }

  void read_root(const toml::table& root) {
    for (const auto& [toml_name, node] : root) {
      const std::string_view name = toml_name.str();
      const Places::Place place = place_of(toml_name.source());
      const Section* section = find_section(name);
      if (section == nullptr)
        add(place, std::string(name),
            node.is_table() || node.is_array_of_tables() ? "unknown section" : "unknown key",
            mend_for_section(name));
      else
        read_section(*section, node, place);
    }
  }

  static std::string mend_for_section(std::string_view name) {
    std::vector<std::string> names;
    for (const Section& section : sections()) names.emplace_back(section.name);
    if (auto near = nearest(name, names)) return suggest(near);
    return mend_from_elsewhere(name, "");
  }

  // A key that is right, but under another heading.
  static std::string mend_from_elsewhere(std::string_view name, std::string_view section) {
    std::string homes;
    for (const Section& other : sections()) {
      if (other.name == section) continue;
      for (const Spelling& spelling : spellings(other.name))
        if (spelling.name == name)
          homes += fmt::format("{}{}", homes.empty() ? "" : " or ", other.heading());
    }
    return homes.empty() ? std::string() : fmt::format("it belongs in {}", homes);
  }

  void read_section(const Section& section, const toml::node& node, Places::Place place) {
    if (section.repeated() && node.is_array_of_tables()) {
      for (const toml::node& entry : *node.as_array()) {
        section.append(loaded_.settings);
        read_table(section, section.entries(loaded_.settings) - 1, *entry.as_table(),
                   place_of(entry.source()));
      }
    } else if (!section.repeated() && node.is_table()) {
      read_table(section, 0, *node.as_table(), place);
    } else if (section.repeated()) {
      // Read it nevertheless, so that its own problems are told at once.
      add(place, std::string(section.name), "there may be several of it",
          fmt::format("write [[{}]]", section.name));
      if (node.is_table()) {
        section.append(loaded_.settings);
        read_table(section, 0, *node.as_table(), place);
      }
    } else {
      add(place, std::string(section.name), fmt::format("is a section, not {}", describe(node)),
          fmt::format("write [{}], once", section.name));
    }
  }

  void read_table(const Section& section, std::size_t entry, const toml::table& table,
                  Places::Place place) {
    places_.put(section.name, entry, {}, place);
    const std::vector<Spelling> known = spellings(section.name);
    // The name comes first, so that the problems of the others can carry it.
    for (const bool naming : {true, false}) {
      for (const auto& [toml_name, node] : table) {
        if ((toml_name.str() == "name") != naming) continue;
        read_entry(section, entry, known, toml_name, node);
      }
    }
  }

  void read_entry(const Section& section, std::size_t entry, const std::vector<Spelling>& known,
                  const toml::key& toml_name, const toml::node& node) {
    const std::string_view name = toml_name.str();
    const At at{place_of(toml_name.source()), path_of(loaded_.settings, section.name, entry, name)};
    const auto spelling = std::find_if(known.begin(), known.end(),
                                       [&](const Spelling& one) { return one.name == name; });
    if (spelling == known.end()) {
      std::vector<std::string> names;
      names.reserve(known.size());
      for (const Spelling& one : known) names.push_back(one.name);
      std::string mend = mend_from_elsewhere(name, section.name);
      if (const auto near = nearest(name, names)) mend = suggest(near);
      add(at, "unknown key", std::move(mend));
      return;
    }
    const Key& key = *spelling->key;
    if (places_.has(section.name, entry, key.name)) {
      add(at,
          fmt::format("is given twice, also in line {}",
                      places_.find(section.name, entry, key.name).line),
          key.rules.also.empty() ? "keep one of password, password_env and password_file"
                                 : fmt::format("keep \"{}\"", key.name));
      return;
    }
    places_.put(section.name, entry, key.name, at.place);
    std::visit([&](auto* value) { read_value(*value, *spelling, node, at); },
               key.field(loaded_.settings, entry));
  }

  void expect(const At& at, std::string_view wanted, const toml::node& node,
              std::string mend = {}) {
    add(at, fmt::format("expects {}, got {}", wanted, describe(node)), std::move(mend));
  }

  template <class T>
  void take(T& value, Parsed<T> parsed, const At& at) {
    if (parsed.value)
      value = std::move(*parsed.value);
    else
      add(at, std::move(parsed.what), std::move(parsed.mend));
  }

  void read_value(std::string& value, const Spelling& spelling, const toml::node& node,
                  const At& at) {
    auto text = node.value_exact<std::string>();
    if (!text) return expect(at, "a text in quotes", node);
    value = std::move(*text);
    if (value.empty() && spelling.key->rules.required) add(at, "is empty", "give it a value");
  }

  void read_value(bool& value, const Spelling&, const toml::node& node, const At& at) {
    if (const auto flag = node.value_exact<bool>())
      value = *flag;
    else
      expect(at, "true or false", node, "write it without quotes");
  }

  void read_value(std::uint32_t& value, const Spelling& spelling, const toml::node& node,
                  const At& at) {
    const auto number = node.value_exact<std::int64_t>();
    if (!number) return expect(at, "an integer", node, "write it without quotes");
    const Range range = spelling.key->rules.range;
    if (*number < 0 || *number > std::numeric_limits<std::uint32_t>::max())
      return add(at, fmt::format("{} is out of range", *number),
                 fmt::format("allowed is {} to {}", range.least, range.most));
    value = static_cast<std::uint32_t>(*number);
  }

  void read_value(milliseconds& value, const Spelling&, const toml::node& node, const At& at) {
    if (const auto text = node.value_exact<std::string>())
      return take(value, parse_duration(*text), at);
    const auto number = node.value_exact<std::int64_t>();
    expect(at, "a duration such as \"250ms\"", node,
           number && *number >= 0
               ? fmt::format("did you mean \"{}ms\" or \"{}s\"?", *number, *number)
               : std::string());
  }

  void read_value(ByteSize& value, const Spelling&, const toml::node& node, const At& at) {
    if (const auto text = node.value_exact<std::string>())
      return take(value, parse_size(*text), at);
    const auto number = node.value_exact<std::int64_t>();
    expect(at, "a size such as \"1MiB\"", node,
           number && *number > 0
               ? fmt::format("did you mean \"{}\"?",
                             to_string(ByteSize{static_cast<std::uint64_t>(*number)}))
               : std::string());
  }

  template <class T>
  void read_value(std::optional<T>& value, const Spelling& spelling, const toml::node& node,
                  const At& at) {
    if constexpr (std::is_same_v<T, Address>) {
      if (node.value_exact<std::string>() == "off") return value.reset();
    }
    T inner{};
    const std::size_t problems = loaded_.problems.size();
    read_value(inner, spelling, node, at);
    if (loaded_.problems.size() == problems) value = std::move(inner);
  }

  void read_value(Address& value, const Spelling& spelling, const toml::node& node, const At& at) {
    const std::uint16_t port = spelling.key->rules.default_port;
    if (const auto text = node.value_exact<std::string>())
      take(value, parse_address(*text, port == 0 ? std::nullopt : std::optional(port)), at);
    else
      expect(at, "an address such as \"127.0.0.1:6033\"", node);
  }

  void read_value(std::vector<Address>& value, const Spelling& spelling, const toml::node& node,
                  const At& at) {
    std::vector<Address> all;
    const auto read_one = [&](const toml::node& one) {
      Address address;
      const std::size_t problems = loaded_.problems.size();
      read_value(address, spelling, one, {place_of(one.source()), at.path});
      if (loaded_.problems.size() == problems) all.push_back(std::move(address));
    };
    if (const toml::array* list = node.as_array()) {
      for (const toml::node& one : *list) read_one(one);
      if (list->empty()) add(at, "is an empty list", "give at least one address");
    } else {
      read_one(node);
    }
    // Whatever was wrong has been said; the default keeps other checks meaningful.
    if (!all.empty()) value = std::move(all);
  }

  template <class E>
  requires std::is_enum_v<E>
  void read_value(E& value, const Spelling&, const toml::node& node, const At& at) {
    const auto allowed = words(Field(&value));
    const std::vector<std::string> names(allowed.begin(), allowed.end());
    const std::string list = fmt::format("\"{}\"", fmt::join(names, "\", \""));
    const auto text = node.value_exact<std::string>();
    if (!text) return expect(at, fmt::format("one of {}", list), node);
    const auto found = std::find(names.begin(), names.end(), *text);
    if (found != names.end())
      return set_word(Field(&value), static_cast<std::size_t>(found - names.begin()));
    add(at, fmt::format("\"{}\" is not one of {}", *text, list), suggest(nearest(*text, names)));
  }

  void read_value(std::filesystem::path& value, const Spelling& spelling, const toml::node& node,
                  const At& at) {
    const auto text = node.value_exact<std::string>();
    if (!text) return expect(at, "a path in quotes", node);
    if (text->empty()) return;
    value = folder_ / *text;
    if (spelling.key->rules.is_output) return;
    if (const auto wrong = why_unreadable(value))
      add(at, fmt::format("cannot read {}: {}", value.string(), *wrong),
          "check the path, and who may read it");
  }

  void read_value(Secret& value, const Spelling& spelling, const toml::node& node, const At& at) {
    auto text = node.value_exact<std::string>();
    if (!text) {
      // Not expect(): what stands there may well be the password.
      add(at, "expects a text in quotes", "put it in quotes");
      return;
    }
    LoadedSecret loaded;
    switch (spelling.source) {
      case Source::inline_text: loaded.secret = Secret(*text); break;
      case Source::environment: loaded = load_secret_from_environment(*text); break;
      case Source::file: loaded = load_secret_from_file(folder_ / *text); break;
    }
    wipe(*text);
    value = std::move(loaded.secret);
    if (!loaded.what.empty())
      add(at, std::move(loaded.what), std::move(loaded.mend), loaded.severity);
  }

  Places places_;
  std::filesystem::path folder_;
  Loaded loaded_;
};

}  // namespace

Loaded load_text(std::string_view text, const std::string& name) { return Reader(name).read(text); }

Loaded load_file(const std::filesystem::path& path) {
  const auto fail = [&](const std::string& why) {
    Loaded loaded;
    loaded.problems.push_back({Severity::error,
                               path.string(),
                               0,
                               0,
                               {},
                               fmt::format("cannot read it: {}", why),
                               "check the path"});
    return loaded;
  };
  if (const auto wrong = why_unreadable(path)) return fail(*wrong);
  const std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (file.bad()) return fail("reading stopped half-way");
  return load_text(text.str(), path.string());
}

}  // namespace sluice::config
