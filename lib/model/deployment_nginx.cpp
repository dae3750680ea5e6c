// nginx's files as trees with their passes and upstreams. A file that no other includes and that has no http or events block is a fragment:
// what stands around it is not seen.
#include <algorithm>
#include <array>
#include <cctype>
#include <unordered_map>

#include "base/text.hpp"
#include "flavour/nginx_time.hpp"
#include "model/deployment.hpp"
#include "parse/nginx/route.hpp"

namespace model {

namespace {

using parse::nginx::Node;
using parse::settings::Dialect;

bool any_of_names(const std::vector<Node>& nodes, std::initializer_list<std::string_view> names) {
  return std::ranges::any_of(nodes, [&](const Node& node) { return std::ranges::find(names, node.directive.name()) != names.end(); });
}

// Where a fragment would be included.
std::string context_of_fragment(const std::vector<Node>& top) {
  if (any_of_names(top, {"http", "events", "worker_processes", "stream", "mail"})) return "main";
  if (any_of_names(top, {"server", "upstream", "map", "geo", "log_format", "limit_req_zone", "limit_conn_zone", "proxy_cache_path", "split_clients"})) return "http";
  if (any_of_names(top, {"location", "listen", "server_name", "ssl_certificate"})) return "server";
  return "location";
}

std::string context_inside(const std::string& outer, const std::string& name) {
  if (outer == "main") return name;  // http events stream mail
  const bool streams = base::starts_with(outer, "stream") || base::starts_with(outer, "mail");
  if (streams) return (base::starts_with(outer, "mail") ? "mail " : "stream ") + name;
  return name;
}

void add_blocks(Nginx& nginx, const std::vector<Node>& nodes, int parent) {
  for (const Node& node : nodes) {
    const std::string& name = node.directive.name();
    if (name == "early_hints" || name == "add_header_inherit" || name == "add_trailer_inherit" || name == "max_headers") nginx.recent = true;
    if (!node.directive.block) {
      nginx.blocks[static_cast<std::size_t>(parent)].lines.push_back(&node);
      continue;
    }
    const int own = static_cast<int>(nginx.blocks.size());
    nginx.blocks.push_back({&node, parent, context_inside(nginx.blocks[static_cast<std::size_t>(parent)].context, node.directive.name()), &node.children, {}});
    const std::string& inside = nginx.blocks.back().context;
    if (inside == "map" || inside == "geo" || inside == "types" || inside == "split_clients" || inside == "charset_map") continue;  // their contents are data
    add_blocks(nginx, node.children, own);
  }
}

double number_of(std::string_view text, double otherwise) {
  const auto number = base::read_number(text);
  return number ? static_cast<double>(*number) : otherwise;
}

Peer peer_of(const Nginx& nginx, const Node& node) {
  Peer peer;
  peer.address = node.directive.argument(0);
  peer.at = nginx.spot(node, 1);
  for (std::size_t i = 2; i < node.directive.words.size(); ++i) {
    const std::string_view word = node.directive.words[i].text;
    if (word == "down") peer.down = true;
    else if (word == "backup") peer.backup = true;
    else if (base::starts_with(word, "max_fails=")) { peer.max_fails = number_of(word.substr(10), 1); peer.max_fails_set = true; }
    else if (base::starts_with(word, "fail_timeout=")) { peer.fail_timeout = flavour::nginx_seconds(word.substr(13)).value_or(10); peer.fail_timeout_set = true; }
  }
  return peer;
}

// $name of nginx's own; ${NAME} in capitals is what envsubst replaces before nginx reads the file.
bool has_variable(std::string_view text) {
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] != '$') continue;
    const char c = text[i + 1] == '{' && i + 2 < text.size() ? text[i + 2] : text[i + 1];
    if (std::islower(static_cast<unsigned char>(c)) != 0 || c == '_' || std::isdigit(static_cast<unsigned char>(c)) != 0) return true;
  }
  return false;
}

void add_upstreams(Nginx& nginx) {
  for (std::size_t i = 0; i < nginx.blocks.size(); ++i) {
    const Block& block = nginx.blocks[i];
    if (block.context != "upstream" || !block.node) continue;
    Upstream upstream;
    upstream.name = block.node->directive.argument(0);
    upstream.block = static_cast<int>(i);
    for (const Node& node : *block.children) {
      if (node.directive.name() == "server") upstream.peers.push_back(peer_of(nginx, node));
      if (node.directive.name() == "include" || node.directive.block) upstream.partly = true;
    }
    nginx.upstreams.push_back(std::move(upstream));
  }
}

