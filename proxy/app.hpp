/// The process: builds every part, connects them, runs until told to stop.
///
///   construct ──► run(): bind, first probes, accept ──► SIGTERM: drain ──► stop ──► return
///
/// One control thread (the caller's of `run`) has signals, timers, the monitor's
/// judgement, the listener and the admin port; N workers carry the traffic.
/// Errors: StartupError.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/settings.hpp"

namespace sluice::proxy {

class App {
 public:
  explicit App(config::Settings settings);
  ~App();
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  /// Serves until SIGTERM or SIGINT; a second one stops at once.
  void run();

 private:
  class Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sluice::proxy
