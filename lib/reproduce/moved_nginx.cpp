#include "reproduce/moved_nginx.hpp"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "base/text.hpp"
#include "flavour/nginx_directives.hpp"
#include "flavour/nginx_time.hpp"
#include "parse/nginx/route.hpp"
#include "reproduce/scale.hpp"
#include "reproduce/stack.hpp"
#include "source/bundle.hpp"

namespace reproduce {

namespace {

using parse::nginx::Node;
using parse::nginx::Tree;
using parse::nginx::Word;

constexpr std::string_view own_upstream = "triage_repro_server";
constexpr std::size_t most_text = 256 << 10;

bool one_of(std::string_view name, std::initializer_list<std::string_view> all) { return std::find(all.begin(), all.end(), name) != all.end(); }

// Where nginx itself keeps things, and what asks a client for more than a test has.
bool of_the_machine(std::string_view name) {
  return one_of(name, {"worker_processes", "worker_cpu_affinity", "worker_priority", "worker_rlimit_nofile", "worker_rlimit_core", "working_directory", "pid", "lock_file", "daemon", "master_process", "load_module", "pcre_jit", "env", "error_log", "access_log",
                       "client_body_temp_path", "proxy_temp_path", "fastcgi_temp_path", "uwsgi_temp_path", "scgi_temp_path", "include", "google_perftools_profiles", "resolver", "resolver_timeout"});
}
bool of_access(std::string_view name) { return name.starts_with("auth_") || one_of(name, {"allow", "deny", "satisfy", "valid_referers", "secure_link", "secure_link_md5"}); }
bool of_tls(std::string_view name) { return name.starts_with("ssl_") || name.starts_with("quic_") || one_of(name, {"ssl", "http2", "http3"}); }

bool passes(const Node& node) {
  const std::string& name = node.directive.name();
  return one_of(name, {"proxy_pass", "uwsgi_pass", "fastcgi_pass", "grpc_pass", "scgi_pass"}) || std::any_of(node.children.begin(), node.children.end(), passes);
}
bool passes_http(const Node& node) { return node.directive.name() == "proxy_pass" || std::any_of(node.children.begin(), node.children.end(), passes_http); }

std::string quoted(const Word& word) {
  const bool plain = !word.quoted && !word.text.empty() && word.text.find_first_of(" \t\n;{}\"'\\#") == std::string::npos;
  if (plain) return word.text;
  std::string text = "\"";
  for (const char c : word.text) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + "\"";
}

class Mover {
 public:
  explicit Mover(const Tree& tree) : tree_(tree) {}

  Move move(const std::vector<std::string>& asked) {
    const Node* http = nullptr;
    for (const Node& node : tree_.top)
      if (node.directive.name() == "http" && !http) http = &node;
    // A site's file alone, as conf.d has it, stands in http.
    const std::vector<Node>& inside = http ? http->children : tree_.top;
    for (const Node& node : inside)
      if (node.directive.name() == "server" && passes(node) && !site_) site_ = &node;
    if (!site_) return {std::nullopt, "no server block of it passes requests on"};
    if (!passes_http(*site_)) return {std::nullopt, "it does not speak HTTP with its server"};
    for (const Node& node : inside)
      if (node.directive.name() == "upstream") upstreams_.push_back(node.directive.argument(0));
    for (const Node& node : tree_.top)
      if (node.directive.name() == "user") user(node);
    for (const std::string& path : tree_.missing)
      if (!path.ends_with("/mime.types")) say(base::printable(path, 200) + " is included, and was not found");
    text_ += "worker_processes 1;\npid nginx.pid;\nerror_log nginx-error.log info;\n";
    const auto events = std::find_if(tree_.top.begin(), tree_.top.end(), [](const Node& node) { return node.directive.name() == "events"; });
    if (events != tree_.top.end()) print(*events, 0);
    else text_ += "events { worker_connections 512; }\n";
    text_ += "http {\n";
    for (const char* temporary : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) text_ += "  " + std::string(temporary) + "_temp_path nginx-temp;\n";
    text_ += "  access_log nginx-access.log;\n  upstream " + std::string(own_upstream) + " { server {server}; }\n";
    for (const Node& node : inside) {
      if (node.directive.name() == "server" && &node != site_) say("server blocks that do not lead to the server are left out");
      else if (http || node.directive.name() != "events") print(node, 1);
    }
    text_ += "}\n";
    if (text_.size() > most_text) return {std::nullopt, "it is too long to be moved"};
    for (const std::string& path : asked)
      if (!leads(path)) return {std::nullopt, base::printable(path, 100) + " does not lead to the server there"};
    return {MovedNginx{std::move(text_), std::move(changed_)}, {}};
  }

 private:
  void say(std::string sentence) {
    if (std::find(changed_.begin(), changed_.end(), sentence) == changed_.end()) changed_.push_back(std::move(sentence));
  }

  // Whether its workers may open a socket is theirs to show.
  void user(const Node& node) {
    const std::string name = node.directive.argument(0);
    if (user_ids(name)) text_ += "user " + name + ";\n";
    else say("its user " + base::printable(name, 40) + " is not known here: nginx takes its own");
  }

  void line(int depth, const std::string& words) { text_ += std::string(static_cast<std::size_t>(depth) * 2, ' ') + words; }

