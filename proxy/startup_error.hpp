/// The process cannot start. Thrown before serving only, and caught in main.
#pragma once

#include <stdexcept>

namespace sluice::proxy {

class StartupError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace sluice::proxy
