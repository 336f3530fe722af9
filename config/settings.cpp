#include "config/settings.hpp"

#include <algorithm>

namespace sluice::config {
namespace {

template <class T>
const T* find_by_name(const std::vector<T>& all, std::string_view name) {
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const T& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

const User* find_user(const Settings& settings, std::string_view name) {
  return find_by_name(settings.users, name);
}

const Backend* find_backend(const Settings& settings, std::string_view name) {
  return find_by_name(settings.backends, name);
}

}  // namespace sluice::config
