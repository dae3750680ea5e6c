// What becomes of requests on each route, as rows that every output prints: how long a phase takes, what the client then gets, what goes on behind
// its back. Routes whose limits are equal share their rows, so that ten thousand locations cost what their different ones cost.
#pragma once

#include "model/chain.hpp"

namespace model {

struct Row {
  std::string when;                  // the variant's condition, "" = always
  std::string method = "any";        // "GET" "POST" where they differ; GET stands for every method that nginx repeats
  std::string phase;                 // wait: for the header · blocked: the same, of work that blocks the loop · body: pauses in the answer · answer: the whole of it ·
                                     // upload: pauses in the request's body · idle: a connection used again · queue: beyond the listen queue · stop · reload
  double from = 0, to = no_limit;    // seconds that the phase takes
  std::vector<std::string> client;   // "200" "502" "200 cut" "closed"; several: either
  std::string told;                  // the same with its times: "502 at 30-31.1 s"
  int executes = 1;                  // the most workers that begin it
  double ghost_from = 0, ghost_to = 0;
  int killed = 0, killed_least = 0;  // the most workers that are killed for it, and the fewest
  double blackout = 0;
  std::vector<std::string> because;  // the limits that decide, with their places
  std::vector<std::string> depends;  // the unknown ones
  double share = -1;                 // of the traffic given, 0..1; negative: none was
};

struct Group {
  std::vector<std::size_t> routes;   // indexes, the first stands for all
  std::vector<Row> rows;
};

/// `method` empty: GET and POST.
std::vector<Group> outlook(const std::vector<Route>& routes, const std::string& method);

/// One request, step by step.
struct Moment { double at = 0, until = 0; std::string what; };
struct Timeline { std::string when; std::vector<Moment> moments; std::vector<std::string> depends; };
std::vector<Timeline> timeline(const Route& route, const Request& request, double work);

/// "a worker is killed", "up to 2 workers are killed"; "" none.
std::string killed_text(const Row& row);
/// What else becomes of it: "goes on for nobody, up to 20 s; a worker is killed"; "" nothing.
std::string besides(const Row& row);

/// "0 - 30 s", "from 31.1 s".
std::string span_text(double from, double to);

}  // namespace model
