// The other servers that a scenario can run on: what is known of each stands in its one file of servers/. docs/repro.md tells how to add one.
#pragma once

#include <span>

#include "reproduce/stack.hpp"

namespace reproduce {

/// A setting by gunicorn's name, and the server's own word for it. least: the seconds below which it cannot be scaled.
struct Native { std::string_view setting, own; int least = 1; };

/// What is wanted of it, filled in and scaled.
struct Asked {
  const Scenario& scenario;
  const Site& site;
  Pairs settings;                          // by the server's own words
  Words also;                              // lines of its own configuration
  std::string value(std::string_view own, std::string_view otherwise = {}) const;
  bool on_socket() const { return !site.back.path.empty(); }
  std::string host_port() const { return "127.0.0.1:" + std::to_string(site.back.port); }
};

/// How it is run. files: below the servers' folder.
struct Composed {
  Words words, environment;
  Pairs files;
  Words beside;                            // a program that runs beside it: what clients speak to, of a server that has no clients of its own
};

struct ServerKind {
  std::string_view name;                   // as "on" and --server have it
  std::string_view programs;               // the first that is here is taken; with a slash: this one alone
  std::string_view needs;                  // files that must be here, too: a plugin, a module
  std::string_view package;                // what to install
  std::span<const std::string_view> version;   // the words that make it tell its version
  /// What nginx speaks with it: "proxy" (HTTP), "uwsgi", "fastcgi". fronted: nothing else does, so that nginx stands in front in any case.
  std::string_view speaks = "proxy";
  bool fronted = false;
  bool on_tcp_only = false;
  std::span<const Native> settings = {};
  std::span<const std::string_view> faults = {};
  std::string_view ready = {};             // a line that its log has once it serves
  std::string_view born = {};              // what stands in the line by which a worker, named by its pid, begins to serve
  std::string_view title = {};             // a part of its workers' command lines, where its master has other children, too
  Composed (*compose)(const Asked& asked) = nullptr;
};

std::span<const ServerKind* const> servers();   // made by table(): every file in servers/
/// null for triage-server and gunicorn, and for what is no server.
const ServerKind* server_kind(std::string_view name);
/// triage-server, gunicorn, and each kind.
std::vector<std::string_view> server_names();
/// The full path of a server's program; "" when it, or what it needs, is not installed.
std::string server_program(const std::string& server);

/// rack_application.cpp: config.ru for the servers of Ruby, with the demo's paths and faults.
extern const char* const rack_application;

}  // namespace reproduce
