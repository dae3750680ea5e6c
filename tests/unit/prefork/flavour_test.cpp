#include <algorithm>

#include "flavour/flavour.hpp"
#include "prefork/manner.hpp"
#include "prefork/settings.hpp"
#include "support/catch.hpp"

using namespace prefork;

namespace {

// As gunicorn would print it.
std::string in_its_notation(const SettingRow& row, const std::string& text) {
  if (row.name == "umask") return "0";
  if (row.written == Written::truth) return text == "true" ? "True" : "False";
  return text;
}

}  // namespace

TEST_CASE("the flavour has every setting of triage-server, with its default") {
  Settings settings;
  REQUIRE(settle(settings, "").has_value());
  const flavour::Flavour& known = *flavour::flavour("reference");
  for (const SettingRow& row : setting_rows()) {
    INFO(row.name);
    const auto found = std::find_if(known.defaults.begin(), known.defaults.end(), [&](const flavour::Default& one) { return one.name == row.name; });
    REQUIRE(found != known.defaults.end());
    const std::string own = in_its_notation(row, shown(settings, row.name));
    CHECK((own.empty() ? (found->value.empty() || found->value == "None") : found->value == own));
  }
  CHECK(known.defaults.size() == setting_rows().size());
  for (const SettingRow& row : setting_rows()) {
    if (!row.ours || row.written == Written::truth) continue;
    INFO(row.flags);
    CHECK(std::any_of(known.options.begin(), known.options.end(), [&](const flavour::Option& one) { return one.text == row.flags && one.setting == row.name; }));
  }
}

TEST_CASE("what triage-server says it starts as is a version that the flavour knows") {
  const flavour::Flavour& known = *flavour::flavour("reference");
  CHECK(manner_of("")->starting == "triage-server 0.1.0");
  CHECK(known.family("0.1.0") == "own");
  CHECK(known.family("20.1.0") == "20.1");   // under --like the log is gunicorn's
  CHECK(known.timeout_exit_code(known.family("23.0.0")) == std::optional(0));
  CHECK(known.timeout_exit_code("own") == std::optional(manner_of("")->abort_status));
}
