// What the files themselves are: broken, templates, includes that lead nowhere or back, values that nginx refuses, values that these files do not fix.
#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.hpp"
#include "flavour/gunicorn_settings.hpp"
#include "flavour/nginx_directives.hpp"
#include "flavour/nginx_time.hpp"
#include "parse/python/bindings.hpp"
#include "rule/lint.hpp"

namespace rule {

namespace {

using model::Deployment;
using model::Nginx;
using model::Spot;
using parse::nginx::Node;
using parse::settings::Dialect;
using std::string_view_literals::operator""sv;

Spot line_of(const Deployment& all, std::uint32_t file, std::uint32_t line) {
  std::size_t at = 0;
  const std::string& text = all.files[file].text;
  for (std::uint32_t i = 1; i < line; ++i) {
    const auto next = text.find('\n', at);
    if (next == std::string::npos) break;
    at = next + 1;
  }
  const auto begin = std::min(text.find_first_not_of(" \t", at), text.size());
  return {file, line, static_cast<std::uint32_t>(begin - at) + 1, begin, begin};
}

void broken(const Deployment& all, std::vector<Draft>& drafts) {
  const auto say = [&](const Spot& at, std::string what) {
    drafts.push_back(lint_draft(all, "parse.syntax-error", at, {{"message", std::move(what)}, {"kind", std::string(parse::settings::dialect_text(all.files[at.file].document.dialect))}}));
  };
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    const model::File& file = all.files[i];
    if (!file.template_language.empty()) continue;
    for (const auto& wrong : file.document.wrong) {
      say({i, wrong.at.line, wrong.at.column, wrong.at.at, wrong.at.end}, wrong.what);
      break;
    }
    if (file.document.dialect != Dialect::gunicorn) continue;
    const auto bindings = parse::python::bindings_of(file.text);
    const auto odd = bindings.wrong_line ? parse::python::Stumble{bindings.wrong_line, 1, false} : parse::python::stumble(file.text);
    if (odd.line && !odd.python_2) say(line_of(all, i, odd.line), "this is not Python");
  }
  for (const auto& nginx : all.nginx)
    for (const auto& wrong : nginx->tree.wrong) {
      if (wrong.line == 0) continue;
      const auto known = std::ranges::find(nginx->tree.files, wrong.file);
      if (known != nginx->tree.files.end()) say(line_of(all, nginx->files[static_cast<std::size_t>(known - nginx->tree.files.begin())], wrong.line), wrong.what);
    }
}

void templates(const Deployment& all, std::vector<Draft>& drafts) {
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    const model::File& file = all.files[i];
    if (file.template_language.empty() || file.document.dialect == Dialect::none) continue;
    parse::settings::Place at;
    parse::settings::template_language(file.path, file.text, &at);
    // Braces in a shell script are mostly arguments of other programs (docker --format '{{.Names}}').
    if (file.document.dialect == Dialect::script) { drafts.push_back(lint_unknown(all, "parse.templated-file-skipped", {i, at.line, at.column, at.at, at.end}, "whether the script is a template")); continue; }
    drafts.push_back(lint_draft(all, "parse.templated-file-skipped", {i, at.line, at.column, at.at, at.end}, {{"kind", file.template_language}, {"name", std::string(parse::settings::dialect_text(file.document.dialect))}}));
  }
}

// Files that the packages put beside nginx.conf: absent from a repository, present where it is installed.
bool comes_with_nginx(std::string_view name) {
  const auto slash = name.rfind('/');
  const std::string_view last = slash == std::string_view::npos ? name : name.substr(slash + 1);
  constexpr std::array known{"mime.types"sv, "fastcgi_params"sv, "fastcgi.conf"sv, "uwsgi_params"sv, "scgi_params"sv, "proxy_params"sv, "koi-utf"sv, "koi-win"sv, "win-utf"sv, "fastcgi-php.conf"sv, "snakeoil.conf"sv, "options-ssl-nginx.conf"sv, "naxsi_core.rules"sv};
  return std::ranges::find(known, last) != known.end();
}

bool any_file_below(const Deployment& all, const std::string& folder) {
  return std::ranges::any_of(all.files, [&](const model::File& file) { return base::starts_with(file.path, folder); });
}

