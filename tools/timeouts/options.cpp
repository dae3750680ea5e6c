#include "options.hpp"

#include <CLI/CLI.hpp>
#include <sstream>
#include <unistd.h>

#include "base/text.hpp"
#include "model/deployment.hpp"
#include "report/report.hpp"

namespace timeouts {

namespace {

constexpr const char* footer =
    "Examples:\n"
    "  triage timeouts                            the chain of every location below here\n"
    "  triage timeouts --nginx /etc/nginx/nginx.conf --server gunicorn.conf.py\n"
    "  triage timeouts --nginx nginx.conf --server 'gunicorn -k gthread -t 60 app:app'\n"
    "  triage timeouts --duration 45s --method POST .\n"
    "                                             one request, step by step\n"
    "  triage timeouts --set server.timeout=60 .  what if\n"
    "  triage timeouts --against ../main .        what a change makes different\n"
    "  triage timeouts --access-log access.log .  weighted by real traffic\n"
    "  triage timeouts --lb-request-timeout 60s --lb-idle-timeout 60s .\n"
    "  triage timeouts --format html . > chain.html\n"
    "  triage timeouts verify                     runs nginx and the servers here against the model\n"
    "Exit: 0 nothing at or above --fail-on, 1 findings, 2 usage, 3 could not look.";

struct Words { std::string duration, request, idle; std::vector<std::string> nginx, server, unit, manifest; };

std::string span(const char* name, const std::string& text, std::optional<double>& into) {
  if (text.empty()) return {};
  into = model::span_seconds(text);
  if (into && *into >= 0 && *into <= 1e9) return {};
  return "triage-timeouts: " + std::string(name) + " " + base::printable(text, 40) + ": not a time; write 30s, 1500ms or 2min\n";
}

std::string settle(Options& o, const Words& words) {
  for (const auto& [name, text, into] : {std::tuple{"--duration", &words.duration, &o.duration}, std::tuple{"--lb-request-timeout", &words.request, &o.balancer_request}, std::tuple{"--lb-idle-timeout", &words.idle, &o.balancer_idle}})
    if (std::string wrong = span(name, *text, *into); !wrong.empty()) return wrong;
  for (const auto* list : {&words.nginx, &words.unit, &words.manifest}) o.paths.insert(o.paths.end(), list->begin(), list->end());
  for (const std::string& server : words.server) {
    if (::access(server.c_str(), F_OK) == 0 || server.find(' ') == std::string::npos) o.paths.push_back(server);
    else if (o.server_command.empty()) o.server_command = server;
    else return "triage-timeouts: --server: more than one command line\n";
  }
  for (char& c : o.method) if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  if (o.method.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") != std::string::npos) return "triage-timeouts: --method " + base::printable(o.method, 40) + ": no method of HTTP\n";
  if (o.format != "text" && !report::writer(o.format)) return "triage-timeouts: --format " + base::printable(o.format, 40) + ": no such format\n";
  return {};
}

}  // namespace

Asked read_options(int count, char** words) {
  Options o;
  Words w;
  CLI::App app;
  app.name("triage-timeouts");
  app.description("Who gives up first: the whole chain of timeouts from configuration files, and what a client sees of a request of every duration. Nothing is run (but by verify) and nothing but the files is read.");
  app.set_version_flag("--version", std::string(report::tool_version));
  app.add_option("PATH", o.paths, "files and folders, access logs among them; default: this folder");
  app.add_option("--nginx", w.nginx, "nginx's main file")->allow_extra_args(false);
  app.add_option("--server", w.server, "the server's configuration file, or its command line in quotes")->allow_extra_args(false);
  app.add_option("--unit", w.unit, "the systemd unit that runs it")->allow_extra_args(false);
  app.add_option("--manifest", w.manifest, "compose or Kubernetes file")->allow_extra_args(false);
  app.add_option("--lb-request-timeout", w.request, "of a load balancer in front: for a whole request");
  app.add_option("--lb-idle-timeout", w.idle, "of a load balancer in front: without a byte");
  app.add_option("--duration", w.duration, "one request whose work takes this long, as a timeline");
  app.add_option("--method", o.method, "only this method");
  app.add_option("--location", o.location, "only locations whose name holds this");
  app.add_option("--set", o.set, "what if: server.timeout=60, nginx.read=30s, stop.timeout=90")->allow_extra_args(false);
  app.add_option("--against", o.against, "another tree: what is different for clients");
  app.add_option("--access-log", o.access_logs, "nginx's access log: intervals weighted by real traffic")->allow_extra_args(false);
  app.add_option("--target-nginx", o.target_nginx, "the nginx version that will read the files");
  app.add_option("--target-gunicorn", o.target_gunicorn, "the gunicorn version that will");
  app.add_option("--format", o.format, "text json html sarif github gitlab gcc junit jsonl md")->capture_default_str();
  app.add_option("--color", o.colour, "auto, always or never (NO_COLOR and CLICOLOR_FORCE are obeyed)")->check(CLI::IsMember({"auto", "always", "never"}));
  app.add_option("--rules", o.rules, "a folder with more rule cards");
  app.add_option("--fail-on", o.fail_on, "error, warning, note, or a rule pattern")->capture_default_str();
  app.add_flag("--exit-zero", o.exit_zero, "exit 0 although there are findings");
  app.add_flag("--strict", o.strict, "what cannot be told or read counts as a finding");
  app.add_flag("-q,--quiet", o.quiet, "only the summary");
  app.add_flag("-v,--verbose", o.verbose, "also what cannot be told");
  app.footer(footer);
  CLI::App* verify = app.add_subcommand("verify", "start the real nginx and the real servers with short timeouts on sockets in a scratch folder, and compare what they do with what the model says");
  verify->add_option("--random", o.verify.random, "so many random configurations instead of the fixed cases")->check(CLI::Range(1, 100000));
  verify->add_option("--seed", o.verify.seed, "of the random ones")->capture_default_str();
  verify->add_option("--jobs", o.verify.jobs, "configurations at a time")->check(CLI::Range(1, 64));
  verify->add_option("--only", o.verify.only, "sites whose name holds this");
  verify->add_option("--gunicorn", o.verify.gunicorns, "a folder with another gunicorn package, to be run as well; FOLDER:FOLDER with a uvicorn of its own")->allow_extra_args(false);
  verify->add_flag("-q,--quiet", o.quiet, "only what does not fit, and the summary");
  verify->add_flag("--keep", o.verify.keep, "keep the scratch folder");
  verify->callback([&] { o.verify.asked = true; });
  try {
    app.parse(count, words);
  } catch (const CLI::ParseError& stop) {
    std::ostringstream out, error;
    const int code = app.exit(stop, out, error);
    return {std::nullopt, out.str() + error.str(), code == 0 ? 0 : 2};
  }
  if (const std::string wrong = settle(o, w); !wrong.empty()) return {std::nullopt, wrong, 2};
  return {o, "", 0};
}

}  // namespace timeouts