void add_passes(Nginx& nginx) {
  constexpr std::array<std::string_view, 5> prefixes{"proxy", "uwsgi", "fastcgi", "grpc", "scgi"};
  std::map<std::string_view, int> by_name;
  for (std::size_t u = 0; u < nginx.upstreams.size(); ++u) by_name.emplace(nginx.upstreams[u].name, static_cast<int>(u));
  for (std::size_t i = 0; i < nginx.blocks.size(); ++i) {
    const Block& block = nginx.blocks[i];
    if (base::starts_with(block.context, "stream") || base::starts_with(block.context, "mail") || block.context == "map" || block.context == "types" || block.context == "geo") continue;
    for (const Node* line : block.lines) {
      const Node& node = *line;
      const std::string& name = node.directive.name();
      if (!name.ends_with("_pass") || node.directive.words.size() != 2) continue;
      const std::string prefix = name.substr(0, name.size() - 5);
      if (std::ranges::find(prefixes, prefix) == prefixes.end()) continue;
      Pass pass;
      pass.node = &node;
      pass.block = static_cast<int>(i);
      pass.prefix = prefix;
      pass.target = node.directive.argument(0);
      pass.at = nginx.spot(node, 1);
      pass.tls = base::starts_with(pass.target, "https:") || base::starts_with(pass.target, "grpcs:");
      pass.variable = has_variable(pass.target);
      const bool plain = pass.target.find('$') == std::string::npos || pass.target.find('$') > pass.target.find('/', pass.target.find("://") == std::string::npos ? 0 : pass.target.find("://") + 3);
      if (plain) {
        pass.address = parse::nginx::address_of(pass.target);
        pass.variable = false;
      }
      if (const auto known = by_name.find(pass.address); known != by_name.end()) pass.upstream = known->second;
      nginx.passes.push_back(std::move(pass));
    }
  }
}

// The version that the files themselves name: one image of nginx, the same everywhere.
std::string version_in(const Deployment& all) {
  std::string version;
  const auto take = [&](std::string_view image) {
    for (const std::string_view name : {"nginx:", "openresty:", "nginx-unprivileged:"}) {
      const auto at = image.find(name);
      if (at == std::string_view::npos || (at > 0 && image[at - 1] != '/' && image[at - 1] != '-')) continue;
      std::string found;
      for (const char c : image.substr(at + name.size())) {
        if (std::isdigit(static_cast<unsigned char>(c)) == 0 && c != '.') break;
        found += c;
      }
      if (std::ranges::count(found, '.') == 0) continue;
      version = version.empty() || version == found ? found : "?";
    }
  };
  for (const File& file : all.files) {
    if (file.document.dialect == Dialect::dockerfile)
      for (const auto& entry : file.document.entries) if (entry.key == "FROM") take(entry.value);
    for (const auto& document : file.yaml.documents)
      if (const auto* services = document.find("services"))
        for (const auto& service : services->members)
          if (const auto* image = service.value.find("image")) take(image->text);
  }
  return version == "?" ? "" : version;
}

// What was read once is not read again: of a tree of many sites every file is one already.
class Read : public source::Host {
 public:
  Read(const source::Host& host, Deployment& all) : host_(host), all_(all) {
    for (std::size_t i = 0; i < all.files.size(); ++i) by_path_.emplace(all.files[i].path, static_cast<std::uint32_t>(i));
  }

  base::Result<std::string> read(const std::string& path, std::size_t most) const override {
    const auto known = by_path_.find(path);
    return known == by_path_.end() || all_.files[known->second].text.size() > most ? host_.read(path, most) : base::Result<std::string>(all_.files[known->second].text);
  }
  base::Result<source::Stat> stat(const std::string& path) const override {
    return by_path_.contains(path) ? base::Result<source::Stat>(source::Stat{}) : host_.stat(path);
  }
  base::Result<std::unique_ptr<source::Stream>> open(const std::string& path) const override { return host_.open(path); }
  base::Result<std::vector<source::Entry>> list(const std::string& path) const override { return host_.list(path); }
  base::Result<std::string> link(const std::string& path) const override { return host_.link(path); }
  base::Instant now() const override { return host_.now(); }
  std::string_view kind() const override { return host_.kind(); }

