#include "look.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/text.hpp"
#include "parse/settings/document.hpp"
#include "rule/mend.hpp"

namespace timeouts {

namespace {

// Rules beside chain.* and parse.* that are about who waits how long for whom.
constexpr std::array about_time{"nginx.read-timeout-zero", "nginx.connect-timeout-large", "nginx.send-timeout-as-response-timeout", "nginx.multi-peer-timeout-retry", "nginx.multi-peer-blackout", "nginx.put-delete-retried",
                                "nginx.retry-non-idempotent", "nginx.fail-timeout-noop-single", "nginx.next-upstream-off-keepalive", "nginx.http10-close-delimited", "nginx.proxy-pass-localhost", "nginx.wrong-prefix-timeout",
                                "nginx.request-buffering-off-sync", "nginx.keepalive-timeout-wrong-block", "gunicorn.timeout-zero", "gunicorn.timeout-not-per-request", "gunicorn.graceful-shorter-than-timeout",
                                "systemd.stop-timeout-below-graceful", "systemd.kill-signal-not-graceful", "systemd.uwsgi-sigterm-reload", "container.stop-grace-below-graceful", "container.supervisor-stopwait",
                                "container.stopsignal-wrong", "kubernetes.grace-below-prestop-plus-graceful", "kubernetes.no-prestop", "uwsgi.harakiri-vs-read-timeout", "uwsgi.harakiri-missing", "uwsgi.no-die-on-term",
                                "phpfpm.terminate-vs-fastcgi-read", "phpfpm.request-terminate-missing", "puma.worker-timeout-misread", "puma.persistent-vs-nginx", "unicorn.timeout"};
constexpr std::size_t many_routes = 2000, most_trials = 48, few_trials = 3;

model::File command_file(const std::string& command, const std::string& folder) {
  model::File file;
  file.path = folder + "/(--server)";
  file.shown = "--server";
  file.text = "exec " + command + "\n";
  file.document = parse::settings::read_script(file.text);
  return file;
}

void say_unknown(Looked& looked) {
  std::size_t without = 0;
  std::string alone;
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> unfixed;  // place and reason -> the settings
  for (const model::File& file : looked.deployment.files)
    if (!file.template_language.empty()) looked.gaps.push_back({file.shown, "it is a template (" + file.template_language + "): nothing in it was read", "render it and give the result", 1, {}});
  for (const auto& nginx : looked.deployment.nginx) {
    if (!model::left_aside(looked.deployment, *nginx)) continue;
    // The enabled site is commonly a link to it: then it was read under that name.
    const model::File& file = looked.deployment.files[nginx->files.front()];
    const bool read = std::ranges::any_of(looked.deployment.nginx, [&](const auto& other) { return other->whole && std::ranges::any_of(other->files, [&](std::uint32_t one) { return looked.deployment.files[one].text == file.text; }); });
    if (!read && looked.gaps.size() < 40) looked.gaps.push_back({file.shown, "the nginx.conf above it does not include it", "it is not in force; give it alone to look at it", 1, {}});
  }
  for (const auto& nginx : looked.deployment.nginx)
    for (const auto& unread : nginx->tree.unread) {
      const auto& words = unread.directive.words;
      const auto& word = words[std::min<std::size_t>(1, words.size() - 1)];
      const model::Spot at{unread.file < nginx->files.size() ? nginx->files[unread.file] : model::no_file, word.line, word.column, 0, 0};
      if (looked.gaps.size() < 40) looked.gaps.push_back({"include " + word.text, model::place_text(looked.deployment, at) + (unread.cycle ? ": it leads back into a file that is being read" : ": the file could not be read"), "what it sets is not known here: give it", 1, {}});
    }
  for (const model::Group& group : looked.groups) {
    const model::Route& route = looked.routes[group.routes.front()];
    for (const model::Station& station : route.stations)
      for (const model::Term& term : station.terms) {
        if (!term.shown || std::ranges::all_of(term.choices, [](const model::Choice& choice) { return choice.value.known(); })) continue;
        std::string place = term.where;
        if (place.empty()) place = model::place_text(looked.deployment, route.at);
        std::vector<std::string>& names = unfixed[{place, term.why.empty() ? "the files do not fix it" : term.why}];
        if (std::ranges::find(names, term.name) == names.end()) names.push_back(term.name);
      }
    if (route.application == SIZE_MAX && route.pass != SIZE_MAX) {
      if (alone.empty()) alone = route.location;
      without += group.routes.size();
    }
  }
  if (without > 0) looked.gaps.push_back({"the server behind " + alone + (without > 1 ? " and " + base::counted(without - 1, "other location") : ""), "it is not in these files", "--server FILE or its command line", without, {}});
  for (const auto& [key, names] : unfixed) {
    if (looked.gaps.size() > 60) break;
    std::string all;
    for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
    looked.gaps.push_back({all, (key.first.empty() ? "" : key.first + ": ") + key.second, "--set computes with a value that you give", 1, {}});
  }
}

std::string outcome_text(const model::Row& row) {
  std::string text = row.told;
  if (row.executes > 1) text += ", done " + std::to_string(row.executes) + " times";
  if (row.ghost_to > 0.05) text += ", goes on for nobody";
  return text;
}

}  // namespace

base::Result<Looked> look(const Options& options, const source::Host& host, const std::vector<std::string>& paths, const std::string& folder) {
  Looked looked;
  looked.found = model::find_files(host, paths, folder);
  if (!options.server_command.empty()) looked.found.files.push_back(command_file(options.server_command, folder));
  looked.gaps = looked.found.gaps;
  if (looked.found.files.empty()) {
    std::string why;
    for (const evidence::Gap& gap : looked.found.gaps) why += (why.empty() ? "" : "; ") + base::printable(gap.wanted, 400) + ": " + gap.reason;
    return base::fail({base::Kind::missing, "looking for configurations", why.empty() ? "there is none that I know" : why, "give files or folders of nginx and a server", 0});
  }
  looked.skipped = static_cast<std::size_t>(std::ranges::count_if(looked.found.files, [](const model::File& file) { return !file.template_language.empty(); }));
  std::vector<model::File> files = looked.found.files;
  looked.deployment = model::deployment_of(std::move(files), host, model::locate_in(looked.found), {options.target_nginx, options.target_gunicorn});
  for (auto& nginx : looked.deployment.nginx) nginx->strict = true;
  if (!options.server_command.empty() && std::ranges::none_of(looked.deployment.servers, [&](const model::Backend& server) { return server.at.file < looked.deployment.files.size() && looked.deployment.files[server.at.file].shown == "--server"; }))
    return base::fail({base::Kind::usage, "reading --server " + base::printable(options.server_command, 200), "it starts no gunicorn", "of uwsgi, php-fpm, puma and unicorn give the configuration file", 0});
  for (const std::string& assignment : options.set)
    if (const auto set = model::set_value(looked.deployment, assignment); !set) return base::fail(set.error());
  model::Given given;
  given.balancer = options.balancer_request || options.balancer_idle;
  if (options.balancer_request) given.balancer_request = {*options.balancer_request, "request timeout", true, true};
  if (options.balancer_idle) given.balancer_idle = {*options.balancer_idle, "idle timeout", true, true};
  looked.deployment.balancer.request = given.balancer_request.seconds;
  looked.deployment.balancer.idle = given.balancer_idle.seconds;
  looked.routes = model::routes_of(looked.deployment, given);
  if (!options.location.empty()) std::erase_if(looked.routes, [&](const model::Route& route) { return !base::contains(route.location, options.location); });
  looked.groups = model::outlook(looked.routes, options.method);
  say_unknown(looked);
  return looked;
}

rule::LintResult judge(model::Deployment& deployment, const std::vector<model::Route>& routes, const rule::Cards& cards) {
  std::map<std::string, rule::Card> wanted_cards;
  for (const auto& [id, card] : cards.all()) {
    const bool wanted = base::starts_with(id, "chain.") || (base::starts_with(id, "parse.") && id != "parse.unused-suppression" && id != "parse.value-not-static") || std::ranges::find(about_time, id) != about_time.end();
    if (wanted) wanted_cards.emplace(id, card);
  }
  const rule::Cards asked(std::move(wanted_cards));
  rule::LintResult result = rule::lint(deployment, asked);
  rule::mend(deployment, routes, asked, result, routes.size() > many_routes ? few_trials : most_trials);
  return result;
}

std::vector<report::Difference> differences(const Looked& before, const Looked& after) {
  const auto lines_of = [](const Looked& looked) {
    std::map<std::tuple<std::string, std::string, std::string, std::string>, std::vector<const model::Row*>> lines;
    for (const model::Group& group : looked.groups)
      for (const std::size_t index : group.routes) {
        const model::Route& route = looked.routes[index];
        const std::string name = route.location + (route.server_name.empty() ? "" : " of " + route.server_name);
        for (const model::Row& row : group.rows)
          for (const std::string_view method : {"GET", "POST"})
            if (row.method == "any" || row.method == method) lines[{name, row.phase, std::string(method), row.when}].push_back(&row);
      }
    return lines;
  };
  const auto old_lines = lines_of(before), new_lines = lines_of(after);
  std::vector<report::Difference> all;
  for (const auto& [key, rows] : new_lines) {
    const auto known = old_lines.find(key);
    const auto& [location, phase, method, when] = key;
    if (known == old_lines.end()) {
      if (phase == "wait") all.push_back({location, method, phase, "all", "not there", "new"});
      continue;
    }
    std::set<double> edges{0};
    for (const auto* list : {&rows, &known->second}) for (const model::Row* row : *list) { edges.insert(row->from); if (row->to != model::no_limit) edges.insert(row->to); }
    const auto at = [](const std::vector<const model::Row*>& list, double seconds) -> const model::Row* {
      for (const model::Row* row : list) if (seconds >= row->from && seconds < row->to) return row;
      return nullptr;
    };
    bool joins = false;                  // the line before ends where this one begins
    double began = 0;
    for (auto edge = edges.begin(); edge != edges.end(); ++edge) {
      const double to = std::next(edge) == edges.end() ? model::no_limit : *std::next(edge);
      const model::Row *one = at(known->second, *edge), *other = at(rows, *edge);
      const std::string was = one ? outcome_text(*one) : "unknown", now = other ? outcome_text(*other) : "unknown";
      if (was == now) { joins = false; continue; }
      if (joins && all.back().before == was && all.back().after == now) { all.back().span = model::span_text(began, to); continue; }
      joins = true;
      began = *edge;
      all.push_back({location, method, phase, model::span_text(*edge, to), was, now});
    }
  }
  for (const auto& [key, rows] : old_lines)
    if (!new_lines.contains(key) && std::get<1>(key) == "wait") all.push_back({std::get<0>(key), std::get<2>(key), "wait", "all", "there", "gone"});
  // What GET and POST share is said once.
  std::vector<report::Difference> told;
  for (report::Difference& one : all) {
    const auto twin = std::ranges::find_if(told, [&](const report::Difference& other) { return other.location == one.location && other.phase == one.phase && other.span == one.span && other.before == one.before && other.after == one.after; });
    if (twin != told.end()) twin->method = "any";
    else told.push_back(std::move(one));
  }
  return told;
}

}  // namespace timeouts