void includes(const Deployment& all, std::vector<Draft>& drafts) {
  for (const auto& nginx : all.nginx) {
    for (const auto& unread : nginx->tree.unread) {
      const auto& word = unread.directive.words.size() > 1 ? unread.directive.words[1] : unread.directive.words[0];
      const std::uint32_t file = unread.file < nginx->files.size() ? nginx->files[unread.file] : model::no_file;
      if (file == model::no_file) continue;
      const Spot at{file, word.line, word.column, word.at, word.end};
      const std::string& main = nginx->tree.files.front();
      const std::string folder = main.substr(0, main.rfind('/') + 1);
      if (unread.cycle) {
        drafts.push_back(lint_draft(all, "parse.include-cycle", at, {{"path", word.text}}));
        continue;
      }
      if (comes_with_nginx(word.text) || word.text.find_first_of("$%@<>") != std::string::npos) continue;
      // Sure only where the folder that it would stand in is part of what is looked at: other files come from packages or the deployment.
      const bool absolute = base::starts_with(word.text, "/");
      const auto slash = word.text.rfind('/');
      const std::string below = slash == std::string::npos ? "" : word.text.substr(0, slash + 1);
      const std::string from = all.files[file].path;
      const std::string beside = from.substr(0, from.rfind('/') + 1) + word.text;
      const bool by_nested = file != nginx->files.front() && std::ranges::any_of(all.files, [&](const model::File& one) { return one.path == beside; });
      if (!absolute && nginx->whole && (by_nested || any_file_below(all, folder + below))) {
        Draft draft = lint_draft(all, "parse.include-not-found", at, {{"path", word.text}, {"detail", by_nested ? "; it stands beside " + all.files[file].shown + ", and includes are relative to the main file" : ""}});
        drafts.push_back(std::move(draft));
      } else {
        drafts.push_back(lint_unknown(all, "parse.include-not-found", at, "the files of the machine it runs on"));
      }
    }
  }
}

constexpr std::array prefixes{"proxy_"sv, "uwsgi_"sv, "fastcgi_"sv, "scgi_"sv, "grpc_"sv, "memcached_"sv};
constexpr std::array timeouts{"connect_timeout"sv, "read_timeout"sv, "send_timeout"sv, "next_upstream_timeout"sv};
constexpr std::array own_timeouts{"client_header_timeout"sv, "client_body_timeout"sv, "send_timeout"sv, "resolver_timeout"sv, "lingering_time"sv, "lingering_timeout"sv, "keepalive_timeout"sv, "keepalive_time"sv, "ssl_session_timeout"sv, "worker_shutdown_timeout"sv};

bool takes_time(std::string_view name) {
  if (std::ranges::find(own_timeouts, name) != own_timeouts.end()) return true;
  if (const auto rows = flavour::nginx_directive(name); !rows.empty() && rows.front().slot == flavour::NginxDirective::Slot::time) return true;
  return std::ranges::any_of(prefixes, [&](std::string_view prefix) { return base::starts_with(name, prefix) && std::ranges::find(timeouts, name.substr(prefix.size())) != timeouts.end(); });
}

// Directives that a block may hold once, for nginx's slot of them refuses a second ("directive is duplicate").
bool once_only(std::string_view name) {
  constexpr std::array known{"client_max_body_size"sv, "client_body_buffer_size"sv, "proxy_pass"sv, "proxy_http_version"sv, "root"sv, "sendfile"sv, "tcp_nopush"sv, "tcp_nodelay"sv, "server_tokens"sv, "gzip"sv, "worker_processes"sv, "worker_connections"sv,
                             "worker_rlimit_nofile"sv, "pid"sv, "default_type"sv, "keepalive_requests"sv, "types_hash_max_size"sv, "server_names_hash_bucket_size"sv, "proxy_intercept_errors"sv, "autoindex"sv, "etag"sv,
                             "proxy_request_buffering"sv, "proxy_buffering"sv, "proxy_buffer_size"sv, "proxy_buffers"sv, "proxy_busy_buffers_size"sv, "proxy_max_temp_file_size"sv, "proxy_next_upstream_tries"sv, "proxy_ignore_client_abort"sv, "multi_accept"sv, "use"sv, "gzip_comp_level"sv, "gzip_vary"sv};
  return name == "keepalive_timeout" || std::ranges::find(known, name) != known.end();
}

