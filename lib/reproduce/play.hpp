// One run of one scenario on one server: lays it out, starts it, does to it what the scenario says, and writes down what is seen.
#pragma once

#include <functional>

#include "reproduce/ground.hpp"
#include "reproduce/record.hpp"
#include "reproduce/scenario.hpp"

namespace reproduce {

struct Wish {
  std::uint64_t seed = 1;
  double scale = 1;
  bool keep = false;
};

/// `ground` is laid (make_folder, make_cgroups) and swept by others. `gone`: a descriptor that hangs up when nobody wants the run any more.
Run play(const Scenario& scenario, const std::string& server, const Ground& ground, std::vector<std::string> gaps, const Wish& wish, int gone, const std::function<void(const Event&)>& tell);

}  // namespace reproduce
