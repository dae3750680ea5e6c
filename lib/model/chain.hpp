// The way of a request through a deployment: for each pass of nginx and the server behind it every limit with its value and where it was set, and
// the arithmetic form that budget.hpp and phases.hpp compute with. A value that the files do not fix is unknown and stays so: a default is taken
// only where the whole of what could set it was read.
#pragma once

#include "model/deployment.hpp"
#include "model/phases.hpp"
#include "model/stop_law.hpp"

namespace model {

/// One setting of one station.
struct Term {
  std::string name;                  // as its own file names it: "proxy_read_timeout"
  std::string key;                   // as --set names it: "nginx.read"; "" when it cannot be asked about
  Choices choices;                   // never empty
  std::string unit;                  // "s", ""
  std::string where;                 // "nginx.conf:14:5", "default of nginx 1.22.1", "--set"
  std::string why;                   // of an unknown value: what it depends on, and what would tell
  bool shown = true;                 // false: at its default and of no consequence here
};

struct Station {
  std::string role;                  // balancer proxy server supervisor
  std::string flavour, version, name;
  Spot at;
  std::vector<std::string> listeners;
  std::vector<Term> terms;
};

/// The route under one condition.
struct Variant {
  std::string when;                  // "" = always
  Chain chain;
  Stopping stopping;
  std::string graceful_name, reload_name;  // the terms that hold a request at a stop and at a reload
};

struct Route {
  std::string location;              // "location /api"
  std::string server_name;           // of the server block, "" when it has none
  Spot at;                           // of the pass
  std::size_t nginx = SIZE_MAX, pass = SIZE_MAX;  // SIZE_MAX: a server without a proxy in these files
  std::size_t application = SIZE_MAX;             // SIZE_MAX: what is behind is not in these files
  std::string guess;                 // the join to the server is one, and why
  std::vector<Station> stations;     // client side first
  std::vector<Variant> variants;     // at least one
};

/// What is given beside the files.
struct Given { Limit balancer_request, balancer_idle; bool balancer = false; };

/// A server as the chain needs it, whatever dialect it was read from.
struct Application {
  std::string flavour, name, version, family;
  std::string prefix;                // which passes reach it: proxy uwsgi fastcgi
  Spot at;
  int backend = -1, holder = -1;     // indexes into Deployment
  std::vector<std::string> listens;
  bool listens_known = true;
  std::string worker_name;           // "timeout" "harakiri" "request_terminate_timeout"
  std::string graceful_name = "graceful_timeout";  // worker_name: one setting is both
  std::string reload_name;           // what limits an old worker at a reload; "": nothing of its own
  Choices worker, graceful, reload, idle, kind, workers, threads, backlog;  // empty: this server has no such setting
  StopLaw stop;
};
std::vector<Application> applications_of(const Deployment& deployment);

std::vector<Route> routes_of(const Deployment& deployment, const Given& given);
/// A part of nginx's configuration beside a main file that does not include it (sites-available/old): not in force, and no route is made of it.
bool left_aside(const Deployment& deployment, const Nginx& nginx);

/// "server.timeout=60", "nginx.read=30s": holds instead of what the files say, everywhere. Error: a name or value that is none.
base::Result<> set_value(Deployment& deployment, std::string_view assignment);
/// Undone by the guard's end: for asking what a change would do.
class Trial {
 public:
  explicit Trial(Deployment& deployment);
  ~Trial();
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

 private:
  Deployment& deployment_;
  std::vector<std::map<std::string, std::string, std::less<>>> nginx_;
  std::vector<std::map<std::string, Choices, std::less<>>> servers_, holders_;
  std::vector<std::string> versions_;
  std::map<std::string, std::string, std::less<>> set_;
};

/// "30s", "1.5s", "2min"; "never" for no limit.
std::string seconds_text(double seconds);
/// 22 of "22.0.1+ds": the family that worker_limit knows.
std::string gunicorn_family(std::string_view version);

// Of the routes' making, each in a file of its own.
Station stop_station(const Deployment& deployment, const Application& application, StopLimits& stop);


}  // namespace model
