// flavour and model: start commands, environments, and the settings made of them. The first line is the command, the second the environment.
#include <cstdlib>
#include <string_view>

#include "flavour/flavour.hpp"
#include "flavour/gunicorn_args.hpp"
#include "flavour/gunicorn_settings.hpp"
#include "flavour/nginx_time.hpp"
#include "model/settings.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto end = text.find('\n');
  const auto args = text.substr(0, end);
  const auto environment = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);

  for (const auto& read : flavour::gunicorn_settings(args, environment))
    if (!flavour::gunicorn_knows(read.name)) std::abort();
  flavour::nginx_seconds(args);
  const auto version = flavour::read_version(environment);
  if (version.known() && (version.minor < 0 || version.patch < 0)) std::abort();
  for (const auto* const one : flavour::flavours()) {
    one->recognise(args);
    one->family(args);
    one->would_log(args, environment, flavour::Ending::signal_kill);
  }

  evidence::Evidence evidence;
  const auto command = evidence.add_source({.name = "cmdline", .kind = evidence::SourceKind::command});
  const auto config = evidence.add_source({.name = "gunicorn.conf.py", .kind = evidence::SourceKind::config});
  const auto add = [&](evidence::What what, evidence::SourceId source) {
    evidence::Fact fact;
    fact.what = std::move(what);
    fact.origin.source = source;
    evidence.add(std::move(fact));
  };
  add(evidence::ServerCommand{std::string(args), std::string(environment)}, command);
  add(evidence::SettingRead{"threads", std::string(environment.substr(0, 8)), "file", std::string(args.substr(0, 20)), true}, config);
  model::SettingsOf asked;
  asked.version = environment.substr(0, 10);
  for (const auto& [name, setting] : model::effective_settings(evidence, asked).settings)
    if (name != setting.name) std::abort();
  return 0;
}