std::string mended_time(std::string_view text) {
  std::string number;
  std::size_t i = 0;
  while (i < text.size() && (std::isdigit(static_cast<unsigned char>(text[i])) != 0 || text[i] == '.')) number += text[i++];
  std::string unit;
  for (const char c : text.substr(i)) unit += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const auto short_unit = [](std::string_view word) -> std::string_view {
    if (word == "s" || word == "sec" || word == "secs" || word == "second" || word == "seconds") return "s";
    if (word == "m" || word == "min" || word == "mins" || word == "minute" || word == "minutes") return "m";
    if (word == "h" || word == "hr" || word == "hour" || word == "hours") return "h";
    if (word == "ms" || word == "msec") return "ms";
    if (word == "d" || word == "day" || word == "days") return "d";
    return {};
  };
  const std::string_view plain = unit.empty() ? "s" : short_unit(unit);
  if (number.empty() || plain.empty()) return {};
  const auto dot = number.find('.');
  if (dot == std::string::npos) return number + std::string(plain);
  if (plain != "s" || number.find('.', dot + 1) != std::string::npos) return {};
  std::string fraction = number.substr(dot + 1);
  if (fraction.empty() || fraction.size() > 3) return {};
  fraction.resize(3, '0');
  const auto whole = base::read_number(dot == 0 ? "0" : number.substr(0, dot)), part = base::read_number(fraction);
  return whole && part ? std::to_string(*whole * 1000 + *part) + "ms" : std::string();
}

void directives(const Deployment& all, const Nginx& nginx, std::vector<Draft>& drafts) {
  for (const model::Block& block : nginx.blocks) {
    if (block.context == "map" || block.context == "types" || block.context == "geo" || base::starts_with(block.context, "stream") || base::starts_with(block.context, "mail")) continue;
    std::map<std::string_view, const Node*> seen;
    const bool fragment = block.parent < 0 && !nginx.whole && block.context == "location";
    for (const Node& node : *block.children) {
      const std::string& name = node.directive.name();
      if (node.directive.block || node.directive.words.size() < 2) continue;
      if (once_only(name) && !fragment) {
        const auto [first, fresh] = seen.emplace(name, &node);
        if (!fresh) {
          Draft draft = lint_draft(all, "parse.duplicate-directive", nginx.spot(node), {{"setting", name}});
          also(all, draft, nginx.spot(*first->second));
          drafts.push_back(std::move(draft));
        }
      }
      const std::string& text = node.directive.argument(0);
      if (!takes_time(name)) continue;
      if (text.find('$') != std::string::npos) { drafts.push_back(lint_unknown(all, "parse.bad-time-unit", nginx.spot(node, 1), text)); continue; }
      if (flavour::nginx_seconds(text)) continue;
      const std::string better = mended_time(text);
      Draft draft = lint_draft(all, "parse.bad-time-unit", nginx.spot(node, 1), {{"setting", name}, {"value", text}, {"better", better.empty() ? "a whole number with ms, s, m, h or d" : better}});
      if (!better.empty() && !node.directive.words[1].quoted) edit(all, draft, nginx.spot(node, 1).file, node.directive.words[1].at, node.directive.words[1].end, better);
      drafts.push_back(std::move(draft));
    }
  }
}

void not_static(const Deployment& all, std::vector<Draft>& drafts) {
  for (const model::Backend& server : all.servers) {
    for (const auto& [name, choices] : server.settings) {
      if (name == "class" || !flavour::gunicorn_knows(name)) continue;
      const auto open = std::ranges::find_if(choices, [](const model::Choice& choice) { return !choice.value.known() && choice.from == model::From::configured; });
      if (open == choices.end() || !open->at.known()) continue;
      std::string assumed;
      for (const model::Choice& choice : choices)
        if (choice.value.known()) assumed += (assumed.empty() ? "" : ", ") + choice.value.text + (choice.when.empty() ? "" : " when " + choice.when);
      const std::string shown = open->value.text;
      drafts.push_back(lint_draft(all, "parse.value-not-static", open->at, {{"setting", name}, {"value", shown.empty() ? "" : " (" + shown + ")"}, {"detail", assumed.empty() ? "rules about it cannot tell" : "assumed: " + assumed}}));
    }
  }
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  broken(all, drafts);
  templates(all, drafts);
  includes(all, drafts);
  for (const auto& nginx : all.nginx) directives(all, *nginx, drafts);
  not_static(all, drafts);
}

}  // namespace

namespace lints_of {
extern const Lint parsing = {"parsing", {"parse.syntax-error", "parse.templated-file-skipped", "parse.include-not-found", "parse.include-cycle", "parse.duplicate-directive", "parse.bad-time-unit", "parse.value-not-static"}, look};
}

}  // namespace rule
