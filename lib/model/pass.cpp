#include "model/pass.hpp"

#include <algorithm>
#include <cctype>

#include "base/text.hpp"
#include "flavour/nginx_time.hpp"

namespace model {

namespace {

Choices one(Value value, const Spot& at, From from = From::configured) { return {{std::move(value), "", at, from}}; }
Choices open(const Spot& at) { return one(unknown_value(), at, From::unknown); }

std::optional<double> bytes_of(std::string_view text) {
  auto number = base::take_number(text);
  if (!number) return std::nullopt;
  const double times = text == "k" || text == "K" ? 1024 : text == "m" || text == "M" ? 1 << 20 : text == "g" || text == "G" ? 1 << 30 : text.empty() ? 1 : -1;
  return times < 0 ? std::nullopt : std::optional(static_cast<double>(*number) * times);
}

}  // namespace

const Upstream* upstream_of(const Nginx& nginx, const Pass& pass) { return pass.upstream < 0 ? nullptr : &nginx.upstreams[static_cast<std::size_t>(pass.upstream)]; }

bool before_kept_connections(const Nginx& nginx, bool otherwise) {
  const auto version = version_number(nginx.version);
  return version ? *version < 1029007 : otherwise;
}

Choices PassSettings::of(std::string_view word) const {
  const Upstream* upstream = upstream_of(nginx_, pass_);
  if (word == "prefix") return one(text_value(pass_.prefix), pass_.at);
  if (word == "target") return one(text_value(pass_.target), pass_.at);
  if (word == "variable") return one(truth_value(pass_.variable), pass_.at);
  if (word == "peers") {
    if (pass_.address.empty() || (upstream && upstream->partly)) return open(pass_.at);
    return one(number_value(upstream ? static_cast<double>(upstream->peers.size()) : 1), pass_.at);
  }
  if (word == "connect_timeout" || word == "read_timeout" || word == "send_timeout") return time(stated(word), "60s");
  if (word == "next_upstream_timeout") return time(stated(word), "0");
  if (word == "next_upstream_tries") return number(word, 0);
  if (word == "next_upstream") return words(word, {"error", "timeout"});
  if (word == "max_fails" || word == "fail_timeout") return peer_number(word == "max_fails");
  if (word == "http_version") return http_version();
  if (word == "connection_cleared") return connection_cleared();
  if (word == "keepalive") return keepalive();
  if (word == "keepalive_timeout") return keepalive_timeout();
  if (word == "buffering" || word == "request_buffering") return flag(word, true);
  if (word == "ignore_client_abort") return flag(word, false);
  if (word == "buffer_size") {
    const Stated found = stated(word);
    if (!found.there) return unfixed(found) ? open(pass_.at) : one(number_value(4096, "4k"), pass_.at, From::built_in);
    const auto bytes = bytes_of(found.arguments.front());
    return one(bytes ? number_value(*bytes, found.arguments.front()) : unknown_value(), found.at);
  }
  if (word == "unix_path") return unix_path();
  if (word == "version") {
    const auto version = version_number(nginx_.version);
    return version ? one(number_value(*version, nginx_.version), pass_.at) : open(pass_.at);
  }
  // Directives that came with 1.29 say that the nginx is not much older than the change.
  if (word == "assumed_old" && nginx_.version.empty() && nginx_.recent) return open(pass_.at);
  if (word == "assumed_old") return one(truth_value(before_kept_connections(nginx_, true)), pass_.at);
  return open(pass_.at);
}

Choices PassSettings::connection_kept() const {
  const Choices version = http_version(), cleared = connection_cleared();
  const Value &v = version.front().value, &c = cleared.front().value;
  if (!before_kept_connections(nginx_, true)) return one(truth_value(true), pass_.at);
  if ((v.known() && v.text != "1.1") || (c.known() && c.number == 0)) return one(truth_value(false), pass_.at);
  return v.known() && c.known() ? one(truth_value(true), pass_.at) : open(pass_.at);
}

bool PassSettings::keepalive_set() const { return keepalive().front().from == From::configured; }

Choices PassSettings::plain_time(std::string_view directive, const std::string& built_in) const { return time(stated_as(directive, directive), built_in); }

PassSettings::Stated PassSettings::stated_as(std::string_view word, std::string_view directive) const {
  if (const auto asked = nginx_.set.find(word); asked != nginx_.set.end()) {
    Stated found{true, false, {}, {}};
    for (const std::string_view part : base::split(asked->second, ' ')) found.arguments.emplace_back(part);
    return found;
  }
  const InForce found = in_force(nginx_, pass_.block, directive);
  if (!found.node) return {false, found.unsure, {}, {}};
  Stated out{true, false, {}, nginx_.spot(*found.node)};
  for (std::size_t i = 1; i < found.node->directive.words.size(); ++i) out.arguments.push_back(found.node->directive.words[i].text);
  if (out.arguments.empty()) out.arguments.emplace_back();
  return out;
}

PassSettings::Stated PassSettings::stated(std::string_view word) const { return stated_as(word, pass_.prefix + "_" + std::string(word)); }

bool PassSettings::unfixed(const Stated& found) const { return found.unsure || (nginx_.strict && !nginx_.whole); }

// A default holds for the whole server block: said there, it is said once and not for each location.
Spot PassSettings::server_spot() const {
  for (int block = pass_.block; block >= 0; block = nginx_.blocks[static_cast<std::size_t>(block)].parent) {
    const Block& here = nginx_.blocks[static_cast<std::size_t>(block)];
    if (here.context == "server" && here.node) return nginx_.spot(*here.node);
  }
  return pass_.at;
}

Choices PassSettings::time(const Stated& found, const std::string& built_in) const {
  if (!found.there) return unfixed(found) ? open(pass_.at) : one(number_value(*flavour::nginx_seconds(built_in), built_in), pass_.at, From::built_in);
  const std::string& text = found.arguments.front();
  const auto seconds = flavour::nginx_seconds(text);
  if (seconds) return one(number_value(*seconds, text), found.at);
  Value wrong = unknown_value();
  wrong.text = text;  // for whoever says what it is that cannot be read
  return one(std::move(wrong), found.at);
}

Choices PassSettings::number(std::string_view word, double built_in) const {
  const Stated found = stated(word);
  if (!found.there) return unfixed(found) ? open(pass_.at) : one(number_value(built_in), pass_.at, From::built_in);
  const auto value = base::read_number(found.arguments.front());
  return one(value ? number_value(static_cast<double>(*value)) : unknown_value(), found.at);
}

Choices PassSettings::words(std::string_view word, std::vector<std::string> built_in) const {
  Stated found = stated(word);
  if (!found.there) return unfixed(found) ? open(pass_.at) : one(list_value(std::move(built_in)), pass_.at, From::built_in);
  return one(list_value(std::move(found.arguments)), found.at);
}

Choices PassSettings::flag(std::string_view word, bool built_in) const {
  const Stated found = stated(word);
  if (!found.there) return unfixed(found) ? open(pass_.at) : one(truth_value(built_in), pass_.at, From::built_in);
  const std::string& text = found.arguments.front();
  return one(text == "on" || text == "off" ? truth_value(text == "on") : unknown_value(), found.at);
}

Choices PassSettings::peer_number(bool fails) const {
  const Upstream* upstream = upstream_of(nginx_, pass_);
  if (const auto asked = nginx_.set.find(fails ? "max_fails" : "fail_timeout"); asked != nginx_.set.end()) {
    const auto value = flavour::nginx_seconds(asked->second);
    return one(value ? number_value(*value, asked->second) : unknown_value(), {});
  }
  if (pass_.address.empty() || (upstream && upstream->partly)) return open(pass_.at);
  if (!upstream || upstream->peers.empty()) return one(number_value(fails ? 1 : 10), pass_.at, From::built_in);
  const auto value = [&](const Peer& peer) { return fails ? peer.max_fails : peer.fail_timeout; };
  const auto least = std::ranges::min_element(upstream->peers, {}, value);
  const bool set = fails ? least->max_fails_set : least->fail_timeout_set;
  return one(number_value(value(*least)), least->at, set ? From::configured : From::built_in);
}

Choices PassSettings::http_version() const {
  const Stated found = stated("http_version");
  if (found.there) return one(text_value(found.arguments.front()), found.at);
  if (found.unsure || nginx_.version.empty()) return open(pass_.at);
  return one(text_value(before_kept_connections(nginx_, true) ? "1.0" : "1.1"), server_spot(), From::built_in);
}

Choices PassSettings::connection_cleared() const {
  if (!before_kept_connections(nginx_, true)) return one(truth_value(true), pass_.at, From::built_in);
  const auto found = in_force(nginx_, pass_.block, pass_.prefix + "_set_header");
  if (found.unsure) return open(pass_.at);
  if (found.node)
    for (const auto* node : own(nginx_, found.block, pass_.prefix + "_set_header")) {
      std::string name;
      for (const char c : node->directive.argument(0)) name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      if (name != "connection") continue;
      const std::string value = node->directive.argument(1);
      if (value.empty() || value == "keep-alive" || value == "Keep-Alive") return one(truth_value(true), nginx_.spot(*node));
      if (value == "close") return one(truth_value(false), nginx_.spot(*node));
      return open(nginx_.spot(*node));  // $connection_upgrade is "" for plain requests where its map says so
    }
  return one(truth_value(false), pass_.at, From::built_in);
}

Choices PassSettings::keepalive() const {
  const Upstream* upstream = upstream_of(nginx_, pass_);
  if (const auto asked = nginx_.set.find("keepalive"); asked != nginx_.set.end() && upstream) {
    const auto count = base::read_number(asked->second);
    return one(count ? number_value(static_cast<double>(*count)) : unknown_value(), {});
  }
  if (!upstream) return pass_.address.empty() ? open(pass_.at) : one(number_value(0), pass_.at, From::built_in);
  const Block& block = nginx_.blocks[static_cast<std::size_t>(upstream->block)];
  for (const auto& node : *block.children)
    if (node.directive.name() == "keepalive") {
      const auto count = base::read_number(node.directive.argument(0));
      return one(count ? number_value(static_cast<double>(*count)) : unknown_value(), nginx_.spot(node));
    }
  const Spot at = block.node ? nginx_.spot(*block.node) : pass_.at;
  if (upstream->partly) return open(at);
  if (nginx_.version.empty()) return one(unknown_value(), at, From::built_in);
  return one(number_value(before_kept_connections(nginx_, true) ? 0 : 32), at, From::built_in);
}

Choices PassSettings::keepalive_timeout() const {
  const Upstream* upstream = upstream_of(nginx_, pass_);
  if (const auto asked = nginx_.set.find("keepalive_timeout"); asked != nginx_.set.end()) {
    const auto seconds = flavour::nginx_seconds(asked->second);
    return one(seconds ? number_value(*seconds, asked->second) : unknown_value(), {});
  }
  if (!upstream) return one(number_value(60, "60s"), pass_.at, From::built_in);
  for (const auto& node : *nginx_.blocks[static_cast<std::size_t>(upstream->block)].children)
    if (node.directive.name() == "keepalive_timeout") {
      const auto seconds = flavour::nginx_seconds(node.directive.argument(0));
      return one(seconds ? number_value(*seconds, node.directive.argument(0)) : unknown_value(), nginx_.spot(node));
    }
  return upstream->partly ? open(pass_.at) : one(number_value(60, "60s"), pass_.at, From::built_in);
}

Choices PassSettings::unix_path() const {
  const Upstream* upstream = upstream_of(nginx_, pass_);
  const std::string address = upstream ? (upstream->peers.empty() ? "" : upstream->peers.front().address) : pass_.address;
  if (address.empty()) return open(pass_.at);
  return one(text_value(base::starts_with(address, "unix:") ? address.substr(5) : ""), upstream && !upstream->peers.empty() ? upstream->peers.front().at : pass_.at);
}

std::string pass_name(const Nginx& nginx, const Pass& pass) {
  for (int block = pass.block; block >= 0; block = nginx.blocks[static_cast<std::size_t>(block)].parent) {
    const Block& here = nginx.blocks[static_cast<std::size_t>(block)];
    if (here.context != "location" || !here.node) continue;
    std::string name = "location";
    for (std::size_t i = 1; i < here.node->directive.words.size(); ++i) name += " " + here.node->directive.words[i].text;
    return name;
  }
  return pass.prefix + "_pass " + pass.target;
}

}  // namespace model