  // Does what was written take a request for this path to the server, as nginx chooses?
  bool leads(const std::string& path) const {
    std::string text = filled(text_, {}, {{"proxy_port", "80"}, {"server", "127.0.0.1:8000"}});
    const auto host = source::bundle_host({{"nginx.conf", std::move(text)}});
    const Tree tree = parse::nginx::read_tree(*host, "", "/nginx.conf");
    const auto request = parse::nginx::read_url("http://127.0.0.1" + path);
    return request && tree.wrong.empty() && parse::nginx::route_of(tree, *request).pass;
  }

  void print(const Node& node, int depth) {
    const std::string& name = node.directive.name();
    const std::string place = base::printable(tree_.place(node), 200);
    if (of_the_machine(name)) return;
    if (name == "listen") return;                          // said once, of the site
    if (of_tls(name)) return say("TLS is left out: clients speak HTTP here");
    if (of_access(name)) return say("who may come in (" + name + " at " + place + ") is left out");
    if (flavour::nginx_directive(name).empty() && !in_map_) return say(name + " (" + place + ") is left out: no module that comes with nginx knows it");
    if (name == "if" && (base::contains(node.directive.argument(0), "$scheme") || base::contains(node.directive.argument(0), "$https"))) return say("the way from http to https (" + place + ") is left out");
    if (name.ends_with("_pass")) return pass(node, depth, place);
    if (name == "upstream") return upstream(node, depth);
    std::string words;
    for (std::size_t i = 0; i < node.directive.words.size(); ++i) {
      Word word = node.directive.words[i];
      if (i > 0 && takes_time(name))
        if (const auto seconds = flavour::nginx_seconds(word.text); seconds && *seconds > 0) word = {"{" + number_text(*seconds) + "s~}", 1, 1, false, 0, 0};
      if (name.ends_with("_cache_path") && i == 1) word = {"nginx-cache", 1, 1, false, 0, 0};
      words += (i ? " " : "") + (word.text.ends_with("s~}") ? word.text : quoted(word));
    }
    if (!node.directive.block) return line(depth, words + ";\n");
    line(depth, words + " {\n");
    if (&node == site_) line(depth + 1, "listen {proxy_port} default_server;\n");
    // The rows of these are no directives.
    const bool was = std::exchange(in_map_, in_map_ || one_of(name, {"map", "geo", "types", "charset_map", "split_clients"}));
    for (const Node& child : node.children) print(child, depth + 1);
    in_map_ = was;
    line(depth, "}\n");
  }

  static bool takes_time(std::string_view name) {
    const auto rows = flavour::nginx_directive(name);
    return std::any_of(rows.begin(), rows.end(), [](const auto& row) { return row.slot == flavour::NginxDirective::Slot::time; }) || name == "keepalive_timeout";
  }

  void pass(const Node& node, int depth, const std::string& place) {
    const std::string target = node.directive.argument(0);
    if (node.directive.name() != "proxy_pass") return say(node.directive.name() + " (" + place + ") is left out");
    const std::string address = parse::nginx::address_of(target);
    const std::size_t scheme = target.find("://");
    std::string rest;                                      // the path that is put in place of the location's
    if (scheme != std::string::npos && !base::contains(address, "$")) {
      const bool local = address.starts_with("unix:");
      const std::size_t at = local ? target.find(':', scheme + 3 + 5) : target.find('/', scheme + 3);
      if (at != std::string::npos) rest = target.substr(local ? at + 1 : at);
    }
    const bool named = std::find(upstreams_.begin(), upstreams_.end(), address) != upstreams_.end();
    if (base::contains(address, "$")) say("proxy_pass " + base::printable(target, 100) + " (" + place + ") leads to the server, whatever its variable says");
    line(depth, "proxy_pass http://" + (named ? address : std::string(own_upstream)) + (base::contains(rest, "$") ? "" : rest) + ";\n");
  }

  void upstream(const Node& node, int depth) {
    line(depth, "upstream " + node.directive.argument(0) + " {\n");
    std::size_t members = 0;
    for (const Node& child : node.children) {
      if (child.directive.name() != "server") {
        if (child.directive.name() != "include") print(child, depth + 1);
        continue;
      }
      std::string words = "server {server}";
      for (std::size_t i = 2; i < child.directive.words.size(); ++i)
        if (const std::string& word = child.directive.words[i].text; word != "resolve" && word != "backup" && word != "down") words += " " + quoted(child.directive.words[i]);
      line(depth + 1, words + ";\n");
      ++members;
    }
    if (members > 1) say(base::counted(members, "server") + " of upstream " + base::printable(node.directive.argument(0), 60) + " are one here, as often");
    line(depth, "}\n");
  }

  const Tree& tree_;
  const Node* site_ = nullptr;
  std::vector<std::string> upstreams_;
  bool in_map_ = false;
  std::string text_;
  std::vector<std::string> changed_;
};

}  // namespace

Move move_nginx(const Tree& tree, const std::vector<std::string>& asked) {
  if (!tree.wrong.empty()) return {std::nullopt, "nginx would refuse it: " + base::printable(tree.wrong.front().what, 100)};
  return Mover(tree).move(asked);
}

}  // namespace reproduce
