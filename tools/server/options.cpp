#include "options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <sstream>

#include "base/near.hpp"
#include "base/text.hpp"
#include "prefork/settings.hpp"

namespace server {
namespace {

constexpr const char* footer =
    "Examples:\n"
    "  triage-server builtin:hello                  on 127.0.0.1:8000\n"
    "  triage-server -w 4 -k event -b unix:/run/x.sock app:application\n"
    "  triage-server --like gunicorn-20.1 -t 3 builtin:demo\n"
    "  triage-server --fault hang=60,path=/slow builtin:demo\n"
    "  triage-server -c server.json --check-config\n"
    "Settings come from triage-server.json (or -c FILE), then\n"
    "GUNICORN_CMD_ARGS, then the command line; the last one counts.";

std::string long_name(std::string_view flags) {
  const auto at = flags.find("--");
  return std::string(flags.substr(at + 2, flags.find(',', at) - at - 2));
}

}  // namespace

Asked read_options(std::vector<std::string> words) {
  Options o;
  CLI::App app;
  app.name("triage-server");
  app.description("The reference pre-fork server: gunicorn's master and workers, with faults on demand.");
  app.footer(footer);
  app.set_version_flag("--version", "triage-server 0.1.0");
  app.add_option("-c,--config", o.config, "the settings' file: JSON with // comments")->type_name("FILE");
  app.add_flag("--check-config", o.check_config, "say whether it would start, and change nothing");
  app.add_flag("--print-config", o.print_config, "print the settings and end");
  app.add_flag("--list-faults", o.list_faults, "what --fault can do");
  app.add_flag("--list-apps", o.list_apps, "what builtin: knows");

  std::map<std::string, std::vector<std::string>> values;
  std::map<std::string, bool> truths;
  std::vector<CLI::Option*> options;
  std::vector<std::string> names;
  for (const prefork::SettingRow& row : prefork::setting_rows()) {
    const std::string name(row.name);
    std::string flags(row.flags);
    CLI::Option* option = nullptr;
    if (flags.empty()) {
      option = app.add_option("app", values[name], "module:symbol, or builtin:NAME")->expected(0, 64)->option_text("APP");
    } else if (row.written == prefork::Written::truth) {
      option = app.add_flag(flags + ",!--no-" + long_name(flags), truths[name], std::string(row.help));
    } else {
      option = app.add_option(flags, values[name], std::string(row.help))->type_name(row.written == prefork::Written::seconds ? "SECONDS" : row.written == prefork::Written::number ? "N" : "TEXT")->allow_extra_args(false);
      // The last one counts, as in gunicorn; lists are gathered.
      if (row.written == prefork::Written::list) option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)->allow_extra_args(false);
      else option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    }
    option->group(flags.empty() ? "Application" : row.ours ? "Ours" : "As gunicorn");
    options.push_back(option);
    names.push_back(name);
  }
  app.allow_extras();
  std::ranges::reverse(words);
  try {
    app.parse(words);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out, complaint;
    const int code = app.exit(error, out, complaint);
    std::string text = out.str();
    // CLI11 2.1 counts what may be left over: "[app(0x)]".
    if (const auto at = text.find(" [app(0x)]"); at != std::string::npos) text.replace(at, 10, " APP");
    return {std::nullopt, code == 0 ? text : "triage-server: " + base::printable(error.what(), 300) + "\n", code == 0 ? 0 : 2};
  }
  if (const auto left = app.remaining(); !left.empty()) {
    const auto option = std::ranges::find_if(left, [](const std::string& word) { return word.starts_with('-'); });
    if (option == left.end()) return {std::nullopt, "triage-server: one application is enough; '" + base::printable(left.front(), 80) + "' is too much\n", 2};
    std::vector<std::string> all{"config", "check-config", "print-config", "list-faults", "list-apps", "version", "help"};
    for (const prefork::SettingRow& row : prefork::setting_rows())
      if (!row.flags.empty()) all.push_back(long_name(row.flags));
    const std::string word = option->substr(std::min<std::size_t>(2, option->size()), option->find('=') - std::min<std::size_t>(2, option->size()));
    return {std::nullopt, "triage-server: there is no option " + base::printable(*option, 80) + base::did_you_mean(word, {all.begin(), all.end()}) + "\n", 2};
  }
  if (values["wsgi_app"].size() > 1) return {std::nullopt, "triage-server: one application is enough; '" + base::printable(values["wsgi_app"][1], 80) + "' is too much\n", 2};
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (options[i]->count() == 0) continue;
    if (const auto truth = truths.find(names[i]); truth != truths.end()) o.settings.emplace_back(names[i], std::vector<std::string>{truth->second ? "true" : "false"});
    else o.settings.emplace_back(names[i], values[names[i]]);
  }
  return {std::move(o), "", 0};
}

}  // namespace server
