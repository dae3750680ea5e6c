// What a set of configuration files describes, for the linter: nginx with its passes and upstreams, application servers with every setting's
// possible values, what holds them (units, containers, programs), and which belongs to which. Made by pure functions from documents; nothing is
// run and nothing outside the files is asked. A value that the files do not fix is unknown, one that depends has several choices with their
// conditions, and a join that no file states says that it is a guess.
#pragma once

#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/stack.hpp"
#include "parse/nginx/tree.hpp"
#include "parse/python/module.hpp"
#include "parse/settings/document.hpp"
#include "parse/settings/yaml.hpp"
#include "source/host.hpp"

namespace model {

constexpr std::uint32_t no_file = UINT32_MAX;

/// A place in one of Deployment::files.
struct Spot {
  std::uint32_t file = no_file, line = 0, column = 0;
  std::size_t at = 0, end = 0;
  bool known() const { return file != no_file; }
};

struct Value {
  enum class Kind : std::uint8_t { unknown, none, truth, number, text, list } kind = Kind::unknown;
  double number = 0;                 // seconds, bytes, counts; a truth is 0 or 1
  std::string text;                  // as it is written
  std::vector<std::string> items;
  bool of_cores = false;             // computed from the number of processors: unknown, yet not anything
  bool known() const { return kind != Kind::unknown; }
};
Value unknown_value();
Value truth_value(bool yes);
Value number_value(double number, std::string text = {});
Value text_value(std::string text);
Value list_value(std::vector<std::string> items);

/// One of a setting's possible values. `when`: the condition under which it holds, "" = always.
struct Choice {
  Value value;
  std::string when;
  Spot at;
  From from = From::unknown;
};
using Choices = std::vector<Choice>;

struct File {
  std::string path;                  // absolute, without . and ..
  std::string shown;                 // as the user knows it
  std::string text;
  parse::settings::Document document;
  parse::settings::YamlFile yaml;    // of compose and Kubernetes files
  std::string template_language;     // not read further when set
  bool unreadable = false;           // a syntax error: what it says may be half
};

/// A block of nginx, parents first: main (-1), http, server, location...
struct Block {
  const parse::nginx::Node* node = nullptr;  // null: the file itself
  int parent = -1;
  std::string context;                       // main events http server location if upstream limit_except stream types map...
  const std::vector<parse::nginx::Node>* children = nullptr;
  std::vector<const parse::nginx::Node*> lines;  // those that open no block: an http block of 200 sites is asked often and has few of them
};

struct Peer { std::string address; Spot at; bool down = false, backup = false; double max_fails = 1, fail_timeout = 10; bool max_fails_set = false, fail_timeout_set = false; };

struct Upstream {
  std::string name;
  int block = -1;
  std::vector<Peer> peers;
  bool partly = false;                       // an include in it could not be read
};

/// proxy_pass, uwsgi_pass, fastcgi_pass, grpc_pass, scgi_pass.
struct Pass {
  const parse::nginx::Node* node = nullptr;
  int block = -1;
  std::string prefix;                        // "proxy", "uwsgi"...
  std::string target;                        // the argument
  std::string address;                       // "app", "127.0.0.1:8000", "unix:/run/a.sock"
  int upstream = -1;
  bool variable = false, tls = false;
  Spot at;
};

struct Nginx {
  parse::nginx::Tree tree;
  std::vector<std::uint32_t> files;          // of the tree, as indexes of Deployment::files
  bool whole = false;                        // it has the main file: what is not set in it is the default
  bool strict = false;                       // what a part without the main file leaves unset is unknown; else the linter takes the default
  std::vector<Block> blocks;
  std::vector<Upstream> upstreams;
  std::vector<Pass> passes;
  std::string version;                       // "" unknown
  bool recent = false;                       // it uses a directive that came with 1.29
  std::map<std::string, std::string, std::less<>> set;  // asked about instead of what the files say: "read_timeout" -> "30s" (--set)
  Spot spot(const parse::nginx::Node& node, std::size_t word = 0) const;
};

/// The directive that is in force in a block, inherited or its own. `unsure`: an include on the way could not be read, or holds a template.
struct InForce { const parse::nginx::Node* node = nullptr; int block = -1; bool unsure = false; };
InForce in_force(const Nginx& nginx, int block, std::string_view name);
/// Every one of that name in a block itself, none inherited.
std::vector<const parse::nginx::Node*> own(const Nginx& nginx, int block, std::string_view name);

/// What starts a server: a unit, a build stage's CMD, a compose service, a container of a pod, a line of a Procfile, a program of supervisor, a
/// script. Its own settings that matter for starting and stopping.
struct Holder {
  enum class Kind : std::uint8_t { unit, image, service, pod, process, program, script } kind = Kind::unit;
  std::string name;
  Spot at;
  std::map<std::string, Choices, std::less<>> settings;  // "timeout_stop", "kill_signal"...
  bool container() const { return kind == Kind::image || kind == Kind::service || kind == Kind::pod; }
};

/// A Python module of an application, read and never run. `package`: the dotted name of what its relative imports start from.
struct Source { std::uint32_t file = no_file; std::string module, package, folder; parse::python::Module what; };

/// What a server is told to load: "main:app", "main:create_app()".
struct LoadedApplication {
  std::string module, attribute;
  bool called = false;                       // the attribute is a factory that is called
  int source = -1;                           // of Deployment::sources, where the module lies here; -1 = it does not
  bool missing = false;                      // its package lies where the server starts, and holds no such module
  std::vector<int> imported;                 // the sources that importing it runs, itself first; at most 32
  enum class Speaks : std::uint8_t { unknown, wsgi, asgi } speaks = Speaks::unknown;
  std::string made_by;                       // "fastapi.FastAPI"
  Spot made;                                 // where
};

struct Backend {
  std::string flavour;                       // "gunicorn"
  std::string command;                       // "" when only its configuration file is known
  Spot at;                                   // of the command, else of the file
  int holder = -1;                           // index into Deployment::holders
  std::uint32_t config = no_file;            // the file in force
  bool config_named = false, config_missing = false, config_guess = false;
  std::map<std::string, Choices, std::less<>> settings;
  std::map<std::string, Choices, std::less<>> shadowed;  // in the file, but a stronger source wins
  std::string version;
  std::optional<LoadedApplication> application;    // where the setting names one
};

/// A pass of nginx and the server that it reaches.
struct Link { std::size_t nginx = 0, pass = 0, server = 0; bool guess = false; std::string why; };

/// A load balancer in front, from the command line or from what an ingress or a service asks of it. Seconds; infinity = nothing is known of one.
struct Balancer {
  double request = std::numeric_limits<double>::infinity();  // for a whole request
  double idle = std::numeric_limits<double>::infinity();     // without a byte
  Spot at;
  bool known() const { return request != std::numeric_limits<double>::infinity() || idle != std::numeric_limits<double>::infinity(); }
};

struct Deployment {
  std::vector<File> files;
  std::vector<std::unique_ptr<Nginx>> nginx;
  std::vector<Backend> servers;
  std::vector<Holder> holders;
  std::vector<Link> links;
  Balancer balancer;
  std::map<std::string, std::string, std::less<>> set;  // of servers, holders: what was asked about instead (--set); nginx keeps its own
  std::vector<Backend> others;               // uwsgi's files that name an application, for its source alone; none of the joins knows them
  std::vector<Source> sources;               // the modules that servers load and what those import, where they lie here
  std::vector<Spot> check_runs;              // commands that only check a configuration (--check-config), which start no server
};

/// Versions that the user fixed; "" = what the files say.
struct Targets { std::string nginx, gunicorn; };

/// `files`: read and recognised. `host` is asked for what nginx's includes name, `locate` where such a path is.
Deployment deployment_of(std::vector<File> files, const source::Host& host, const parse::nginx::Locate& locate, const Targets& targets);
/// One file: recognised and read, YAML and templates included.
File file_of(std::string path, std::string shown, std::string text);

/// For what a value says: the first choice, when there is only one.
const Choice* only_choice(const std::map<std::string, Choices, std::less<>>& settings, std::string_view name);
/// Seconds of systemd ("5min 20s", "90"), compose ("1m30s") and Kubernetes; nullopt for what is none; infinity as 1e18.
std::optional<double> span_seconds(std::string_view text);
/// Version as one number that compares: 1.29.7 -> 1029007; nullopt when it begins with no number.
std::optional<double> version_number(std::string_view text);
/// "conf.d/app.conf:12:5"; "" for a place that is not known.
std::string place_text(const Deployment& deployment, const Spot& at);
/// A path as the files of this deployment are shown: below the same folder.
std::string shown_path(const Deployment& deployment, const std::string& path);
/// Is a peer of the proxy the address that a server listens at? Both as their files write them; ports on local addresses are one machine's.
bool same_address(std::string_view peer, std::string_view listen);
/// Conditions of one file that never hold together: one is the other's negation in so many words.
bool contradict(std::string_view a, std::string_view b);
/// A .socket unit hands this service its listening socket.
bool socket_activated(const Deployment& deployment, const Holder& holder);
/// Bytes of "512M", "1Gi", "64k".
std::optional<double> size_bytes(std::string_view text);

// The steps of deployment_of, each in a file of its own.
void add_nginx(Deployment& all, const source::Host& host, const parse::nginx::Locate& locate, const Targets& targets);
void add_holders(Deployment& all);
void add_commands(Deployment& all, const Targets& targets);
void add_configs(Deployment& all, const Targets& targets);
void add_joins(Deployment& all);
void add_balancer(Deployment& all);
void add_applications(Deployment& all, const source::Host& host, const parse::nginx::Locate& locate);

}  // namespace model
