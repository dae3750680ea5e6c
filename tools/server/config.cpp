#include "config.hpp"

#include <cmath>
#include <fstream>
#include <sstream>
#include <unistd.h>

#include "base/near.hpp"
#include "base/text.hpp"
#include "source/json_place.hpp"

namespace server {
namespace {

constexpr const char* usual_file = "triage-server.json";

base::Result<std::vector<std::string>> values_of(const source::PlacedJson& value, const std::string& file) {
  using source::Shape;
  switch (value.shape) {
    case Shape::boolean: return std::vector<std::string>{value.truth ? "true" : "false"};
    case Shape::number:
    case Shape::text: return std::vector<std::string>{value.text};
    case Shape::list: {
      std::vector<std::string> all;
      for (const source::PlacedJson& item : value.items) {
        if (item.shape != Shape::text && item.shape != Shape::number) return base::fail(source::complaint(file, item.place, "a list here holds texts, not " + std::string(source::shape_text(item.shape))));
        all.push_back(item.text);
      }
      return all;
    }
    default: return base::fail(source::complaint(file, value.place, "a setting is text, a number, true, false or a list, not " + std::string(source::shape_text(value.shape))));
  }
}

base::Result<> apply(prefork::Settings& settings, const Given& given) {
  for (const auto& [name, values] : given)
    if (auto done = prefork::set(settings, name, values); !done) return done;
  return {};
}

base::Result<std::string> text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return base::fail({base::Kind::missing, "reading the settings", "'" + path + "' doesn't exist", "name an existing file with -c", 0});
  return text.str();
}

}  // namespace

base::Result<> apply_file(prefork::Settings& settings, const std::string& text, const std::string& file) {
  TRY(root, source::read_placed_json(text, file));
  if (root.shape != source::Shape::object) return base::fail(source::complaint(file, root.place, "the settings are an object: { \"workers\": 2 }"));
  for (const source::JsonMember& member : root.members) {
    if (!prefork::setting_row(member.key)) {
      std::vector<std::string_view> known;
      for (const prefork::SettingRow& row : prefork::setting_rows()) known.push_back(row.name);
      return base::fail(source::complaint(file, member.place, "there is no setting '" + base::printable(member.key, 80) + "'" + base::did_you_mean(member.key, known)));
    }
    TRY(values, values_of(member.value, file));
    if (auto done = prefork::set(settings, member.key, values); !done) return base::fail(source::complaint(file, member.value.place, base::sentence(done.error())));
  }
  return {};
}

base::Result<prefork::Settings> read_settings(const Sources& sources) {
  prefork::Settings settings;
  if (!sources.concurrency.empty()) {
    if (auto done = prefork::set(settings, "workers", {sources.concurrency}); !done) {
      done.error().doing = "reading WEB_CONCURRENCY='" + base::printable(sources.concurrency, 40) + "'";
      return base::fail(done.error());
    }
  }
  const std::string& named = sources.command_line.config.empty() ? sources.environment.config : sources.command_line.config;
  const std::string file = !named.empty() ? named : ::access(usual_file, R_OK) == 0 ? usual_file : "";
  if (!file.empty()) {
    TRY(text, text_of(file));
    if (auto done = apply_file(settings, text, file); !done) return base::fail(done.error());
  }
  if (auto done = apply(settings, sources.environment.settings); !done) return base::fail(done.error());
  if (auto done = apply(settings, sources.command_line.settings); !done) return base::fail(done.error());
  if (auto done = prefork::settle(settings, sources.port); !done) return base::fail(done.error());
  return settings;
}

}  // namespace server
