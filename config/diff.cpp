#include "config/diff.hpp"

#include <optional>
#include <string_view>

#include "config/keys.hpp"

namespace sluice::config {
namespace {

// The first key of a repeated section is its name.
const Key& name_key(std::string_view section) {
  for (const Key& key : keys())
    if (key.section == section) return key;
  return keys().front();
}

std::optional<std::size_t> find_entry(const Section& section, const Settings& wanted,
                                      std::size_t entry, const Settings& in) {
  if (!section.repeated()) return 0;
  for (std::size_t i = 0; i < section.entries(in); ++i)
    if (same_value(name_key(section.name), wanted, entry, in, i)) return i;
  return {};
}

// What stands for a whole entry: its address, or else its name.
std::string outline(const Section& section, const Settings& settings, std::size_t entry) {
  for (const Key& key : keys())
    if (key.section == section.name && key.name == "address")
      return print_value(key, settings, entry);
  return print_value(name_key(section.name), settings, entry);
}

}  // namespace

std::vector<Change> diff(const Settings& running, const Settings& file) {
  std::vector<Change> changes;
  for (const Section& section : sections()) {
    for (std::size_t i = 0; i < section.entries(running); ++i) {
      const auto j = find_entry(section, running, i, file);
      if (!j) {
        changes.push_back(
            {path_of(running, section.name, i, {}), outline(section, running, i), {}, false});
        continue;
      }
      for (const Key& key : keys())
        if (key.section == section.name && !same_value(key, running, i, file, *j))
          changes.push_back({path_of(running, section.name, i, key.name),
                             print_value(key, running, i), print_value(key, file, *j),
                             key.rules.needs_restart});
    }
    for (std::size_t j = 0; j < section.entries(file); ++j)
      if (!find_entry(section, file, j, running))
        changes.push_back(
            {path_of(file, section.name, j, {}), {}, outline(section, file, j), false});
  }
  return changes;
}

}  // namespace sluice::config
