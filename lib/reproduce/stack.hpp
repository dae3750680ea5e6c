// The servers of a scenario as command lines and files.
#pragma once

#include <optional>

#include "reproduce/child.hpp"
#include "reproduce/client.hpp"
#include "reproduce/scale.hpp"
#include "reproduce/scenario.hpp"

namespace reproduce {

/// Where a run takes place: what its texts may name.
struct Site {
  std::string folder;            // the servers' working folder, below the scratch folder
  std::string server;            // triage_server or gunicorn
  Scale scale;
  std::uint64_t seed = 1;
  Address front, back;           // the proxy's and the server's
  std::vector<Named> names() const;
  std::string fill(std::string_view text) const { return filled(text, scale, names()); }
};

/// The scenario with what this server needs beside it: nginx before one that nothing else speaks with.
Scenario with_front(const Scenario& scenario, const std::string& server);
/// Folders, files, sockets, the application and the proxy's configuration.
base::Result<> lay_out(const Scenario& scenario, const Site& site);
base::Result<Command> server_command(const Scenario& scenario, const Site& site);
/// The program that runs beside the server; no words: there is none.
base::Result<Command> beside_command(const Scenario& scenario, const Site& site);
/// Settings of the scenario that this server has not.
Words left_out(const Scenario& scenario, const std::string& server);
base::Result<Command> proxy_command(const Scenario& scenario, const Site& site);
/// What stands in nginx.conf, without one of its own.
std::string proxy_conf(const Scenario& scenario, const Site& site);
/// The faults that the built-in Python application can make.
bool gunicorn_can(std::string_view fault);
/// "gunicorn 20.1.0", "" where it is not installed.
std::string version_of(const std::string& server);
/// The numeric id of a name of /etc/passwd (without NSS), or of the number itself.
std::optional<std::pair<unsigned, unsigned>> user_ids(const std::string& name);

/// application.cpp: the Python application, with triage-server's demo paths and faults.
extern const char* const wsgi_application;

}  // namespace reproduce
