// example.toml is the manual of the configuration: it must be complete and true.

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>

#include "config/keys.hpp"
#include "config/load.hpp"

namespace sluice::config {
namespace {

using testing::IsEmpty;

std::string example() {
  std::ifstream file(SLUICE_EXAMPLE);
  std::ostringstream text;
  text << file.rdbuf();
  if (text.str().empty()) throw std::runtime_error("no example at " SLUICE_EXAMPLE);
  return text.str();
}

struct Shown {
  std::string section;
  std::string key;
  bool commented_out = false;
};

// Each `key = value` and `#key = value` of the example; prose has "# " in front.
std::vector<Shown> shown_in(const std::string& text) {
  std::vector<Shown> all;
  std::istringstream lines(text);
  std::string section;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("[")) {
      const std::size_t start = line.find_first_not_of('[');
      section = line.substr(start, line.find(']') - start);
      continue;
    }
    const bool commented_out = line.starts_with("#");
    if (commented_out) line.erase(0, 1);
    const std::size_t equals = line.find(" = ");
    if (equals == std::string::npos || line.starts_with(" ")) continue;
    all.push_back({section, line.substr(0, equals), commented_out});
  }
  return all;
}

std::string with_comments_taken_off(const std::string& text) {
  std::istringstream lines(text);
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    const bool knob =
        line.starts_with("#") && !line.starts_with("# ") && line.find(" = ") != std::string::npos;
    out += line.substr(knob ? 1 : 0) + "\n";
  }
  return out;
}

TEST(Example, LoadsWithoutProblems) { EXPECT_THAT(load_file(SLUICE_EXAMPLE).problems, IsEmpty()); }

TEST(Example, ShowsOnlyKnownKeys) {
  EXPECT_THAT(load_text(with_comments_taken_off(example()), "example.toml").problems, IsEmpty());
}

TEST(Example, ShowsEveryKnownKey) {
  std::set<std::pair<std::string, std::string>> shown;
  for (const Shown& one : shown_in(example())) shown.insert({one.section, one.key});
  for (const Key& key : keys())
    EXPECT_TRUE(shown.contains({std::string(key.section), std::string(key.name)}))
        << key.section << "." << key.name << " is not in example.toml";
}

TEST(Example, ShowsTheDefaultWhereAKeyIsCommentedOut) {
  const Loaded loaded = load_text(with_comments_taken_off(example()), "example.toml");
  Settings defaults;
  for (const Section& section : sections())
    if (section.repeated()) section.append(defaults);
  int compared = 0;
  for (const Shown& one : shown_in(example())) {
    if (!one.commented_out) continue;
    for (const Key& key : keys()) {
      if (key.section != one.section || key.name != one.key) continue;
      // Where nothing stands by default, the example shows a possible value.
      if (print_value(key, defaults, 0).empty()) continue;
      EXPECT_EQ(print_value(key, loaded.settings, 0), print_value(key, defaults, 0))
          << one.section << "." << one.key;
      EXPECT_TRUE(same_value(key, loaded.settings, 0, defaults, 0))
          << one.section << "." << one.key;
      ++compared;
    }
  }
  EXPECT_GT(compared, 30);
}

TEST(Keys, HaveOneMeaningPerNameAndSection) {
  for (const Section& section : sections()) {
    std::set<std::string> names;
    for (const Spelling& spelling : spellings(section.name))
      EXPECT_TRUE(names.insert(spelling.name).second) << section.name << "." << spelling.name;
    EXPECT_FALSE(names.empty()) << section.name;
  }
}

TEST(Keys, AcceptTheirOwnDefaults) {
  Settings defaults;
  for (const Key& key : keys()) {
    ASSERT_NE(find_section(key.section), nullptr) << key.section;
    if (find_section(key.section)->repeated() || print_value(key, defaults, 0) == "***") continue;
    const std::string text = "[" + std::string(key.section) + "]\n" + std::string(key.name) +
                             " = " + print_value(key, defaults, 0) + "\n";
    for (const Problem& problem : load_text(text, "s.toml").problems)
      EXPECT_TRUE(problem.line != 2 || key.rules.required) << problem;
  }
}

TEST(Keys, NameOnlyRealWordsAsNotYetObeyed) {
  Settings settings;
  for (const Section& section : sections())
    if (section.repeated()) section.append(settings);
  for (const Key& key : keys()) {
    if (key.rules.later.empty() || key.rules.later == "*") continue;
    const auto known = words(key.field(settings, 0));
    std::istringstream later{std::string(key.rules.later)};
    for (std::string word; later >> word;)
      EXPECT_NE(std::find(known.begin(), known.end(), word), known.end()) << word;
  }
}

}  // namespace
}  // namespace sluice::config