  std::uint32_t index(const std::string& path) {
    if (const auto known = by_path_.find(path); known != by_path_.end()) return known->second;
    File file;
    file.path = path;
    file.shown = shown_path(all_, path);
    if (auto text = host_.read(path, 8 << 20)) file.text = std::move(*text);
    file.document.dialect = Dialect::nginx;
    all_.files.push_back(std::move(file));
    return by_path_.emplace(path, static_cast<std::uint32_t>(all_.files.size() - 1)).first->second;
  }

 private:
  const source::Host& host_;
  Deployment& all_;
  std::unordered_map<std::string, std::uint32_t> by_path_;
};

}  // namespace

Spot Nginx::spot(const Node& node, std::size_t word) const {
  const auto& words = node.directive.words;
  const auto& at = words[std::min(word, words.size() - 1)];
  return {node.file < files.size() ? files[node.file] : no_file, at.line, at.column, at.at, at.end};
}

InForce in_force(const Nginx& nginx, int block, std::string_view name) {
  InForce found;
  for (; block >= 0; block = nginx.blocks[static_cast<std::size_t>(block)].parent) {
    const Block& here = nginx.blocks[static_cast<std::size_t>(block)];
    for (const Node* line : here.lines) {
      const Node& node = *line;
      if (node.directive.name() == name) { found.node = &node; found.block = block; found.unsure = false; return found; }
      if (node.directive.name() == "include") {
        // What the packages put beside every nginx.conf sets none of what the rules ask about, but for proxy_params.
        const std::string& file = node.directive.argument(0);
        const std::string_view last = std::string_view(file).substr(file.rfind('/') == std::string::npos ? 0 : file.rfind('/') + 1);
        constexpr std::array<std::string_view, 9> known{"mime.types", "fastcgi_params", "fastcgi.conf", "uwsgi_params", "scgi_params", "koi-utf", "koi-win", "win-utf", "options-ssl-nginx.conf"};
        if (std::ranges::find(known, last) != known.end() || (last == "proxy_params" && name != "proxy_set_header")) continue;
        found.unsure = true;
      }
    }
  }
  return found;
}

std::vector<const Node*> own(const Nginx& nginx, int block, std::string_view name) {
  std::vector<const Node*> all;
  if (block < 0) return all;
  for (const Node* node : nginx.blocks[static_cast<std::size_t>(block)].lines)
    if (node->directive.name() == name) all.push_back(node);
  return all;
}

void add_nginx(Deployment& all, const source::Host& host, const parse::nginx::Locate& locate, const Targets& targets) {
  std::vector<std::uint32_t> mains, others;
  for (std::size_t i = 0; i < all.files.size(); ++i) {
    const File& file = all.files[i];
    if (file.document.dialect != Dialect::nginx || !file.template_language.empty()) continue;
    const bool main = base::starts_with(file.text, "events") || base::starts_with(file.text, "http") || base::contains(file.text, "\nevents") || base::contains(file.text, "\nhttp") || base::contains(file.text, "\nstream");
    (main ? mains : others).push_back(static_cast<std::uint32_t>(i));
  }
  const std::string version = targets.nginx.empty() ? version_in(all) : targets.nginx;
  Read read(host, all);
  std::vector<bool> covered(all.files.size(), false);
  mains.insert(mains.end(), others.begin(), others.end());
  for (const std::uint32_t index : mains) {
    if (covered[index]) continue;
    auto nginx = std::make_unique<Nginx>();
    nginx->tree = parse::nginx::read_tree(read, "", all.files[index].path, locate);
    if (nginx->tree.files.empty()) continue;
    for (const std::string& path : nginx->tree.files) nginx->files.push_back(read.index(path));
    covered.resize(all.files.size(), false);
    for (std::size_t i = 1; i < nginx->files.size(); ++i) covered[nginx->files[i]] = true;
    const std::string context = context_of_fragment(nginx->tree.top);
    nginx->whole = any_of_names(nginx->tree.top, {"http", "events"});
    nginx->version = version;
    nginx->blocks.push_back({nullptr, -1, context, &nginx->tree.top, {}});
    add_blocks(*nginx, nginx->tree.top, 0);
    add_upstreams(*nginx);
    all.nginx.push_back(std::move(nginx));
  }
  // A fragment that another one includes is judged there.
  std::erase_if(all.nginx, [&](const std::unique_ptr<Nginx>& one) { return covered[one->files.front()]; });
  for (const auto& one : all.nginx) add_passes(*one);
}

}  // namespace model
